"""Games that draw the digit they are asked for; demos/sample.py --digit."""

import numpy as np
import pytest

from numgan import InputError, data
from numgan.games import build
from numgan.run import load_game

from .runs import new_run
from .scripts import ROOT

SAMPLE = ROOT / "demos" / "sample.py"


@pytest.mark.parametrize(("name", "digit"), [("ACGAN", 0), ("ConditionalSGAN", 7)])
def test_sample_draws_the_digit_it_is_asked_for(script, tmp_path, name, digit):
    run = new_run(tmp_path / "run", name)
    run.save()
    status, _, error = script(SAMPLE, run.path, "--n", 3, "--seed", 1, "--digit", digit, "--out", tmp_path / "asked.npz")
    assert (status, error) == (0, "")
    game = load_game(run.path)
    z = np.random.default_rng(1).standard_normal((3, game.latent_dim)).astype(np.float32)
    codes = np.concatenate([z, np.tile(np.eye(10, dtype=np.float32)[digit], (3, 1))], 1)
    with np.load(tmp_path / "asked.npz") as archive:
        np.testing.assert_array_equal(archive["images"], data.to_pixels(game.generate(codes)))


@pytest.mark.parametrize("name", ["DCGAN", "FixMatchSGAN"])
def test_other_games_cannot_be_asked(fails, tmp_path, name):
    run = new_run(tmp_path / "run", name)
    run.save()
    fails(SAMPLE, run.path, "--digit", 7, mentions=["--digit", "acgan", "conditional", name])


@pytest.mark.parametrize("digit", ["10", "-1", "seven"])
def test_what_is_no_digit_fails_in_one_line(fails, digit):
    fails(SAMPLE, "checkpoint.npz", f"--digit={digit}", mentions=["--digit", digit])


@pytest.mark.parametrize("classes", [[-1, 3, 5], [0, 3, 10], [0.0, 1.0, 2.0], [1, 2]])
def test_what_is_no_class_cannot_be_asked_for(classes):
    game = build("ACGAN", dict(size=8, width=2), np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^ACGAN\.asking: expected .*labels"):
        game.asking(game.noise(3), np.array(classes))


def test_the_networks_are_fixmatch_s_but_for_ten_more_numbers_in_a_code():
    settings = dict(size=8, width=8, latent_dim=5)
    games = [build(name, settings, np.random.default_rng(0)) for name in ("FixMatchSGAN", "ConditionalSGAN")]
    plain, asking = ({f"{player} {name}": array.shape for player in ("generator", "discriminator")
                      for name, array in getattr(game, player).state().items()} for game in games)
    assert asking == plain | {"generator 0_Dense.w": (15, 8)}
