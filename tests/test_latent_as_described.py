"""What demos/latent.py draws and prints: the right codes, in the right place."""

from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import data, metrics

from .errors import refused
from .scripts import demo

PROTOTYPES = np.linspace(-0.9, 0.9, 10)


class Bright:
    """In the classifier's place: the digit is the brightness of the first row, the ink is that of the rest."""

    def features(self, images):
        return images.reshape(len(images), -1)[:, ::100]

    def probabilities(self, images):
        near = np.abs(images[:, 0].mean((1, 2))[:, None] - PROTOTYPES)
        p = np.exp(-60 * near)
        return p / p.sum(1, keepdims=True)


class Codes:
    """In the game's place: z's first number is the digit, in 0 … 9, and its second the ink. All else is not drawn."""

    categories = 0
    image_shape = 28, 28, 1
    seed = 3

    def latent(self, n, rng):
        return np.column_stack([rng.integers(0, 10, n), rng.uniform(0, 1, n), rng.standard_normal((n, 2))]).astype(np.float32)

    def generate(self, z):
        images = np.empty((len(z), 28, 28, 1), np.float32)
        images[:, 0] = np.interp(z[:, 0], range(10), PROTOTYPES)[:, None, None]
        images[:, 1:] = np.clip(z[:, 1] * 0.8 - 0.4, -1, 1)[:, None, None, None]
        return images


def in_ink(images):
    return images[:, 5, 0, 0] / 0.8 + 0.5


def in_digit(images):
    return np.interp(images[:, 0, 0, 0], PROTOTYPES, range(10))


@pytest.fixture
def walk(monkeypatch):
    monkeypatch.setattr(metrics, "load_classifier", Bright)
    return demo("latent.py")


def test_latent_interpolation_is_straight_above_and_an_arc_below_between_six_sure_digits(walk):
    game = Codes()
    drawn = walk["interpolation"](game, np.random.default_rng(0)).reshape(3, 2, 16, 28, 28, 1)
    ends = drawn[:, :, [0, -1]]
    np.testing.assert_allclose(ends[:, 0], ends[:, 1], atol=1e-5)
    assert len(set(np.rint(in_digit(ends[:, 0].reshape(6, 28, 28, 1))).tolist())) == 6
    for pair in drawn:
        straight = in_ink(pair[0])
        np.testing.assert_allclose(straight, np.linspace(straight[0], straight[-1], 16), atol=1e-4)
    assert any(np.abs(np.diff(in_ink(pair[1]), 2)).max() > 1e-3 for pair in drawn)


def test_latent_interpolation_begins_with_the_digits_that_are_drawn_most_surely(walk, monkeypatch):
    class Some(Bright):
        def probabilities(self, images):
            p = super().probabilities(images)
            unsure = np.isin(p.argmax(1), [0, 3, 5, 9])
            p[unsure] = 0.6 * p[unsure] + 0.04
            return p

    monkeypatch.setattr(metrics, "load_classifier", Some)
    drawn = walk["interpolation"](Codes(), np.random.default_rng(0)).reshape(3, 2, 16, 28, 28, 1)[:, 0, [0, -1]]
    assert set(np.rint(in_digit(drawn.reshape(6, 28, 28, 1))).tolist()) == {1, 2, 4, 6, 7, 8}


def test_latent_arithmetic_shows_terms_means_and_the_sum(walk, capsys):
    rows = walk["arithmetic"](Codes(), np.random.default_rng(0)).reshape(5, 16, 28, 28, 1)
    ink, digit = (f(rows.reshape(80, 28, 28, 1)).reshape(5, 16) for f in (in_ink, in_digit))
    for row, (a, b) in enumerate(walk["EQUATIONS"]):
        for term, (wanted, low, high) in enumerate([(a, 0.6, 1), (a, 0, 0.4), (b, 0, 0.4)]):  # bold a, thin a, thin b
            of_it = slice(5 * term, 5 * term + 4)  # three codes and the mean of all
            np.testing.assert_allclose(digit[row, of_it], wanted, atol=0.01)
            assert low < ink[row, of_it].min() <= ink[row, of_it].max() < high
        mean = ink[row, [3, 8, 13]]
        np.testing.assert_allclose(digit[row, 15], b, atol=0.01)
        np.testing.assert_allclose(ink[row, 15], mean[0] - mean[1] + mean[2], atol=1e-4)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4:] for line in lines[1:4]] == [["100%"] * 3] * 3
    assert [line.split(",")[0] for line in lines[4:]] == [f"bold {a} - thin {a} + thin {b}: {b}" for a, b in walk["EQUATIONS"]]


def test_latent_arithmetic_needs_thirty_codes_of_each_digit(walk):
    class Few(Codes):
        def latent(self, n, rng):
            z = super().latent(n, rng)
            z[np.flatnonzero(z[:, 0] == 5)[29:], 0] = 4
            return z

    with refused("30 codes among 4000", "surely draw a 5, got 29"):
        walk["arithmetic"](Few(), np.random.default_rng(0))


def test_latent_categories_are_sorted_by_digit_and_then_by_share(walk, capsys):
    class Four(Codes):
        categories = 4

        def latent(self, n, rng):
            kind = np.arange(n) % 4
            return np.column_stack([np.eye(4)[kind], rng.random(n)]).astype(np.float32)

        def generate(self, z):
            kind, part = z[:, :4].argmax(1), z[:, 4]
            digit = np.choose(
                kind, [np.full(len(z), 7), np.where(part < 0.6, 2, 5), np.where(part < 0.9, 2, 6), np.full(len(z), 0)]
            )
            return super().generate(np.column_stack([digit, kind / 4]))

    rows = walk["categories"](Four(), np.random.default_rng(0)).reshape(4, 16, 28, 28, 1)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[1:5]] == ["0", "2", "2", "7"]
    np.testing.assert_allclose([int(line[-1].strip("%")) for line in lines[1:]], [100, 90, 60, 100, 87.5], atol=3)
    np.testing.assert_allclose(in_ink(rows[:, 0]) * 4, [3, 2, 1, 0], atol=1e-4)


