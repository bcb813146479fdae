"""A game of one's own, with two generators and two discriminators: trained, resumed bit for bit, its whole step checked.

Two domains of points, A and B, and maps between them in both directions, with the losses of Zhu et al. 2017 (CycleGAN). No line
of the package knows of it: it needs `Game` only, and a name in GAMES.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from numgan import Adam, Dense, InputError, Sequential, Tanh, Tensor, l1, l2
from numgan.batches import Batches
from numgan.games import GAMES, Game
from numgan.games.looks import Looks
from numgan.run import Run, load_game
from numgan.training import train

from .proof import reference as ref
from .runs import bits, contents


class Side(Looks):
    """A sheet of points as pictures of four pixels: a, G(a), F(G(a))."""

    def inputs(self, game, rng):
        return np.zeros(0)  # the sheet shows the data itself

    def sheet(self, game, inputs, examples):
        a, _ = examples(3)
        b = game.to_b(a)
        return np.tanh(np.concatenate([a, b.data, game.to_a(b).data])).reshape(9, 2, 2, 1)


@dataclass(kw_only=True, eq=False, repr=False)
class TwoDomains(Game):
    """G: A -> B, F: B -> A, and a discriminator of each domain; `cycle` is λ."""

    cycle: float = 10.0
    width: int = 6

    def build(self):
        def network(*last):
            return Sequential(Dense(self.width), Tanh(), *last, input_shape=(4,), rng=self.rng, dtype=self.dtype)

        self.to_b, self.to_a = network(Dense(4)), network(Dense(4))
        self.judge_a, self.judge_b = network(Dense(1)), network(Dense(1))
        self.g_optimizer = Adam(self.to_b.parameters() + self.to_a.parameters(), 1e-2)
        self.d_optimizer = Adam(self.judge_a.parameters() + self.judge_b.parameters(), 1e-2)
        self.steps_done = np.zeros((), np.int64)  # an array of the game's own, saved like the rest
        self.looks = Side(panels={"loss": ("d_loss", "g_loss")}, progress={"D": "d_loss", "G": "g_loss"}, columns=3)

    def check(self, a, b):
        if a.shape != b.shape or a.shape[1:] != (4,):
            raise InputError(f"TwoDomains.step: expected points (N, 4) of both domains, got {a.shape} and {b.shape}")

    def step(self, a, b):
        self.check(a, b)
        a, b = Tensor(a), Tensor(b)
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        with self.judge_a.frozen(), self.judge_b.frozen():
            adversarial = l2(self.judge_b(fake_b), 1) + l2(self.judge_a(fake_a), 1)
        g_loss = adversarial + (l1(self.to_a(fake_b), a) + l1(self.to_b(fake_a), b)) * self.cycle
        self.g_optimizer.minimize(g_loss)
        d_loss = sum(l2(judge(real), 1) + l2(judge(fake.detach()), 0)
                     for judge, real, fake in ((self.judge_a, a, fake_a), (self.judge_b, b, fake_b)))
        self.d_optimizer.minimize(d_loss)
        self.steps_done += 1
        return {"d_loss": d_loss.item(), "g_loss": g_loss.item()}


class Pairs(Batches):
    """A batch is a pair of unpaired minibatches, one of each domain."""

    def __next__(self):
        return tuple(self.rng.normal(mean, 1, (self.size, 4)).astype(np.float32) for mean in (-1, 1))

    def examples(self, n):
        return tuple(np.full((n, 4), mean, np.float32) for mean in (-1, 1))


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(GAMES, "TwoDomains", TwoDomains)


def new_run(folder, seed=0, **settings):
    return Run(TwoDomains(rng=np.random.default_rng(seed), **settings), Pairs(5, np.random.default_rng(1)), folder)


def test_it_trains_resumes_bit_for_bit_and_leaves_what_every_run_leaves(tmp_path):
    straight, broken = new_run(tmp_path / "straight"), new_run(tmp_path / "broken")
    train(straight, 6, every=3)
    train(broken, 3, every=3)
    again = Run.load(broken.path, Pairs(5, np.random.default_rng(9)), broken.out)
    train(again, 6, every=3)
    assert bits(again) == bits(straight)
    files = contents(straight.out)
    assert files == contents(again.out)
    assert {"checkpoint.npz", "log.csv", "curves.png", "progress.gif"} < files.keys()
    assert load_game(straight.path).steps_done == 6
    assert straight.history[-1]["g_loss"] < straight.history[0]["g_loss"]


def test_its_state_is_everything_that_moves(tmp_path):
    game = TwoDomains(rng=np.random.default_rng(0))
    before = {name: array.copy() for name, array in game.state().items()}
    game.step(*next(Pairs(5, np.random.default_rng(1))))
    assert [name for name, array in game.state().items() if np.array_equal(array, before[name])] == []
    assert {name.partition(".")[0] for name in before} == {
        "to_b", "to_a", "judge_a", "judge_b", "g_optimizer", "d_optimizer", "steps_done"}
    other = TwoDomains(rng=np.random.default_rng(7))
    other.load_state(game.state())
    batch = next(Pairs(5, np.random.default_rng(2)))
    assert game.step(*batch) == other.step(*batch)


def naive(values, x):
    """The network's forward pass by the reference."""
    w, b, v, c = values
    return np.matmul(np.tanh(np.matmul(x, w) + b), v) + c


