"""Ways between codes, the way back from images to codes, and demos/latent.py."""

import itertools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, checkpoint, data, games, latent, metrics, plotting
from numgan.games import DCGAN, GAN, VanillaGAN
from numgan.games.minibatch import PixelRange
from numgan.latent import descend, lerp, reconstruct, slerp
from numgan.run import load_game

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "demos" / "latent.py"


def unit(angle):
    return np.array([np.cos(angle), np.sin(angle)])


# ---- from code to code


def test_known_ways():
    a, b = unit(0), unit(np.pi / 2)
    np.testing.assert_allclose(lerp(a, b, 0.25), [0.75, 0.25])
    np.testing.assert_allclose(slerp(a, b, 0.5), [np.sqrt(0.5)] * 2)
    np.testing.assert_allclose(slerp(a, unit(1.5), [0, 1 / 3, 1]), [unit(0), unit(0.5), unit(1.5)], atol=1e-15)
    np.testing.assert_allclose(slerp(2 * a, 3 * b, 1 / 3), [2 * np.sin(np.pi / 3), 3 * np.sin(np.pi / 6)])


def test_arcs_keep_the_length_and_turn_evenly():
    a, b = np.random.default_rng(0).standard_normal((2, 50, 1, 100))
    b *= np.linalg.norm(a, axis=-1, keepdims=True) / np.linalg.norm(b, axis=-1, keepdims=True)
    t = np.linspace(0, 1, 7)
    way, length = slerp(a, b, t), np.linalg.norm(a, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1) / length, 1)
    np.testing.assert_allclose(way[:, [0, -1]], np.concatenate([a, b], 1))
    turned = np.arccos(np.clip((way * a).sum(-1) / length**2, -1, 1))
    np.testing.assert_allclose(turned, turned[:, -1:] * t, atol=1e-6)
    straight = np.linalg.norm(lerp(a, b, t), axis=-1) / length
    assert straight[:, 3].max() < 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arcs_between_parallel_opposite_and_vanishing_codes_are_straight(dtype):
    a = np.random.default_rng(1).standard_normal(100).astype(dtype)
    t = np.array([0, 0.25, 1], dtype)
    close = np.nextafter(a, np.inf, dtype=dtype)
    for b in a, 3 * a, close, -a, -2 * a, 0 * a:
        for ends in (a, b), (b, a):
            got = slerp(*ends, t)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, lerp(*ends, t), atol=20 * np.finfo(dtype).eps)
    assert not slerp(0 * a, 0 * a, 0.5).any()


def test_small_angles_lose_no_digits():
    for angle in 1e-3, 1e-5, 2e-6:
        np.testing.assert_allclose(slerp(unit(0), unit(angle), 0.25)[1], np.sin(angle / 4), rtol=1e-9)


def test_shapes_and_dtypes_of_ways():
    a, b = np.zeros((4, 1, 3), np.float32), np.ones((1, 5, 3), np.float32)
    for way in lerp, slerp:
        assert way(a, b, np.zeros((2, 1, 1))).shape == (2, 4, 5, 3)
        assert way(a, b, 0.5).dtype == np.float32
        assert way(a, b.astype(np.float64), 0.5).dtype == np.float64


@pytest.mark.parametrize(("a", "b", "t"), [
    (np.zeros(3), np.zeros(2), 0.5), (np.zeros(1), np.zeros(2), 0.5), (np.zeros(3, int), np.zeros(3), 0.5),
    (np.float64(1), np.zeros(3), 0.5), (np.zeros(3), np.zeros(3), np.nan)])
def test_codes_that_do_not_fit_are_refused(a, b, t):
    for way in lerp, slerp:
        with pytest.raises(InputError, match=way.__name__) as caught:
            way(a, b, t)
        assert "\n" not in str(caught.value)


# ---- from image to code


class Rotation(GAN):
    """G(z) is z turned, as an image of 2 × 2 pixels: every image has exactly one code."""

    def build(self):
        turn = ng.Dense(4, init=lambda shape, rng: np.linalg.qr(rng.standard_normal(shape))[0])
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = ng.Sequential(turn, ng.Reshape(2, 2, 1), input_shape=(4,), **made)
        self.discriminator = ng.Sequential(ng.Flatten(), ng.Dense(1), input_shape=(2, 2, 1), **made)


