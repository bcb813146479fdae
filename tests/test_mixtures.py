"""The mixtures of Gaussians, the games that are played on them, and demos/mixtures.py."""

import re
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from numgan import InputError, checkpoint, metrics, plotting
from numgan.batches import PointBatches
from numgan.games.mixture import MIXTURES, MixtureGAN, MixtureLSGAN
from numgan.run import Run, load_game
from numgan.tensor import Tensor
from numgan.training import train

from .runs import empty
from .scripts import ROOT, contents, process

SCRIPT = ROOT / "demos" / "mixtures.py"
GAMES = {"vanilla": MixtureGAN, "least-squares": MixtureLSGAN}


def rng(seed=0):
    return np.random.default_rng(seed)


def new_game(kind=MixtureGAN, seed=0, **settings):
    return kind(**{"width": 8, "rng": rng(seed), **settings})


# --- The mixtures


def test_the_centres_are_eight_on_the_unit_circle_and_twenty_five_on_a_square():
    turned = MIXTURES["ring"].centres @ np.array([1, 1j])
    np.testing.assert_allclose(turned, np.exp(2j * np.pi * np.arange(8) / 8), atol=1e-15)
    grid = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {tuple(c) for c in MIXTURES["grid"].centres.tolist()} == grid
    assert MIXTURES["grid"].centres.shape == (25, 2)
    assert {name: (m.sigma, m.scale) for name, m in MIXTURES.items()} == {"ring": (0.01, 1), "grid": (0.05, 4)}


@pytest.mark.parametrize("name", MIXTURES)
def test_points_have_equal_weights_and_the_spread_sigma_in_every_direction(name):
    mixture, per_mode = MIXTURES[name], 4000
    modes = len(mixture.centres)
    points = mixture.sample(modes * per_mode, rng(1))
    assert (points.dtype, points.shape) == (np.float32, (modes * per_mode, 2))
    nearest = np.linalg.norm(points[:, None] - mixture.centres, axis=2).argmin(1)
    counts = np.bincount(nearest, minlength=modes)
    assert ((counts - per_mode)**2 / per_mode).sum() < modes + 5 * np.sqrt(2 * modes)  # chi squared
    offsets = (points - mixture.centres[nearest]) / mixture.sigma
    np.testing.assert_allclose([offsets[nearest == k].mean(0) for k in range(modes)], 0, atol=5 / np.sqrt(per_mode))
    np.testing.assert_allclose(np.cov(offsets.T), np.eye(2), atol=0.04)
    covered, share = metrics.modes_covered(points, mixture.centres, mixture.sigma)
    assert covered == modes
    assert abs(share - (1 - np.exp(-4.5))) < 0.005  # |offset| is Rayleigh distributed


def test_minibatches_depend_on_the_generator_only_and_examples_do_not_move_it():
    a, b, c = (PointBatches(MIXTURES["grid"], 6, rng(seed)) for seed in (1, 1, 2))
    assert a.size == 6
    for _ in range(3):
        np.testing.assert_array_equal(a.examples(50), b.examples(50))
        (x,), (y,), (z,) = next(a), next(iter(b)), next(c)
        a.examples(3)
        assert (x.dtype, x.shape) == (np.float32, (6, 2))
        np.testing.assert_array_equal(x, y)
        assert not np.array_equal(x, z)
    assert len(np.unique(a.examples(50), axis=0)) == 50


@pytest.mark.parametrize("size", [0, -1, 2.5, None, "8"])
def test_minibatches_of_no_size_are_refused(size):
    with pytest.raises(InputError, match=f"positive integer as size, got {size!r}"):
        PointBatches(MIXTURES["ring"], size, rng())


# --- The games


def test_the_networks_see_points_divided_by_the_scale():
    game = new_game(scale=4.0, pack=1)
    x, z = rng(1).standard_normal((2, 9, 2)).astype(np.float32)
    np.testing.assert_allclose(game.outputs(4 * x), game.discriminator(Tensor(x)).data, rtol=1e-5)
    np.testing.assert_allclose(game.generate(z), 4 * game.generator(Tensor(z)).data, rtol=1e-6)
    seen = []
    game.discriminate = lambda points: seen.append(points.data[:9]) or game.discriminator(points)
    game.step(4 * x)
    np.testing.assert_array_equal(seen[0], x)


