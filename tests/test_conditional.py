"""Games that draw the digit they are asked for: demos/sample.py --digit."""

import numpy as np
import pytest

from numgan import data
from numgan.games import build
from numgan.run import load_game

from .runs import new_run
from .scripts import ROOT, contents

SAMPLE = ROOT / "demos" / "sample.py"


@pytest.mark.parametrize("name", ["ACGAN", "ConditionalSGAN"])
def test_sample_draws_the_digit_it_is_asked_for(script, tmp_path, name):
    run = new_run(tmp_path / "run", name)
    run.save()
    status, _, error = script(SAMPLE, run.path, "--n", 3, "--seed", 1, "--digit", 7, "--out", tmp_path / "seven.npz")
    assert (status, error) == (0, "")
    game = load_game(run.path)
    z = np.random.default_rng(1).standard_normal((3, game.latent_dim)).astype(np.float32)
    codes = np.concatenate([z, np.tile(np.eye(10, dtype=np.float32)[7], (3, 1))], 1)
    with np.load(tmp_path / "seven.npz") as archive:
        np.testing.assert_array_equal(archive["images"], data.to_pixels(game.generate(codes)))


@pytest.mark.parametrize(("name", "options", "mentions"), [
    ("DCGAN", ["--digit", 7], ["--digit", "DCGAN"]), ("ACGAN", ["--digit", 10], ["--digit", "10"]),
    ("ACGAN", ["--digit", "seven"], ["--digit", "seven"])])
def test_what_cannot_be_asked_for_fails_in_one_line(fails, tmp_path, name, options, mentions):
    run = new_run(tmp_path / "run", name)
    run.save()
    fails(SAMPLE, run.path, *options, mentions=mentions)
    assert set(contents(tmp_path / "run")) == {"checkpoint.npz"}


def test_without_average_the_networks_are_fixmatch_s_but_for_ten_more_numbers_in_a_code():
    shape = dict(size=8, width=8, latent_dim=5)
    both = [build(name, shape, np.random.default_rng(0)) for name in ("FixMatchSGAN", "ConditionalSGAN")]
    (before, asking), (d_before, d_asking) = ([getattr(game, side).state() for game in both]
                                              for side in ("generator", "discriminator"))
    assert {name: a.shape for name, a in d_before.items()} == {name: a.shape for name, a in d_asking.items()}
    assert [name for name in before if before[name].shape != asking[name].shape] == ["0_Dense.w"]
    assert asking["0_Dense.w"].shape == (15, 8)