class Halves(Rotation):
    """The same around 1/2, for pixels in [0, 1]."""

    pixels = PixelRange(0, 1)

    def build(self):
        super().build()
        self.generator.stack[0].b.data += 0.5


def rotation(kind=Rotation):
    return kind(latent_dim=4, rng=np.random.default_rng(0), dtype="float64")


def small(**options):
    """A DCGAN of 8 × 8 images whose batch statistics are not those of its first step."""
    game = DCGAN(size=8, width=2, latent_dim=24, rng=np.random.default_rng(0), dtype="float64", **options)
    for p in game.generator.parameters():
        p.data += 0.3 * np.random.default_rng(1).standard_normal(p.shape)
    for _ in range(3):
        game.generator(game.latent(8))
    return game


@pytest.mark.parametrize("kind", [Rotation, Halves])
def test_an_invertible_generator_gives_the_codes_back(kind):
    game = rotation(kind)
    z = np.random.default_rng(1).uniform(-0.2, 0.2, (7, 4))
    images = game.generate(z)
    found, errors = reconstruct(game, images, steps=250, lr=0.1, rng=np.random.default_rng(2))
    np.testing.assert_allclose(found, z, atol=1e-3)
    assert found.shape == (7, 4)
    assert errors.shape == (7,)
    assert errors.max() < 1e-6


def test_errors_are_means_over_the_pixels_in_minus_one_to_one():
    for game, centre in (rotation(), 0.0), (rotation(Halves), 0.5):
        turn = game.generator.stack[0]
        turn.w.data[...], turn.b.data[...] = 0, centre  # a grey image, whatever z is
        images = np.array([[1, 1, 1, 1], [-1, 1, 0, 0], [0.5, 0.5, 0.5, -0.5], [0, 0, 0, 0]], np.float32).reshape(4, 2, 2, 1)
        start = game.latent(4)
        z, errors = descend(game, start, images, steps=2)
        np.testing.assert_allclose(errors, [1, 0.5, 0.25, 0])
        np.testing.assert_array_equal(z, start)  # no slope


def test_the_slope_is_that_of_each_codes_own_error(monkeypatch):
    monkeypatch.setattr(latent, "Adam", lambda parameters, lr: ng.SGD(parameters, lr))
    game = small(average=None)
    images = np.random.default_rng(3).uniform(-1, 1, (3, 8, 8, 1))
    start = game.latent(3)
    moved, _ = descend(game, start, images, steps=1, lr=1.0)
    game.generator.eval()
    for z, image, gradient in zip(start, images, start - moved, strict=True):
        expected = ng.numerical_gradient(lambda z, image=image: ((game.generator(z[None]).data[0] - image) ** 2).mean(), z)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-8)


def test_more_restarts_are_never_worse_and_keep_the_best():
    game = small()
    images = np.random.default_rng(4).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
    found = [reconstruct(game, images, steps=10, restarts=k, rng=np.random.default_rng(5)) for k in (1, 2, 5)]
    for (_, few), (_, more) in itertools.pairwise(found):
        assert (more <= few + 1e-6).all()
        assert (more < few - 1e-4).any()
    z, errors = found[-1]
    starts = game.latent(30, np.random.default_rng(5))
    codes, each = descend(game, starts, np.tile(images, (5, 1, 1, 1)), steps=10)
    np.testing.assert_allclose(errors, each.reshape(5, 6).min(0), atol=1e-6)
    np.testing.assert_allclose(z, codes.reshape(5, 6, -1)[each.reshape(5, 6).argmin(0), np.arange(6)], atol=1e-6)
    np.testing.assert_allclose(errors, ((game.generate(z) - images) ** 2).mean((1, 2, 3)), atol=1e-6)