@pytest.mark.parametrize("pack", [1, 2, 3])
def test_d_judges_packs_of_neighbouring_points(pack, monkeypatch):
    monkeypatch.setattr("numgan.network.AT_ONCE", 0)  # one pack at a time
    game = new_game(pack=pack)
    x = rng(1).standard_normal((300 * pack, 2)).astype(np.float32)
    packs = np.concatenate([x[i::pack] for i in range(pack)], 1)
    np.testing.assert_allclose(game.outputs(x), game.discriminator(Tensor(packs)).data, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match=f"multiple of {pack} .*7, 2") if pack > 1 else nullcontext():
        game.step(x[:7])
    for n in (1, 5, 6):
        with pytest.raises(InputError, match=f"multiple of {pack} ") if n % pack else nullcontext():
            game.outputs(x[:n])


def test_a_batch_has_whole_packs_for_each_step_of_d():
    game = new_game(pack=2, d_steps=2)
    with pytest.raises(InputError, match="positive multiple of 4"):
        game.step(np.zeros((6, 2), np.float32))


def test_the_learning_rates_fall_from_the_first_step_on():
    game, points = new_game(lr_steps=4, lr=0.01), PointBatches(MIXTURES["ring"], 4, rng(1))
    for expected in 0.01, 0.0075, 0.005, 0.0025, 0, 0:
        np.testing.assert_allclose([game.g_optimizer.rate, game.d_optimizer.rate], expected)
        game.step(*next(points))


def test_the_sheets_codes_are_as_many_as_the_protocol_scores():
    game = new_game(latent_dim=3)
    codes = game.looks.inputs(game, rng(1))
    assert (codes.shape, codes.dtype) == ((2500, 3), np.float32)


@pytest.mark.parametrize(("settings", "mentions"), [
    ({"scale": 0}, "scale"), ({"scale": -1}, "-1"), ({"scale": np.inf}, "inf"), ({"scale": np.nan}, "nan"),
    ({"pack": 0}, "pack"), ({"pack": 1.5}, "1.5"), ({"lr_steps": 0}, "lr_steps"), ({"lr_steps": -3}, "-3"),
    ({"lr_steps": np.nan}, "nan"), ({"width": 0}, "0")])
def test_settings_out_of_range_are_refused(settings, mentions):
    with pytest.raises(InputError, match=mentions):
        new_game(**settings)


def test_a_few_hundred_steps_reach_every_mode_of_a_wide_ring():
    wide = type(MIXTURES["ring"])(MIXTURES["ring"].centres, 0.1)
    game, points = new_game(width=64), PointBatches(wide, 128, rng(1))
    before, _ = metrics.modes_covered(game.sample(500, rng(2)), wide.centres, wide.sigma)
    for _ in range(400):
        game.step(*next(points))
    after, share = metrics.modes_covered(game.sample(500, rng(2)), wide.centres, wide.sigma)
    assert before < after == 8
    assert share > 0.25


# --- Runs


@pytest.fixture
def no_pictures(monkeypatch):
    """Runs without what takes most of their time here."""
    for name in ("save_plane", "save_curves", "save_gif"):
        monkeypatch.setattr(plotting, name, empty)


@pytest.mark.parametrize("kind", GAMES.values())
def test_a_resumed_run_equals_a_straight_one_bit_for_bit(no_pictures, tmp_path, kind):
    def points(seed):
        return PointBatches(MIXTURES["grid"], 16, rng(seed))

    def new_run(name):
        game = new_game(kind, scale=4.0, width=12, latent_dim=3, lr_steps=50.5, lr=0.002)
        return Run(game, points(1), tmp_path / name, draw=lambda path, run: None)

    straight, halves = new_run("straight"), new_run("halves")
    train(straight, 40)
    train(halves, 20)
    train(Run.load(halves.path, points(7), halves.out, draw=lambda path, run: None), 40)
    (about, arrays), (about_too, arrays_too) = (checkpoint.load(run.path) for run in (straight, halves))
    assert about == about_too
    assert about["settings"].items() >= {"scale": 4.0, "width": 12, "latent_dim": 3, "lr_steps": 50.5, "lr": 0.002}.items()
    assert {name: array.tobytes() for name, array in arrays.items()} == {n: array.tobytes() for n, array in arrays_too.items()}
    assert len(arrays["history"]) == 40
    np.testing.assert_array_equal(load_game(halves.path).sample(5, rng(1)), straight.game.sample(5, rng(1)))


# --- The script


