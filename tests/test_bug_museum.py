"""Every bug of the museum is the bug it claims to be, and what is said to catch it exists."""

import re
import runpy
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import Tensor, data
from numgan.batches import ImageBatches
from numgan.doctor import COVERED

from .scripts import ROOT, demo

SCRIPT, GAMES = (ROOT / "demos" / name for name in ("bug_museum.py", "bugs.py"))
MUSEUM = runpy.run_path(str(GAMES))
Healthy, BUGS = MUSEUM["Healthy"], MUSEUM["BUGS"]


def made(kind):
    """A game of this kind and its batches."""
    if isinstance(kind, str):
        kind = MUSEUM[kind]
    return kind(rng=np.random.default_rng(0)), ImageBatches(data.digits_10k()[0], 4, np.random.default_rng(1))


def played(kind, steps=2):
    """The game after so many steps, and its figures."""
    game, batches = made(kind)
    return game, [game.step(*next(batches)) for _ in range(steps)]


def copies(network):
    return [array.copy() for array in network.state().values()]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_quick_visit(script, tmp_path):
    status, out, _ = script(SCRIPT, "--quick", "--out", tmp_path / "museum.png")
    assert status == 0
    assert [kind.title for kind in BUGS if f"\n{kind.title}\n" not in out] == []
    for mention in "this graph has been used already", "0 <= momentum < 1", "no gradient reached":
        assert out.count(mention) == 1
    assert (tmp_path / "museum.png").stat().st_size > 10_000


class Counting:
    """It counts its steps, and fails after 150."""

    title, caught = "counting", ""

    def __init__(self, rng):
        self.steps = 0

    def step(self, images, labels):
        self.steps += 1
        if self.steps > 150:
            raise FloatingPointError("nan")
        return {"d_loss": self.steps, "g_loss": -self.steps, "d_real": 0.9, "d_fake": 0.1}

    def sample(self, n, rng):
        return np.tile(np.linspace(-0.1, 0.1, n, dtype=np.float32)[:, None, None, None], (1, 28, 28, 1))


@pytest.fixture
def museum(monkeypatch):
    """The script's functions."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return demo("bug_museum.py")


@pytest.fixture
def exhibit(museum):
    """A function that plays the game that counts, for some steps."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    classifier = SimpleNamespace(features=lambda shown: shown[:, 0, :2, 0])
    return lambda steps, **replaced: museum.update(replaced) or museum["play"](
        Counting, images, data.to_images(images), classifier, steps, seed=0)


def test_an_exhibit_tells_of_its_last_hundred_steps_and_of_its_samples(museum, exhibit):
    seen = exhibit(200)
    assert len(seen.history) == 150
    assert seen.error == "step 151: nan"
    assert (seen.figures["d_loss"], seen.figures["g_loss"]) == (100.5, -100.5)
    assert seen.figures["diversity"] < 0.5
    assert seen.figures["fid"] > 0.1
    text = " ".join(museum["report"](seen).split())
    for words in "D(x) 0.90, D(G(z)) 0.10, loss D 100.50, G -100.50", "numgan error: step 151: nan", "It counts its steps":
        assert words in text


@pytest.mark.parametrize(("covered", "says"), [
    (4800, "no sign of a failure"), (4801, "too early to say, 4,800 of 4,801 images")])
def test_the_doctor_is_told_how_many_images_the_game_has_seen(exhibit, covered, says):
    assert exhibit(200, COVERED=covered, signs=lambda seen: {}).doctor == says


def test_by_default_it_plays_long_enough_for_the_doctor(script):
    _, out, _ = script(SCRIPT, "--help")
    assert 0 <= int(re.search(r"default (\d+), as many", " ".join(out.split()))[1]) * 32 - COVERED < 32


@pytest.mark.parametrize("kind", [kind for kind in BUGS if hasattr(kind, "AsWritten")], ids=lambda kind: kind.__name__)
def test_what_numgan_says_of_a_bug_costs_its_game_no_batch(museum, kind):
    _, batches = made(kind)
    before = batches.rng.bit_generator.state
    assert museum["refusal"](kind, batches, np.random.SeedSequence(0))
    assert batches.rng.bit_generator.state == before