def test_chunks_do_not_change_the_result_nor_do_images_change_their_neighbours():
    game = small()
    images, start = np.random.default_rng(4).uniform(-1, 1, (5, 8, 8, 1)), game.latent(5)
    z, errors = descend(game, start, images, steps=5)
    for chunk in 1, 2, 5:
        others = descend(game, start, images, steps=5, chunk=chunk)
        np.testing.assert_allclose(others[0], z, atol=1e-9)
        np.testing.assert_allclose(others[1], errors, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_game_is_as_it_was_bit_for_bit(training):
    game = small()
    game.generator.train(training)
    before = {name: array.tobytes() for name, array in game.state().items()}
    rng, images = game.rng.bit_generator.state, np.zeros((3, 8, 8, 1), np.float32)
    start = game.latent(3, np.random.default_rng(1))
    kept = start.copy()
    descend(game, start, images, steps=3)
    reconstruct(game, images, steps=2, rng=np.random.default_rng(0))
    assert {name: array.tobytes() for name, array in game.state().items()} == before
    assert game.rng.bit_generator.state == rng
    assert np.array_equal(start, kept)
    assert not images.any()
    assert all(p.requires_grad and p.grad is None for p in game.generator.parameters())
    assert {layer.training for layer in (game.generator, *game.generator.stack)} == {training}


def test_the_descent_goes_through_the_network_that_draws_the_samples():
    game = small(average=0.5)
    for p in game.g_average.network.parameters():
        p.data += 0.1
    z = game.latent(3, np.random.default_rng(1))
    images = game.generate(z)
    _, errors = descend(game, z, images, steps=1, lr=0.0)
    assert (errors == 0).all()
    game.average = None  # drawn with G itself, the images are others
    assert (descend(game, z, images, steps=1, lr=0.0)[1] > 1e-6).all()


def test_a_generator_that_is_not_finite_is_told_and_left_as_it_was():
    game = small(average=None)
    game.generator.parameters()[0].data[0, 0] = np.nan
    with pytest.raises(FloatingPointError):
        descend(game, game.latent(2), np.zeros((2, 8, 8, 1)), steps=2)
    assert all(p.requires_grad for p in game.generator.parameters())
    assert all(layer.training for layer in game.generator.stack)


GOOD = np.zeros((2, 8, 8, 1), np.float32)


@pytest.mark.parametrize(("change", "says"), [
    (dict(images=GOOD[0]), "images"), (dict(images=GOOD[:0]), "images"), (dict(images=GOOD + 2), r"\[-1, 1\]"),
    (dict(images=GOOD * np.nan), r"\[-1, 1\]"), (dict(images=GOOD.astype(np.uint8)), "uint8"), (dict(images=[[0.5]]), "list"),
    (dict(images=np.zeros((2, 28, 28, 1))), "8, 8, 1"), (dict(steps=0), "steps"), (dict(steps=2.5), "steps"),
    (dict(restarts=0), "restarts"), (dict(restarts=1.5), "restarts"), (dict(lr=-1.0), "lr"), (dict(lr=np.nan), "lr"),
    (dict(rng=None), "rng"), (dict(rng=3), "rng"), (dict(game=object()), "game")])
def test_bad_input_to_reconstruct_is_refused_in_one_line(change, says):
    with pytest.raises(InputError, match=says) as caught:
        reconstruct(**dict(game=small(), images=GOOD, rng=np.random.default_rng(0), steps=2) | change)
    assert "\n" not in str(caught.value)


def test_codes_and_images_of_different_numbers_are_refused():
    game = small()
    with pytest.raises(InputError, match="code for each of 2 images"):
        descend(game, game.latent(3), GOOD)
    with pytest.raises(InputError, match=r"\(N, 24\)"):
        descend(game, np.zeros((2, 4)), GOOD)


# ---- the script


def prototypes():
    """An embedded digit of each class in [-1, 1], (10, 784)."""
    images, labels = data.digits_10k()
    return np.stack([data.to_images(images[labels == digit][7:8]).reshape(-1) for digit in range(10)])


PROTOTYPES = prototypes()


class Reader:
    """In the classifier's place, and quicker: knows the ten prototypes."""

    def features(self, images):
        return images.reshape(len(images), -1)[:, ::50]

    def probabilities(self, images):
        if images.shape[1:] != (28, 28, 1):
            raise InputError("expected images (n, 28, 28, 1)")
        likeness = np.exp(images.reshape(len(images), -1).astype(np.float64) @ PROTOTYPES.T / 10 - 30)
        return likeness / likeness.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def draughtsman(tmp_path_factory):
    """A checkpoint of a generator that draws a 0, a 1, ... where the first, the second, ... number of z is above 1.5.

    The eleventh number says how bright it is.
    """
    game = VanillaGAN(variant="minimal", average=None, rng=np.random.default_rng(0))
    hidden, output = game.generator.stack[0], game.generator.stack[2]
    for p in hidden.w, hidden.b, output.w, output.b:
        p.data[...] = 0
    hidden.w.data[:11, :11], hidden.b.data[:11] = np.eye(11), [-1.5] * 10 + [3]
    output.w.data[:10], output.w.data[10], output.b.data[...] = 20 * (PROTOTYPES + 1), 0.3, -2.9
    path = tmp_path_factory.mktemp("draughtsman") / "checkpoint.npz"
    about = {"game": "VanillaGAN", "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
    checkpoint.save(path, about, {f"game.{name}": array for name, array in game.state().items()})
    return path


def process(*arguments, cwd, **environment):
    """The script in a process of its own."""
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment})