@pytest.mark.parametrize(("mixture", "loss"), [("ring", "least-squares"), ("grid", "vanilla")])
def test_a_run_draws_its_samples_and_says_their_score(script, tmp_path, monkeypatch, mixture, loss):
    from matplotlib.image import imread
    monkeypatch.chdir(tmp_path)
    status, said, _ = script(SCRIPT, "--mixture", mixture, "--loss", loss, "--steps", 2, "--every", 2)
    assert status == 0
    out, modes = Path("runs", f"{mixture}-{loss}"), len(MIXTURES[mixture].centres)
    assert re.fullmatch(rf"{re.escape(str(out))}: \d+ of {modes} modes, \d+\.\d% high quality\n", said)
    made = {"checkpoint.npz", "curves.png", "log.csv", "progress.gif", "samples",
            *(str(Path("samples", f"step_{step:06d}.png")) for step in (0, 2))}
    assert contents(out).keys() == made
    pictures = [imread(out / "samples" / f"step_{step:06d}.png") for step in (0, 2)]
    assert [picture.shape for picture in pictures] == [(430, 400, 4)] * 2
    assert (pictures[0] != pictures[1]).any()
    about, arrays = checkpoint.load(out / "checkpoint.npz")
    assert (about["game"], about["settings"]["scale"]) == (GAMES[loss].__name__, MIXTURES[mixture].scale)
    assert arrays["z"].shape == (2500, about["settings"]["latent_dim"])


def test_the_script_runs_in_a_process_of_its_own(tmp_path):
    assert "--mixture" in process(SCRIPT, "--help", cwd=tmp_path).stdout
    said = process(SCRIPT, "--steps", 1, cwd=tmp_path)
    assert "Traceback" not in said.stderr
    assert said.stdout.count("\n") == 1


def test_the_picture_shows_points_where_they_are_on_d_s_surface(tmp_path):
    from matplotlib.image import imread

    def picture(points, surface):
        plotting.save_plane(tmp_path / "x.png", np.array(surface), 1.0, np.array(points), np.zeros((1, 2)), "")
        return imread(tmp_path / "x.png")[30:, :, :3]

    plain = picture([[9.0, 9.0]], [[0.5, 0.5], [0.5, 0.5]])
    dark = np.argwhere(abs(picture([[0.5, 0.25]], [[0.5, 0.5], [0.5, 0.5]]) - plain).max(2) > 0.3)
    np.testing.assert_allclose(dark.mean(0), [400 * 0.375, 400 * 0.75], atol=1.5)
    red, blue = np.array([1, 0, -1]), np.array([-1, 0, 1])
    sides = picture([[9.0, 9.0]], [[0.0, 1.0], [0.0, 0.0]])  # the first row is the lowest
    assert [sides[y, x] @ colour > 0.1 for y, x, colour in ((300, 100, blue), (300, 300, red), (100, 300, blue))] == [True] * 3


