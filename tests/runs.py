"""Small runs of every game of images, for the tests of runs, training and batches."""

import csv
import io
import sys

import numpy as np
import pytest

from numgan import data, plotting
from numgan.batches import HalfLabelledBatches, ImageBatches
from numgan.captions import LENGTH, VOCABULARY
from numgan.games import GAMES, SGAN, SRGAN, ImageGAN, StackGAN, build
from numgan.games.vanilla import VARIANTS
from numgan.run import Run
from numgan.training import train

SMALL = {"size": 8, "width": 2, "latent_dim": 32}
PLAYS = {f"VanillaGAN, {variant}": ("VanillaGAN", {"variant": variant}) for variant in VARIANTS}
OTHERS = [name for name in GAMES if name != "VanillaGAN" and issubclass(GAMES[name], ImageGAN | SRGAN | StackGAN)]
PLAYS |= {name: (name, SMALL) for name in OTHERS}
PLAYS |= {"StackGAN, stage 2": ("StackGAN", SMALL | {"stage": 2}),
          "SRGAN, mse": ("SRGAN", SMALL | {"objective": "mse"}),
          "DCGAN, d_steps=2": ("DCGAN", SMALL | {"d_steps": 2, "real_label": 0.9, "objective": "saturating", "lr_steps": 8.5,
                                         "average": 0.9}),
          "DCGAN, float64": ("DCGAN", SMALL | {"dtype": "float64"}),
          "DCGAN, colour": ("DCGAN", SMALL | {"channels": 3}),
          "DCGAN, lr=0.1": ("DCGAN", SMALL | {"lr": 0.1})}  # with pictures that change


def new_run(out, play="DCGAN", seed=3, size=6, about=None):
    """A run from its beginning, on random images."""
    name, settings = PLAYS[play]
    game = build(name, settings, np.random.default_rng(seed))
    images = np.random.default_rng(7).integers(0, 256, (50, *game.image_shape), np.uint8)
    labels = np.random.default_rng(6).integers(0, 10, 50)
    if isinstance(game, SGAN):
        labels[::2] = -1
    if name == "StackGAN":
        labels = np.random.default_rng(6).integers(0, len(VOCABULARY), (50, LENGTH))
    kind = HalfLabelledBatches if isinstance(game, SGAN) else ImageBatches
    return Run(game, kind(images, size, np.random.default_rng(seed + 1), labels), out, about)


def anew(batches):
    """Batches like these, at their beginning."""
    return type(batches)(batches.images, batches.size, np.random.default_rng(), batches.labels)


def resumed(run, out=None):
    """The run in another run's checkpoint."""
    return Run.load(run.path, anew(run.batches), out or run.out)


def bits(run):
    """All that the course of a run depends on, to be compared with ==."""
    arrays = run.game.state() | {"inputs": run.inputs}
    return {"arrays": {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()},
            "game": (type(run.game), run.game.settings, run.batches.size),
            "rng": (run.game.rng.bit_generator.state, run.batches.rng.bit_generator.state),
            "history": run.history, "step": run.step}


def contents(folder):
    """Relative path -> bytes of every file in a folder; hidden ones, as temporaries are, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(path):
    """The rows of a log as dicts name -> text."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def at_step(run, number, action, monkeypatch):
    """Let `action` happen in the midst of a run's step with this number."""
    step = run.game.step

    def interrupted(*batch):
        if run.step + 1 == number:
            action()
        return step(*batch)
    monkeypatch.setattr(run.game, "step", interrupted)


def empty(path, *_):
    """A file in the place of a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def undrawn(monkeypatch):
    """Empty files for curves and GIFs, which would take longer to draw than all the rest."""
    for name in ("save_curves", "save_gif"):
        monkeypatch.setattr(plotting, name, empty)


@pytest.fixture
def grey_houses(monkeypatch):
    """House numbers that are all alike and take no time to draw."""
    monkeypatch.setattr(data, "house_numbers", lambda n, rng: (np.full((n, 28, 28, 3), 90, np.uint8), np.full(n, 7, np.uint8)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of six steps with everything drawn, and what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", io.StringIO())
        run = new_run(tmp_path_factory.mktemp("run") / "new" / "folder", "DCGAN, lr=0.1", about={"note": "ä"})
        train(run, 6, every=3)
        return run, sys.stderr.getvalue()


@pytest.fixture(scope="session")
def digits():
    """The digits in the package and their labels."""
    return data.digits_10k()