def test_curves_are_means_of_the_last_twenty_steps_and_the_healthy_game_s_are_dotted(museum, exhibit, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **_: drawn.append(figure) or path.touch())
    short, long = exhibit(100), exhibit(140)
    museum["draw"](tmp_path / "a.png", [short, long])
    (dotted, plain, *_), (axes,) = drawn[0].axes[4].lines, [drawn[0].axes[4]]
    assert [line.get_linestyle() for line in axes.lines] == [":", "-"] * 2
    assert [line.get_xdata()[-1] for line in (dotted, plain)] == [100, 140]
    np.testing.assert_allclose(plain.get_ydata(), plain.get_xdata() - (15 - 1) / 2)


def test_a_bad_option_is_one_line(fails):
    fails(SCRIPT, "--out", "museum.txt", mentions=[".png"])


@pytest.mark.parametrize("kind", BUGS, ids=lambda kind: kind.__name__)
def test_what_is_said_to_catch_it_exists(kind):
    path, _, name = re.split("(::|: )", kind.caught)
    assert name in (ROOT / path).read_text(encoding="utf-8")


def test_without_detach_g_learns_from_d_s_loss_too():
    (healthy, _), (bug, _) = played("Healthy", 1), played("NotDetached", 1)
    assert not same(copies(healthy.generator), copies(bug.generator))
    assert same(copies(healthy.discriminator)[:2], copies(bug.discriminator)[:2])  # D's first step is not concerned


def test_gradients_that_are_not_cleared_add_up():
    (healthy, _), (bug, _) = (played(kind, 1) for kind in ("Healthy", "NotCleared"))
    assert same([p.grad for p in healthy.g_optimizer.parameters], [p.grad for p in bug.g_optimizer.parameters])
    before = [p.grad.copy() for p in bug.g_optimizer.parameters]
    _, batches = made("Healthy")
    bug.step(*next(batches))
    own = [p.grad - earlier for p, earlier in zip(bug.g_optimizer.parameters, before, strict=True)]
    assert max(np.abs(g).max() for g in own) > 0
    assert not same(own, [p.grad for p in bug.g_optimizer.parameters])


def test_frozen_statistics_do_not_show_in_the_curves():
    (healthy, expected), (bug, figures) = played("Healthy"), played("FrozenStatistics")
    assert figures == expected
    statistics = [array for name, array in bug.generator.state().items() if name.endswith(".mean")]
    assert statistics
    assert not any(array.any() for array in statistics)
    codes = healthy.latent(3, np.random.default_rng(2))
    assert np.abs(healthy.generate(codes) - bug.generate(codes)).max() > 1e-3


@pytest.mark.parametrize(("kind", "depends"), [("Healthy", False), ("OneBatch", True)])
def test_in_one_batch_a_score_depends_on_the_other_images(kind, depends):
    game, batches = made(kind)
    real = Tensor(next(batches)[0])
    scores = [game.d_outputs(real, Tensor(np.full(real.shape, value, np.float32)))[0].data for value in (-1, 1)]
    assert (np.abs(scores[0] - scores[1]).max() > 1e-3) == depends


@pytest.mark.parametrize(("kind", "best"), [("Healthy", -np.inf), ("BothSmoothed", np.log(1 / 9))])
def test_labels_smoothed_on_both_sides_keep_d_from_certainty(kind, best):
    game, _ = made(kind)
    real = Tensor(np.zeros((1, 1)))
    at = {y: game.losses.d_loss(real, Tensor(np.full((1, 1), y)), None).item() for y in (-9.0, np.log(1 / 9), 0.0)}
    assert min(at, key=at.get) == max(best, -9.0)


def test_with_two_sigmoids_d_calls_no_image_fake():
    for row in played("TwoSigmoids")[1]:
        assert row["d_fake"] >= 0.5
        assert row["d_accuracy_fake"] == 0


def test_half_of_tanh_s_range_is_never_right():
    game, batches = made("ZeroToOne")
    batch = game.minibatch(*next(batches))
    assert (batch.real.data.min(), batch.real.data.max()) == (0, 1)


def test_with_the_wrong_parameters_d_never_learns():
    for kind, learns in ("Healthy", True), ("WrongParameters", False):
        game, batches = made(kind)
        before = [p.data.copy() for p in game.discriminator.parameters()]
        game.step(*next(batches))
        assert same(before, [p.data for p in game.discriminator.parameters()]) != learns