@pytest.fixture
def script(monkeypatch, capsys, tmp_path):
    """A function that runs the script here, in an empty folder: (exit status or message, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        capsys.readouterr()
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as stop:
            return stop.code, *capsys.readouterr()
        return 0, *capsys.readouterr()
    return run


@pytest.fixture
def quick(monkeypatch):
    """Few digits, known without files: embedded ones, and the same backwards as MNIST's test set; a quick classifier."""
    images, labels = data.digits_10k()
    monkeypatch.setattr(metrics, "load_classifier", Reader)
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::100], labels[::100]))
    monkeypatch.setattr(data, "mnist", lambda split, folder: {"test": (images[::-1], labels[::-1])}[split])


def height_in_rows(path):
    """How many rows of digits a sheet of 16 columns has."""
    from matplotlib.image import imread
    height, width = imread(path).shape[:2]
    assert width == 2 * (16 * 30 + 2)
    return (height / 2 - 2) / 30


def test_codes_half_way_have_the_lengths_that_they_shall_and_the_seed_decides(script, draughtsman, tmp_path):
    command = "interpolate", draughtsman, "--seed"
    done = process(*command, 1, "--out", "new/a.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    again, other = (script(*command, seed, "--out", f"{seed}.png") for seed in (1, 2))
    assert again == (0, done.stdout.replace(str(Path("new", "a.png")), "1.png"), "")
    sheet = Path("new", "a.png").read_bytes()
    assert sheet == Path("1.png").read_bytes() != Path("2.png").read_bytes()
    assert other[1].splitlines()[:-1] != done.stdout.splitlines()[:-1]
    assert height_in_rows("1.png") == 6
    lengths = {line.split("  ")[0]: float(line.split()[-2]) for line in done.stdout.splitlines()[1:4]}
    assert abs(lengths["random"] - 10) < 0.1
    assert abs(lengths["half-way, spherical"] - 10) < 0.1
    assert abs(lengths["half-way, linear"] - np.sqrt(50)) < 0.1


def test_codes_add_up_to_digits_and_more_restarts_come_nearer(script, draughtsman, quick):
    status, out, error = script("all", draughtsman, "--n", 3, "--restarts", 5, "--descent", 2, "--out", "sheet.png")
    assert (status, error) == (0, "")
    lines = out.splitlines()
    shares = [[int(share.strip("%")) for share in line.split()[4:]] for line in lines if line.startswith("means of")]
    one, _, ten = shares  # means of 1, 3, 10: shares where all terms are right, the sum is right, and bolder
    assert one[1] < 50
    assert min(ten) > 65
    errors = {line.split()[0]: [float(error) for error in line.split()[1:]] for line in lines[-3:-1]}
    assert errors.keys() == {"held-out", "training"}
    for best in errors.values():
        assert len(best) == 3  # of 1, 2, 4 restarts
        assert best == sorted(best, reverse=True)
    assert height_in_rows("sheet.png") == 6 + 1 + 5 + 1 + 4


def test_what_a_weak_generator_can_draw_is_drawn(script, quick, tmp_path):
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    about = {"game": "VanillaGAN", "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
    checkpoint.save(tmp_path / "weak.npz", about, {f"game.{name}": array for name, array in game.state().items()})
    status, out, _ = script("all", "weak.npz", "--n", 2, "--restarts", 1, "--descent", 1, "--out", "sheet.png")
    assert "surely draw" in str(status)  # the arithmetic needs digits
    assert out.splitlines()[-1] == "sheet.png"
    assert height_in_rows("sheet.png") == 6 + 1 + 4


def test_the_comparison_trains_both_norms_once_and_goes_on(script, quick, monkeypatch):
    class Small(DCGAN):
        def __init__(self, **options):
            super().__init__(**{"width": 2} | options)

    Small.__name__ = "DCGAN"  # as which checkpoints know it
    monkeypatch.setattr(games, "DCGAN", Small)
    monkeypatch.setattr(plotting, "save_curves", lambda *args: None)  # slow, and tested elsewhere
    monkeypatch.setattr(plotting, "save_gif", lambda *args: None)
    command = "compare", "--seeds", 1, "--n", 2, "--restarts", 1, "--descent", 1
    status, first, progress = script(*command, "--steps", 1)
    assert status == 0
    assert "batch-0" in progress
    paths = {norm: Path("runs", "norms", f"{norm}-0", "checkpoint.npz") for norm in ("batch", "weight")}
    kept = {norm: path.read_bytes() for norm, path in paths.items()}
    assert [load_game(path).settings["norm"] for path in paths.values()] == list(paths)
    assert len({load_game(path).settings["lr"] for path in paths.values()}) == 1
    assert script(*command, "--steps", 1) == (0, first, "")  # nothing is trained again, and the table is the same
    assert {norm: path.read_bytes() for norm, path in paths.items()} == kept
    lines = [line.split() for line in first.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("batch", "seed"), ("weight", "seed"), ("batch", "mean"), ("weight", "mean")]
    assert [line[-6:] for line in lines[:2]] == [line[-6:] for line in lines[2:]]  # of one seed
    assert 0 < float(lines[0][lines[0].index("held-out") + 1]) < 4
    paths["weight"].unlink()
    assert script(*command, "--steps", 2)[0] == 0
    assert [len(checkpoint.load(path)[1]["history"]) for path in paths.values()] == [2, 2]
    status = script(*command, "--steps", 1)[0]
    assert status.startswith("latent.py: error: ")
    assert str(paths["batch"]) in status
    paths["weight"].write_bytes(paths["batch"].read_bytes())
    status = script(*command, "--steps", 2)[0]
    assert status.startswith(f"latent.py: error: {paths['weight']}: expected a run with norm weight, got one with batch")


def test_without_digits_that_were_held_out_it_says_which_and_where_from(draughtsman, tmp_path):
    (tmp_path / "empty").mkdir()
    done = process("reconstruct", draughtsman, cwd=tmp_path, NUMGAN_DATA=str(tmp_path / "empty"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("latent.py: error: expected MNIST's test set")
    assert [word for word in ("--data-dir", "$NUMGAN_DATA", "t10k-images-idx3-ubyte", str(tmp_path)) if word not in line] == []


@pytest.mark.parametrize(("arguments", "mentions"), [
    ([], ["COMMAND"]), (["walk"], ["walk", "interpolate"]), (["all"], ["CHECKPOINT"]),
    (["interpolate", "nowhere.npz"], ["nowhere.npz"]),
    (["interpolate", "CHECKPOINT", "--out", "x.jpg"], ["x.jpg", ".png"]),
    (["interpolate", "CHECKPOINT", "--seed", "-1"], ["seed", "-1"]),
    (["reconstruct", "CHECKPOINT", "--n", "0"], ["--n", "0"]),
    (["reconstruct", "CHECKPOINT", "--restarts", "0"], ["--restarts", "0"]),
    (["all", "CHECKPOINT", "--descent", "-2"], ["--descent", "-2"]), (["compare", "--seeds", "0"], ["--seeds", "0"]),
    (["compare", "--steps", "0"], ["--steps", "0"]), (["arithmetic", "untrained.npz"], ["surely draw", "30"]),
    (["interpolate", "small.npz"], ["28, 28, 1"])])
def test_mistakes_end_in_one_line(script, draughtsman, quick, arguments, mentions):
    if arguments[1:] in (["untrained.npz"], ["small.npz"]):
        game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0)) if arguments[1] == "untrained.npz" else small()
        about = {"game": type(game).__name__, "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
        checkpoint.save(arguments[1], about, {f"game.{name}": array for name, array in game.state().items()})
    before = list(Path().rglob("*"))
    status, _, error = script(*(draughtsman if word == "CHECKPOINT" else word for word in arguments))
    line = status if isinstance(status, str) else error.splitlines()[-1]
    assert line.startswith("latent.py")
    assert ": error: " in line
    assert "\n" not in line
    assert [mention for mention in mentions if mention not in line] == []
    assert list(Path().rglob("*")) == before
