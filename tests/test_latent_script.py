"""demos/latent.py: what it prints and draws, what it keeps, and how it fails."""

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, checkpoint, data, games, metrics
from numgan.games import DCGAN, VanillaGAN
from numgan.run import load_game

from .scripts import ROOT, process

SCRIPT = ROOT / "demos" / "latent.py"


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


@pytest.fixture
def run(script, monkeypatch, tmp_path):
    """A function that runs demos/latent.py in an empty folder: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(script, SCRIPT)


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


def test_codes_half_way_have_the_lengths_that_they_shall_and_the_seed_decides(run, draughtsman, tmp_path):
    command = "interpolate", draughtsman, "--seed"
    done = process(SCRIPT, *command, 1, "--out", "new/a.png", cwd=tmp_path)
    assert done.stderr == ""
    again, other = (run(*command, seed, "--out", f"{seed}.png") for seed in (1, 2))
    assert again == (0, done.stdout.replace(str(Path("new", "a.png")), "1.png"), "")
    sheet = Path("new", "a.png").read_bytes()
    assert sheet == Path("1.png").read_bytes() != Path("2.png").read_bytes()
    assert other[1].splitlines()[:-1] != done.stdout.splitlines()[:-1]
    assert height_in_rows("1.png") == 6
    lengths = {line.split("  ")[0]: float(line.split()[-2]) for line in done.stdout.splitlines()[1:4]}
    assert abs(lengths["random"] - 10) < 0.1
    assert abs(lengths["half-way, spherical"] - 10) < 0.1
    assert abs(lengths["half-way, linear"] - np.sqrt(50)) < 0.1


def test_codes_add_up_to_digits_and_more_restarts_come_nearer(run, draughtsman, quick):
    status, out, error = run("all", draughtsman, "--n", 3, "--restarts", 5, "--descent", 2, "--out", "sheet.png")
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


def test_each_category_has_a_row_and_a_most_frequent_digit(run, quick, monkeypatch, tmp_path):
    class Sorting(DCGAN):
        """Draws a 5 for the first category, a 0 for the second; for the third, a 1 or a 7, as the next number has it."""

        def build(self):
            super().build()
            self.generator = ng.Sequential(ng.Dense(784), ng.Tanh(), ng.Reshape(28, 28, 1), input_shape=(100,), rng=self.rng)
            five, zero, one, seven = PROTOTYPES[[5, 0, 1, 7]]
            self.generator.stack[0].w.data[...] = 0
            self.generator.stack[0].w.data[:4] = 8 * five, 8 * zero, 0 * five, 3 * (one - seven)

    Sorting.__name__ = "DCGAN"  # as which checkpoints know it
    monkeypatch.setitem(games.GAMES, "DCGAN", Sorting)
    for k in 0, 3:
        game = Sorting(categories=k, width=1, rng=np.random.default_rng(0))
        about = {"game": "DCGAN", "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
        checkpoint.save(tmp_path / f"{k}.npz", about, {f"game.{name}": array for name, array in game.state().items()})
    status, out, error = run("categories", "3.npz", "--out", "sheet.png")
    assert (status, error) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    shares = [float(line[-1].strip("%")) for line in lines[1:-1]]
    assert [line[0] for line in lines[1:4]] in (["0", "1", "5"], ["0", "5", "7"])
    *each, all_of_them = shares
    assert sorted(each)[1:] == [100, 100]
    assert 50 <= min(each) < 60
    assert abs(all_of_them - sum(each) / 3) < 2  # the categories are not quite equally frequent
    assert height_in_rows("sheet.png") == 3
    error = run("categories", "0.npz")[2]
    assert error == "latent.py: error: 0.npz: expected a game whose codes name categories, got DCGAN without any\n"


def test_what_a_weak_generator_can_draw_is_drawn(run, quick, tmp_path):
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    about = {"game": "VanillaGAN", "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
    checkpoint.save(tmp_path / "weak.npz", about, {f"game.{name}": array for name, array in game.state().items()})
    _, out, error = run("all", "weak.npz", "--n", 2, "--restarts", 1, "--descent", 1, "--out", "sheet.png")
    assert "surely draw" in error  # the arithmetic needs digits
    assert out.splitlines()[-1] == "sheet.png"
    assert height_in_rows("sheet.png") == 6 + 1 + 4


def test_the_comparison_trains_both_norms_once_and_goes_on(run, quick, monkeypatch, undrawn):
    class Small(DCGAN):
        def __init__(self, **options):
            super().__init__(**{"width": 2} | options)

    Small.__name__ = "DCGAN"  # as which checkpoints know it
    monkeypatch.setattr(games, "DCGAN", Small)
    monkeypatch.setitem(games.GAMES, "DCGAN", Small)
    command = "compare", "--seeds", 1, "--n", 2, "--restarts", 1, "--descent", 1
    status, first, progress = run(*command, "--steps", 1)
    assert status == 0
    assert "batch-0" in progress
    paths = {norm: Path("runs", "norms", f"{norm}-0", "checkpoint.npz") for norm in ("batch", "weight")}
    kept = {norm: path.read_bytes() for norm, path in paths.items()}
    assert [load_game(path).settings["norm"] for path in paths.values()] == list(paths)
    assert len({load_game(path).settings["lr"] for path in paths.values()}) == 1
    assert run(*command, "--steps", 1) == (0, first, "")  # nothing is trained again, and the table is the same
    assert {norm: path.read_bytes() for norm, path in paths.items()} == kept
    lines = [line.split() for line in first.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("batch", "seed"), ("weight", "seed"), ("batch", "mean"), ("weight", "mean")]
    assert [line[-6:] for line in lines[:2]] == [line[-6:] for line in lines[2:]]  # of one seed
    assert 0 < float(lines[0][lines[0].index("held-out") + 1]) < 4
    shutil.rmtree(paths["weight"].parent)
    assert run(*command, "--steps", 2)[0] == 0
    assert [len(checkpoint.load(path)[1]["history"]) for path in paths.values()] == [2, 2]
    error = run(*command, "--steps", 1)[2]
    assert error.startswith("latent.py: error: ")
    assert str(paths["batch"]) in error
    paths["weight"].write_bytes(paths["batch"].read_bytes())
    error = run(*command, "--steps", 2)[2]
    said = f"latent.py: error: {paths['weight']}: expected a run with norm weight, got one with batch"
    assert error.splitlines()[-1].startswith(said)


def test_without_digits_that_were_held_out_it_says_which_and_where_from(draughtsman, tmp_path):
    (tmp_path / "empty").mkdir()
    done = process(SCRIPT, "reconstruct", draughtsman, cwd=tmp_path, succeeds=False, NUMGAN_DATA=str(tmp_path / "empty"))
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
    (["categories", "CHECKPOINT"], ["categories", "VanillaGAN"]), (["interpolate", "small.npz"], ["28, 28, 1"])])
def test_mistakes_end_in_one_line(run, draughtsman, quick, arguments, mentions):
    if arguments[1:] in (["untrained.npz"], ["small.npz"]):
        kind, settings = (VanillaGAN, {"variant": "minimal"}) if arguments[1] == "untrained.npz" else (DCGAN, {"size": 8})
        game = kind(**settings, rng=np.random.default_rng(0))
        about = {"game": type(game).__name__, "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
        checkpoint.save(arguments[1], about, {f"game.{name}": array for name, array in game.state().items()})
    before = list(Path().rglob("*"))
    _, _, error = run(*(draughtsman if word == "CHECKPOINT" else word for word in arguments))
    (line,) = [line for line in error.splitlines() if not line.startswith("usage: ")]
    assert line.startswith("latent.py")
    assert ": error: " in line
    assert [mention for mention in mentions if mention not in line] == []
    assert list(Path().rglob("*")) == before
