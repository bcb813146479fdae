"""Input that would have led to a wrong result without a word, or to an error in the wrong place, is refused at once."""

import numpy as np
import pytest

from numgan import SGD, Adam, Parameter, Tensor, bce, bce_with_logits, checkpoint, data, plotting
from numgan.batches import ImageBatches
from numgan.games import DCGAN, MixtureGAN, build
from numgan.run import Run, load_game
from numgan.training import train

from .errors import refused
from .proof.games import small_game
from .runs import SMALL, anew, bits, new_run, resumed
from .small import net

IMAGES = np.zeros((3, 8, 8), np.uint8)


def batches(rng=None):
    return ImageBatches(IMAGES, 2, rng or np.random.default_rng(0))


# ---- random numbers


@pytest.mark.parametrize("play", ["DCGAN", "VanillaGAN, dense", "ACGAN", "StackGAN"])
@pytest.mark.parametrize("rng", [np.random.RandomState(0), 0, 42, np.random])
def test_samples_are_drawn_with_a_generator_only(tmp_path, play, rng):
    game = new_run(tmp_path, play).game
    before = game.rng.bit_generator.state
    with refused(type(game).__name__, "default_rng", "got"):
        game.sample(2, rng)
    assert game.rng.bit_generator.state == before


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.PCG64DXSM])
def test_a_run_needs_generators_of_the_kind_that_a_checkpoint_restores(kind):
    odd = np.random.Generator(kind(0))
    with refused("rng", "default_rng", kind.__name__):
        Run(build("DCGAN", SMALL, odd), batches(), "unused")
    with refused("rng", "default_rng", kind.__name__):
        Run(build("DCGAN", SMALL, np.random.default_rng(0)), batches(odd), "unused")


# ---- images, targets and labels


@pytest.mark.parametrize("wrong", [1.5, np.nan, -1.01])
def test_a_sheet_shows_images_in_their_range_only(tmp_path, wrong):
    images = np.zeros((2, 4, 4, 1))
    images[1, 2, 3] = wrong
    with refused("[-1, 1]"):
        plotting.save_sheet(tmp_path / "sheet.png", images)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["DCGAN", "SGAN"])
def test_d_judges_images_in_their_range_only(name):
    game = small_game(name, {}, "float32")
    images = np.full((2, *game.image_shape), 255, np.uint8)
    with refused(name, "[-1, 1]"):
        game.outputs(images)
    game.outputs(data.to_images(images))


@pytest.mark.parametrize("loss", [bce, bce_with_logits])
@pytest.mark.parametrize("target", [7, -1, np.nan, np.array([0.5, 1.1])])
def test_targets_of_a_cross_entropy_are_probabilities(loss, target):
    with refused(loss.__name__, "[0, 1]"):
        loss(Tensor(np.full(2, 0.5)), target)


@pytest.mark.parametrize("labels", [np.full(3, 0.9), np.full(3, np.nan), ["1", "2", "3"]])
def test_labels_are_integers(labels):
    with refused("ImageBatches", "integer labels"):
        ImageBatches(IMAGES, 2, np.random.default_rng(0), labels)


@pytest.mark.parametrize("size", [0, -3, 2.5])
def test_pictures_have_a_positive_size(size):
    with refused("size", size):
        data.load("digits-10k", size=size)


@pytest.mark.parametrize("shape", [(-5,), (5.0,), ("5",), (2, 0)])
def test_the_inputs_of_a_network_have_a_positive_size(shape):
    with refused("input_shape", repr(shape[-1])):
        net(shape=shape)


# ---- optimisers


@pytest.mark.parametrize("kind", [Adam, SGD])
def test_only_parameters_are_trained(kind):
    x = Tensor(np.ones(3), requires_grad=True)
    with refused(kind.__name__, "Parameters", "got Tensor"):
        kind([x], 0.1)


@pytest.mark.parametrize("rate", [np.nan, -1.0, np.inf])
@pytest.mark.parametrize("change", [lambda optimizer, rate: setattr(optimizer, "lr", rate),
                                    lambda optimizer, rate: setattr(optimizer, "lr", lambda t: 0.1 if t < 1 else rate)])
def test_a_learning_rate_that_has_left_its_range_moves_nothing(change, rate):
    p = Parameter(np.ones(2))
    optimizer = Adam([p], 0.1)
    optimizer.minimize((p * p).sum())
    before = p.data.copy()
    change(optimizer, rate)
    with refused("lr", rate):
        optimizer.minimize((p * p).sum())
    assert np.array_equal(p.data, before)
    assert optimizer.t == 1