def test_latent_reconstruction_shows_each_digit_and_the_best_of_its_tries(walk, capsys):
    game, n, restarts = Codes(), 3, 5
    x = {
        "held-out": game.generate(np.array([[d, 0.5] for d in (1, 4, 8)])),
        "training": game.generate(np.array([[d, 1] for d in (2, 3, 5)])),
    }
    errors = np.random.default_rng(1).permutation(15) + 1.0  # of each try

    def descend(game, starts, images, *, steps):
        assert steps == 1
        np.testing.assert_array_equal(images.reshape(restarts, n, 28, 28, 1)[-1], images[:n])
        return np.column_stack([in_digit(images), errors / 16]), errors

    walk["descend"], walk["digits"] = descend, lambda args: x
    rows = walk["reconstruction"](game, np.random.default_rng(0), Namespace(restarts=restarts, descent=1)).reshape(
        4, 16, 28, 28, 1
    )
    tries = errors.reshape(restarts, n)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("best of 1, 2, 4")
    for i, name in enumerate(x):
        np.testing.assert_array_equal(rows[2 * i, :3], x[name])
        np.testing.assert_allclose(in_digit(rows[2 * i + 1, :3]), in_digit(x[name]), atol=1e-4)
        np.testing.assert_allclose(in_ink(rows[2 * i + 1, :3]), tries.min(0) / 16, atol=1e-4)
        assert (rows[2 * i, 3:] == -1).all()
        assert lines[i].split()[-3:] == [f"{tries[:k].min(0).mean():.4f}" for k in (1, 2, 4)]


def test_latent_reconstructs_the_first_held_out_digits_and_training_digits_from_all_over_the_set(walk, monkeypatch):
    count = np.broadcast_to(np.arange(101, dtype=np.uint8)[:, None, None], (101, 28, 28))
    monkeypatch.setattr(data, "mnist", lambda split, folder: {("test", "there"): (count[::-1], None)}[split, folder])
    monkeypatch.setattr(data, "digits_10k", lambda: (count, None))
    x = walk["digits"](Namespace(n=5, data_dir="there"))
    assert {name: data.to_pixels(images)[:, 0, 0].tolist() for name, images in x.items()} == {
        "held-out": [100, 99, 98, 97, 96], "training": [0, 25, 50, 75, 100]}


def test_latent_shows_the_first_sixteen_of_many_digits(walk):
    game, n = Codes(), 20
    x = game.generate(np.column_stack([np.arange(n) % 10, np.arange(n) / n]))
    walk["descend"], walk["digits"] = (
        (lambda game, starts, images, *, steps: (starts, np.ones(len(starts)))),
        lambda args: {"a": x},
    )
    rows = walk["reconstruction"](game, np.random.default_rng(0), Namespace(restarts=1, descent=1))
    np.testing.assert_array_equal(rows[:16], x[:16])


def test_latent_comparison_trains_with_other_weights_and_images_for_each_seed(walk, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (99, 28, 28), np.uint8)
    same, again, other = (walk["norm_run"](tmp_path, "weight", seed, images) for seed in (0, 0, 1))
    begun = [(run.game.sample(1).tobytes(), next(run.batches)[0].tobytes()) for run in (same, again, other)]
    assert begun[0] == begun[1]
    assert [a != b for a, b in zip(begun[0], begun[2], strict=True)] == [True, True]


def test_latent_comparison_has_means_of_errors_and_runs_of_their_own_seeds(walk, capsys, tmp_path, monkeypatch):
    runs, fids = [], []

    def norm_run(out, norm, seed, images):
        runs.append((out.name, norm, seed))
        return SimpleNamespace(
            step=0,
            game=SimpleNamespace(seed=seed, sample=lambda n, rng: fids.append((n, rng.random())) or np.zeros((n, 28, 28, 1))),
        )

    errors = {"a": [1.0, 1, 7], "b": [2.0, 2, 2]}
    walk.update(
        norm_run=norm_run,
        unfinished=lambda *a: False,
        digits=lambda args: {name: name for name in errors},
        reconstruct=lambda game, x, *, steps, restarts, rng: (rng.random(), np.array(errors[x]) + game.seed),
    )
    monkeypatch.setattr(metrics, "frechet_distance", lambda a, b: 4.0)
    walk["compare"](Namespace(out=tmp_path, seeds=2, steps=1, descent=1, restarts=1, data_dir=None))
    assert runs == [(f"{norm}-{seed}", norm, seed) for seed in (0, 1) for norm in ("batch", "weight")]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = [(line[0], *(float(line[line.index(word) + 1]) for word in ("a", "b", "digit-FID"))) for line in lines]
    assert shown == [
        ("batch", 3, 2, 4),
        ("weight", 3, 2, 4),
        ("batch", 4, 3, 4),
        ("weight", 4, 3, 4),
        ("batch", 3.5, 2.5, 4),
        ("weight", 3.5, 2.5, 4),
    ]
    after = []
    for seed in 0, 1:
        rng = np.random.default_rng(seed)
        after.append((2000, (rng.random(), rng.random(), rng.random())[-1]))
    assert fids == [after[0]] * 2 + [after[1]] * 2
