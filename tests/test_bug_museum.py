"""Every bug of the museum is the bug it claims to be, and what is said to catch it exists."""

import re
import runpy

import numpy as np
import pytest

from numgan import Tensor, data
from numgan.batches import ImageBatches

from .scripts import ROOT

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
