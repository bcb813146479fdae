"""Games of one's own on the bases Game and GAN: what would go wrong silently, or be lost, is refused in time."""

from dataclasses import dataclass

import numpy as np
import pytest

from numgan import SGD, Adam, Dense, InputError, Reshape, Sequential, Tanh, l2
from numgan.batches import ImageBatches
from numgan.doctor import Doctor, examine
from numgan.games import GAMES, GAN, Game
from numgan.games.crossentropy import CrossEntropy
from numgan.games.looks import Looks, Samples
from numgan.run import Run, check_saveable, continued
from numgan.training import train

from .errors import refused
from .runs import anew, bits, new_run, rows
from .small import states

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), np.uint8)
LABELS = np.arange(20) % 10


@dataclass(kw_only=True, eq=False, repr=False)
class Least(GAN):
    """The least that a GAN needs."""

    latent_dim: int = 3
    widths: tuple = (5,)

    def build(self):
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = Sequential(Dense(16), Tanh(), Reshape(4, 4, 1), input_shape=(self.latent_dim,), **made)
        self.discriminator = Sequential(Reshape(16), *map(Dense, self.widths), Dense(1), input_shape=(4, 4, 1), **made)
        self.losses = CrossEntropy()
        self.looks = Samples()


@pytest.fixture
def run_of(monkeypatch, tmp_path, undrawn):
    """A function: a class of games -> its run, in `tmp_path`."""
    def make(kind, **settings):
        monkeypatch.setitem(GAMES, kind.__name__, kind)
        game = kind(rng=np.random.default_rng(0), **settings)
        return Run(game, ImageBatches(IMAGES, 6, np.random.default_rng(1), LABELS), tmp_path)
    return make


def resumes(run):
    """Train the run for two steps, and the same run once more with a break between them."""
    train(run, 1)
    again = Run.load(run.path, anew(run.batches), run.out / "again")
    train(run, 2)
    train(again, 2)
    return all(bits(again)[what] == bits(run)[what] for what in ("arrays", "rng", "history"))


@pytest.mark.parametrize("hide", [list, tuple, lambda parts: dict(enumerate(parts))], ids=["list", "tuple", "dict"])
@pytest.mark.parametrize("what", ["networks", "optimisers", "arrays"])
def test_parts_that_would_not_be_saved_are_refused(run_of, hide, what):
    class Hiding(Least):
        def build(self):
            super().build()
            net = Sequential(Dense(2), input_shape=(3,), rng=self.rng)
            self.parts = hide([{"networks": net, "optimisers": Adam(net.parameters()), "arrays": np.ones(2)}[what]])

    with refused("Hiding.parts", "attributes of their own"):
        run_of(Hiding)


def test_a_game_that_could_not_be_loaded_is_refused():
    with refused("numgan.games.GAMES['Least'] = Least"):
        check_saveable(Least(rng=np.random.default_rng(0)))
    namesake = type("DCGAN", (Least,), {})
    with refused("numgan.games.GAMES['DCGAN'] = DCGAN"):
        check_saveable(namesake(rng=np.random.default_rng(0)))


def test_an_array_that_becomes_a_number_is_noticed_when_the_run_is_saved(run_of):
    class Counting(Least):
        def build(self):
            super().build()
            self.k = np.zeros((), np.float32)

        def step(self, images, labels=None):
            self.k = self.k * 0.9 + 0.1
            return super().step(images, labels)

    run = run_of(Counting)
    with refused("Counting", "got other k", "k[...]"):
        train(run, 2)
    assert Run.load(run.path, anew(run.batches), run.out).step == 0  # that checkpoint stays


def test_an_array_that_only_a_step_makes_is_noticed_when_the_run_is_saved(run_of):
    class Late(Least):
        def step(self, images, labels=None):
            self.k = np.zeros(2, np.float32)
            return super().step(images, labels)

    with refused("Late", "got other k"):
        train(run_of(Late), 2)


def test_arrays_of_one_s_own_may_have_any_name_and_sign(run_of):
    class Own(Least):
        def build(self):
            super().build()
            self.seen, self.sampler = np.full(3, -1), np.zeros(2, np.float32)
            self.g_average = Sequential(Dense(2), input_shape=(2,), rng=self.rng, dtype=self.dtype)

        def step(self, images, labels=None):
            self.seen[...] = -np.arange(3)
            return super().step(images, labels)

    assert resumes(run_of(Own))


def test_a_build_may_draw_more_than_it_keeps(run_of):
    class Drawing(Least):
        def build(self):
            super().build()
            self.rng.standard_normal((100, 100))

    assert resumes(run_of(Drawing))


def test_a_setting_may_be_a_tuple(run_of):
    run = run_of(Least, widths=(5, 6))
    train(run, 1)
    again = continued(run_of(Least, widths=(5, 6)))
    assert again.step == 1
    with refused("widths [5, 7]"):
        continued(run_of(Least, widths=(5, 7)))


def test_a_step_of_one_s_own_that_forgets_the_average_is_noticed(run_of):
    class Forgetful(Least):
        def step(self, images, labels=None):
            batch = self.minibatch(images, labels)
            fake = self.generator(batch.z)
            figures = self.d_step(batch, fake.detach()) | self.g_step(batch, fake)
            if labels is None:
                self.g_average.update()
            return figures

    with refused("Forgetful.step: expected self.g_average.update()"):
        train(run_of(Forgetful, average=0.9), 1)
    game = Forgetful(average=0.9, rng=np.random.default_rng(0))
    game.sample(1)
    game.step(np.zeros((2, 4, 4, 1), np.float32))
    game.sample(1)