def test_its_whole_step_equals_the_complex_step_of_the_paper_s_formulas():
    game = TwoDomains(rng=np.random.default_rng(0), dtype="float64", cycle=3.0)
    a, b = (x.astype(np.float64) for x in next(Pairs(3, np.random.default_rng(1))))
    names = ("to_b", "to_a", "judge_a", "judge_b")
    before = {name: [p.data.copy() for p in getattr(game, name).parameters()] for name in names}
    figures = game.step(a, b)
    moved = {name: before[name] for name in names}

    def g_loss(to_b, to_a, judge_a, judge_b):
        fake_b, fake_a = naive(to_b, a), naive(to_a, b)
        return (ref.l2(naive(judge_b, fake_b), 1) + ref.l2(naive(judge_a, fake_a), 1)
                + 3.0 * (ref.l1(naive(to_a, fake_b), a) + ref.l1(naive(to_b, fake_a), b)))

    def d_loss(to_b, to_a, judge_a, judge_b):
        return (ref.l2(naive(judge_a, a), 1) + ref.l2(naive(judge_a, naive(to_a, b)), 0)
                + ref.l2(naive(judge_b, b), 1) + ref.l2(naive(judge_b, naive(to_b, a)), 0))

    np.testing.assert_allclose(figures["g_loss"], g_loss(**moved), rtol=1e-12)
    np.testing.assert_allclose(figures["d_loss"], d_loss(**moved), rtol=1e-12)
    rng = np.random.default_rng(2)
    for loss, players in ((g_loss, names[:2]), (d_loss, names[2:])):
        for name in players:
            for i, p in enumerate(getattr(game, name).parameters()):
                direction = rng.standard_normal(p.shape)
                shifted = list(moved[name])
                shifted[i] = shifted[i] + 1j * ref.H * direction
                expected = np.imag(loss(**moved | {name: shifted})) / ref.H
                assert abs(expected) > 1e-6
                np.testing.assert_allclose((p.grad * direction).sum(), expected, rtol=1e-9)


def test_batches_that_do_not_suit_it_are_refused_before_anything_is_written(tmp_path):
    class Odd(Pairs):
        def __next__(self):
            return super().__next__()[0], np.zeros((2, 3), np.float32)

    with pytest.raises(InputError, match="both domains"):
        Run(TwoDomains(rng=np.random.default_rng(0)), Odd(5, np.random.default_rng(1)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