def test_a_loss_of_several_numbers_is_refused_also_if_one_is_not_finite():
    p = Parameter(np.array([1.0, np.nan]))
    with refused("one number", "(2,)"):
        Adam([p]).minimize(p * 2.0)


# ---- what a checkpoint cannot hold


def test_numbers_of_numpy_are_settings_like_python_s(tmp_path):
    game = DCGAN(size=8, width=2, d_steps=np.int64(1), lr=np.float32(0.5), rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(IMAGES, np.int64(2), np.random.default_rng(0)), tmp_path)
    run.save()
    assert load_game(run.path).settings == run.game.settings
    assert {type(value) for value in run.game.settings.values()} <= {int, float, str, type(None)}


def test_what_a_run_records_is_what_its_checkpoint_gives_back(tmp_path):
    run = new_run(tmp_path, about={"sizes": (1, 2), 3: "three"})
    run.save()
    assert resumed(run).about == run.about == {"sizes": [1, 2], "3": "three"}
    with refused("about", "JSON"):
        new_run(tmp_path, about={"array": np.zeros(2)})


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("settings", [
    dict(lr=np.float64(2e-3)), dict(lr=np.float32(2e-3)), dict(beta1=np.float64(0.9)),
    dict(lr_steps=np.int64(9), lr_hold=np.float64(0.1))], ids=str)
def test_a_resumed_game_computes_with_the_same_numbers(tmp_path, settings):
    """NumPy 2 takes np.float64(0.1) times a float32 as float64, and 0.1 times it as float32."""
    for out, stops in ("whole", (6,)), ("resumed", (3, 6)):
        rng = np.random.default_rng(0)
        run = Run(DCGAN(size=8, width=2, rng=rng, **settings), ImageBatches(IMAGES, 2, rng), tmp_path / out)
        for steps in stops:
            train(run, steps)
            run = resumed(run)
    whole, again = (load_game(tmp_path / out / "checkpoint.npz").state() for out in ("whole", "resumed"))
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_points_are_scaled_by_numbers_of_numpy():
    game = MixtureGAN(scale=np.float64(4), pack=1, width=3, rng=np.random.default_rng(0))
    assert game.outputs(np.ones((2, 2), np.float32)).dtype == np.float32


@pytest.mark.usefixtures("undrawn")
def test_figures_of_any_kind_give_the_same_log_after_a_resumption(tmp_path, monkeypatch):
    def figures(game, images, labels):
        return {name: np.float32(0.1) for names in game.looks.panels.values() for name in names}

    monkeypatch.setattr(DCGAN, "step", figures)
    for steps in ((2,), (1, 2)):
        run = new_run(tmp_path / str(steps))
        for n in steps:
            train(run, n)
            run = resumed(run)
    logs = [path.read_bytes() for path in tmp_path.glob("*/log.csv")]
    assert len(logs) == 2
    assert logs[0] == logs[1]


@pytest.mark.usefixtures("undrawn")
def test_figures_in_another_order_stand_in_their_columns(tmp_path, monkeypatch):
    step = DCGAN.step

    def shuffled(game, *batch):
        figures = step(game, *batch)
        return figures if game.d_optimizer.t == 1 else dict(reversed(figures.items()))

    train(new_run(tmp_path / "same"), 3)
    monkeypatch.setattr(DCGAN, "step", shuffled)
    train(new_run(tmp_path / "shuffled"), 3)
    assert (tmp_path / "shuffled" / "log.csv").read_bytes() == (tmp_path / "same" / "log.csv").read_bytes()


def test_a_mistake_in_one_s_own_batches_is_not_put_down_to_the_checkpoint(tmp_path):
    class Own(ImageBatches):
        def __next__(self):
            raise KeyError("my own mistake")

    run = new_run(tmp_path)
    run.save()
    with pytest.raises(KeyError, match="my own mistake"):
        Run.load(run.path, Own(run.batches.images, 6, np.random.default_rng(0)), tmp_path)


def test_a_saved_network_in_the_place_of_a_run_is_named(tmp_path):
    run = new_run(tmp_path)
    run.game.generator.save(tmp_path / "net.npz")
    for load in load_game, lambda path: Run.load(path, anew(run.batches), tmp_path):
        with refused(tmp_path / "net.npz", "a run's checkpoint", "Sequential"):
            load(tmp_path / "net.npz")


def test_a_run_from_before_there_were_averages_goes_on_without_one(tmp_path):
    run = Run(build("LSGAN", SMALL | {"average": None}, np.random.default_rng(0)), batches(), tmp_path)
    run.save()
    about, arrays = checkpoint.load(run.path)
    del about["settings"]["average"]
    checkpoint.save(run.path, about, arrays)
    assert bits(resumed(run)) == bits(run)