def test_a_graph_through_the_average_from_before_a_game_was_loaded_is_refused():
    game = Least(average=0.5, rng=np.random.default_rng(0))
    y = game.drawing_network(game.latent(2)).sum()
    game.load_state(game.state())
    with refused("before an optimiser moved"):
        y.backward()


def test_a_d_whose_learning_rate_is_0_stands_still():
    game = Least(d_lr=0.0, rng=np.random.default_rng(0))
    players = game.generator, game.discriminator
    before = [states(player) for player in players]
    game.step(np.zeros((2, 4, 4, 1), np.float32))
    assert [all(np.array_equal(old[name], a) for name, a in player.state().items())
            for old, player in zip(before, players, strict=True)] == [False, True]


def test_a_step_needs_memory_for_more_than_all_values_and_twice_as_much_in_float64():
    single, double = (Least(dtype=dtype, rng=np.random.default_rng(0)).bytes_per_item() for dtype in ("float32", "float64"))
    values = 16 + 16 + 16 + 16 + 5 + 1  # of all layers
    assert single > 2 * 4 * values
    assert double == 2 * single
    assert Least(widths=(6,), rng=np.random.default_rng(0)).bytes_per_item() > single


def test_a_setting_out_of_range_is_refused_in_the_game_s_name():
    with refused("Least: Dense"):
        Least(widths=(0,), rng=np.random.default_rng(0))


def test_two_games_with_the_same_settings_are_not_the_same():
    rng = np.random.default_rng(0)
    assert len({Least(rng=rng), Least(rng=rng)}) == 2


@pytest.mark.parametrize("dtype", ["float16", "float", np.float32])
def test_a_game_is_computed_with_32_or_64_bits(dtype):
    with refused("Least", "float32 or float64"):
        Least(dtype=dtype, rng=np.random.default_rng(0))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_a_game_without_networks_needs_a_generator_too(rng):
    class Empty(Game):
        def build(self):
            pass

    with refused("Empty", "default_rng"):
        Empty(rng=rng)


def test_all_figures_of_panels_and_of_the_progress_line_are_asked_for():
    assert Looks(panels={"loss": ("d", "g")}, progress={"D(x)": "real"}).figures() == {"d", "g", "real"}


@pytest.mark.parametrize("fresh", [True, False])
def test_codes_that_depend_on_the_batch_do_so_in_both_players_steps(fresh):
    asked = []

    class Asking(Least):
        fresh_z = fresh

        def codes(self, real, labels):
            return np.concatenate([super().codes(real, labels)[:, 1:], labels[:, None]], 1).astype(self.dtype)

        def d_step(self, batch, fake):
            asked.append(batch.z)
            return super().d_step(batch, fake)

        def g_step(self, batch, fake):
            asked.append(batch.z)
            np.testing.assert_array_equal(self.generator(batch.z).data, fake.data)
            return super().g_step(batch, fake)

    labels = np.array([3, 1, 4, 1])
    Asking(rng=np.random.default_rng(0)).step(np.zeros((4, 4, 4, 1), np.float32), labels)
    of_d, of_g = asked
    np.testing.assert_array_equal(of_d[:, -1], labels)
    np.testing.assert_array_equal(of_g[:, -1], labels)
    assert np.array_equal(of_d, of_g) != fresh


def test_a_game_may_have_optimisers_of_another_kind(run_of):
    class Plain(Least):
        def optimizer(self, parameters, lr, k):
            return SGD(parameters, lr, momentum=0.5)

    run = run_of(Plain)
    assert isinstance(run.game.g_optimizer, SGD)
    assert resumes(run)


def test_figures_that_looks_show_but_step_does_not_return_are_named_at_the_first_step(run_of):
    class Silent(Least):
        def step(self, images, labels=None):
            return {"g_loss": super().step(images, labels)["g_loss"]}

    with refused("Silent.step", "d_loss, d_real"):
        train(run_of(Silent), 100)


def test_figures_that_change_from_step_to_step_are_refused(run_of):
    class Fickle(Least):
        def step(self, images, labels=None):
            return super().step(images, labels) | ({"extra": 1.0} if self.g_optimizer.t % 2 else {})

    with refused("Fickle.step", "extra"):
        train(run_of(Fickle), 2)


def test_figures_in_another_order_are_logged_in_their_columns(run_of):
    class Turning(Least):
        def step(self, images, labels=None):
            figures = super().step(images, labels)
            return figures if self.g_optimizer.t % 2 else dict(reversed(figures.items()))

    run = run_of(Turning)
    train(run, 4)
    assert [{name: float(text) for name, text in row.items()} for row in rows(run.out / "log.csv")] == run.history


# ---- the doctor


def test_the_doctor_draws_no_samples_of_a_game_that_has_none(tmp_path, digits, undrawn):
    game = GAMES["SRGAN"](width=2, blocks=1, rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(digits[0], 4, np.random.default_rng(1)), tmp_path)
    train(run, 1, remarks=Doctor(10))
    assert run.step == 1

    class Plain(Game):
        image_shape, looks = (28, 28, 1), Looks(panels={}, progress={})

        def build(self):
            pass

    run.game = Plain(rng=np.random.default_rng(0))
    assert [*Doctor(10)(run)] == []


def test_large_losses_of_one_s_own_are_no_divergence(tmp_path):
    game, rows = new_run(tmp_path).game, [{"d_loss": 5e4, "g_loss": 5e4, "d_real": 0.5, "d_fake": 0.5}] * 200
    assert examine(game, rows, 9, None).worst == 5e4
    game.losses = l2
    assert np.isnan(examine(game, rows, 9, None).worst)


def test_a_setting_that_a_file_cannot_hold_is_refused():
    game = GAMES["DCGAN"](width=1, rng=np.random.default_rng(0))
    game.width = {1, 2}
    with pytest.raises(InputError, match="DCGAN: settings"):
        check_saveable(game)