def test_the_script_resumes_bit_for_bit_and_takes_its_own_options_again(no_pictures, script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = "--mixture", "grid", "--loss", "least-squares", "--seed", 3, "--steps", 4
    assert script(SCRIPT, *options, "--out", "straight")[0] == 0
    with monkeypatch.context() as patch:
        step = MixtureLSGAN.step
        patch.setattr(MixtureLSGAN, "step", lambda *batch: signal.raise_signal(signal.SIGINT) or step(*batch))
        status, _, said = script(SCRIPT, *options, "--out", "halves")
    assert status != 0
    assert "stopped at step 1" in said
    status, out, _ = script(SCRIPT, "--resume", Path("halves", "checkpoint.npz"), *options)
    assert status == 0
    assert "halves" in out
    straight, halves = (Path(name, "checkpoint.npz").read_bytes() for name in ("straight", "halves"))
    assert straight == halves
    assert script(SCRIPT, *options, "--seed", 4, "--out", "other")[0] == 0
    assert Path("other", "log.csv").read_text() != Path("straight", "log.csv").read_text()


def test_the_table_has_every_run_and_does_not_repeat_complete_ones(no_pictures, script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, first, _ = script(SCRIPT, "--table", "--steps", 1)
    assert status == 0
    numbers = r"([\d.]+) \(([\d.]+) … ([\d.]+)\)"
    rows = [re.fullmatch(rf"\| (\w+) of (\d+) \| ([\w-]+) \| {numbers} \| {numbers} \|", line)
            for line in first.splitlines()[2:]]
    assert [row.group(1, 2, 3) for row in rows] == [
        (mixture, modes, loss) for mixture, modes in (("ring", "8"), ("grid", "25")) for loss in GAMES]
    for row in rows:
        for mean, low, high in (map(float, row.group(4, 5, 6)), map(float, row.group(7, 8, 9))):
            assert low - 0.1 <= mean <= high + 0.1
    paths = sorted(Path("runs", "mixtures").glob("*/checkpoint.npz"))
    assert [path.parent.name for path in paths] == sorted(
        f"{mixture}-{loss}-{seed}" for mixture in MIXTURES for loss in GAMES for seed in range(3))
    assert len({path.read_bytes() for path in paths}) == 12
    assert script(SCRIPT, "--table", "--steps", 2)[0] not in (0, None)  # their learning rates are at their end
    whole = contents(Path("runs"))
    shutil.rmtree(paths[4].parent)
    written = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    assert script(SCRIPT, "--table", "--steps", 1)[:2] == (0, first)
    assert contents(Path("runs")) == whole
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize(("options", "mentions"), [
    (["--mixture", "square"], ["square", "grid"]), (["--loss", "hinge"], ["hinge", "vanilla"]),
    (["--nonsense"], ["--nonsense"]), (["--steps", "0"], ["steps", "0"]), (["--steps", "many"], ["many"]),
    (["--every", "-1"], ["every", "-1"]), (["--pack", "0"], ["pack", "0"]),
    (["--pack", "3"], ["--pack", "got 3", "divisor of 512"]),
    (["--table", "--pack", "1"], ["--table"]),
    (["--seed", "-1"], ["--seed", "-1"]), (["--resume", "nowhere.npz"], ["nowhere.npz"]),
    (["--table", "--steps", "0"], ["--steps"]), (["--table", "--every", "0"], ["--every"]),
    (["--table", "--mixture", "ring"], ["--table"]),
    (["--table", "--seed", "1"], ["--table"]), (["--table", "--resume", "x.npz"], ["--table"])])
def test_bad_options_fail_in_one_line_and_nothing_is_written(fails, options, mentions):
    fails(SCRIPT, *options, mentions=mentions)


@pytest.fixture
def trained(no_pictures, script, tmp_path):
    """A checkpoint of two steps."""
    assert script(SCRIPT, "--steps", 2, "--out", tmp_path / "run")[0] == 0
    for name in ("samples/step_000002.png", "curves.png", "progress.gif"):  # which are not drawn here
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).touch()
    return tmp_path / "run" / "checkpoint.npz"


@pytest.mark.parametrize(("options", "mentions"), [
    (["--mixture", "grid"], ["--mixture grid", "ring"]), (["--loss", "least-squares"], ["--loss least-squares", "vanilla"]),
    (["--seed", "1"], ["--seed 1"]), (["--pack", "1"], ["--pack 1", "with 2"]), (["--steps", "2"], ["2 steps already"]),
    (["--steps", "3"], ["steps <= 2", "got 3"])])
def test_a_resumed_run_cannot_become_another(fails, trained, options, mentions):
    fails(SCRIPT, "--resume", trained, *options, mentions=mentions)


def test_a_run_is_not_overwritten(fails, trained, tmp_path):
    fails(SCRIPT, "--out", trained.parent, mentions=["--resume", trained])
    other = tmp_path / "other"
    other.mkdir()
    (other / "checkpoint.npz").write_text("precious")
    fails(SCRIPT, "--resume", trained, "--steps", 9, "--out", other, mentions=[other])


@pytest.mark.parametrize("kind", ["foreign", "of another script", "of no mixture", "without a batch size"])
def test_checkpoints_that_cannot_be_used_fail_in_one_line(fails, trained, tmp_path, kind):
    path = tmp_path / "bad.npz"
    about, arrays = checkpoint.load(trained)
    if kind == "foreign":
        path.write_bytes(b"PK")
    elif kind == "of no mixture":
        checkpoint.save(path, about | {"run": about["run"] | {"mixture": "square"}}, arrays)
    elif kind == "of another script":
        checkpoint.save(path, about | {"run": {"game": "dcgan"}}, arrays)
    else:
        checkpoint.save(path, {name: value for name, value in about.items() if name != "batch"}, arrays)
    fails(SCRIPT, "--resume", path, "--steps", 9, mentions=[path])
