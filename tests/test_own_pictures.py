"""Runs on pictures of one's own, and in colour: trained, resumed, sampled, and what only digits can have."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from numgan import checkpoint, data, plotting
from numgan.batches import ImageBatches
from numgan.games import ACGAN, BEGAN, DCGAN, LSGAN, SGAN, VanillaGAN
from numgan.run import Run, load_game

from .digits import random_bytes
from .errors import refused
from .scripts import ROOT, contents
from .test_pictures import save

TRAIN, SAMPLE, EVALUATE, LATENT = (ROOT / "demos" / f"{name}.py" for name in ("mnist_gan", "sample", "evaluate", "latent"))
QUICK = "--game", "minimal", "--batch", 4, "--every", 9


def folder_of(folder, n, size, seed=0):
    """A folder of n coloured pictures."""
    folder.mkdir()
    for i, pixels in enumerate(random_bytes((n, size, size, 3), seed)):
        save(folder / f"{i}.png", pixels)
    return folder


@pytest.mark.usefixtures("undrawn")
def test_a_folder_of_coloured_pictures_trains_the_dcgan_and_samples_are_pictures_again(script, tmp_path, monkeypatch):
    from matplotlib.image import imread
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "own", 3, 8)
    before = contents(tmp_path / "own")
    status, out, error = script(TRAIN, "--data", "own", "--batch", 2, "--steps", 1)
    assert (status, out.split(":")[0]) == (0, str(Path("runs", "dcgan")))
    assert "classified" not in error
    path = Path("runs", "dcgan", "checkpoint.npz")
    game = load_game(path)
    assert game.image_shape == (8, 8, 3)
    assert game.settings.items() >= {"size": 8, "channels": 3}.items()
    assert script(SAMPLE, path, "--n", 4)[0] == script(SAMPLE, path, "--n", 4, "--out", "a.npz")[0] == 0
    images = np.load("a.npz")["images"]
    assert (images.shape, images.dtype) == ((4, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(np.rint(imread("samples.png")[4:20:2, 4:20:2, :3] * 255), images[0])
    np.testing.assert_array_equal(data.load("a.npz")[0], images)
    assert contents(tmp_path / "own") == before


@pytest.fixture
def own(script, tmp_path, monkeypatch, undrawn):
    """The checkpoint of a run of two steps on a folder of coloured pictures, at 64 × 64."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plotting, "save_sheet", lambda *args: None)
    folder_of(tmp_path / "own", 5, 66)
    assert script(TRAIN, *QUICK, "--data", "own", "--size", 64, "--steps", 2, "--out", "run")[0] == 0
    return tmp_path / "run" / "checkpoint.npz"


def test_a_run_at_64_in_colour_goes_on_bit_for_bit_from_elsewhere_and_when_pictures_moved(script, own, tmp_path, monkeypatch):
    assert script(TRAIN, *QUICK, "--data", "own", "--size", 64, "--steps", 4, "--out", "straight")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert script(TRAIN, "--resume", own, "--steps", 3)[0] == 0
    shutil.move(tmp_path / "own", "moved")
    assert script(TRAIN, "--resume", own, "--steps", 4, "--data", "moved")[0] == 0
    assert (own.parent / "log.csv").read_bytes() == (tmp_path / "straight" / "log.csv").read_bytes()
    (_, here), (_, there) = checkpoint.load(own), checkpoint.load(tmp_path / "straight" / "checkpoint.npz")
    assert all(np.array_equal(here[name], there[name]) for name in here)


def test_a_run_does_not_go_on_with_other_pictures(fails, own, tmp_path):
    fails(TRAIN, "--resume", own, "--steps", 3, "--data", folder_of(tmp_path / "other", 5, 66, seed=1), mentions=["got others"])
    fails(TRAIN, "--resume", own, "--steps", 3, "--data", "mnist", mentions=["--data mnist", "cannot be changed"])
    fails(TRAIN, "--resume", own, "--steps", 3, "--size", 12, mentions=["--size 12", "64"])
    save(tmp_path / "own" / "0.png", random_bytes((66, 66, 3), 3))
    fails(TRAIN, "--resume", own, "--steps", 3, mentions=[own, "got others"])
    about, arrays = checkpoint.load(own)
    about["run"] = {name: value for name, value in about["run"].items() if name not in ("sha256", "size")} | {"data": "mnist"}
    checkpoint.save(own, about, arrays)  # of an earlier version, whose runs had digits
    fails(TRAIN, "--resume", own, "--steps", 3, "--data", tmp_path / "own", mentions=["got others"])


def test_a_data_set_without_a_name_is_not_the_current_folder(fails, tmp_path):
    save(tmp_path / "here" / "a.png", random_bytes((8, 8, 3)))
    fails(TRAIN, "--data", "", mentions=["--data", "got ''"])


def test_pictures_too_large_for_the_networks_are_refused_before_these_are_built(fails, tmp_path):
    np.savez(tmp_path / "own.npz", images=np.zeros((2, 513, 513), np.uint8))
    fails(TRAIN, "--data", tmp_path / "own.npz", "--out", tmp_path / "out", mentions=["512", "513", "--size"])
    assert not (tmp_path / "out").exists()


def test_the_fingerprint_is_that_of_pictures_labels_and_shape():
    images, labels = random_bytes((6, 4, 4)), np.arange(6, dtype=np.uint8)
    other = labels.copy()
    other[0] = 7
    prints = [data.fingerprint(images), data.fingerprint(images, labels), data.fingerprint(images, other),
              data.fingerprint(images.reshape(6, 2, 8)), data.fingerprint(images[::-1])]
    assert len(set(prints)) == 5
    assert data.fingerprint(images.copy(), labels) == prints[1]


@pytest.mark.usefixtures("undrawn")
def test_grey_pictures_of_the_size_of_digits_are_not_read_as_digits(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", images=random_bytes((5, 28, 28)))
    status, _, error = script(TRAIN, *QUICK, "--data", "own.npz", "--steps", 1)
    assert (status, "classified" in error) == (0, False)


@pytest.mark.usefixtures("undrawn")
def test_house_numbers_are_a_data_set(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "house_numbers", lambda n, rng: (random_bytes((9, 28, 28, 3)), np.arange(9, dtype=np.uint8)))
    images, labels = data.load("house-numbers", size=12)
    assert (images.shape, labels.tolist()) == ((9, 12, 12, 3), [*range(9)])
    assert script(TRAIN, *QUICK, "--data", "house-numbers", "--steps", 1)[0] == 0
    assert load_game(Path("runs", "minimal", "checkpoint.npz")).image_shape == (28, 28, 3)


@pytest.mark.parametrize("game", ["acgan", "sgan"])
def test_games_of_labelled_images_refuse_pictures_without_labels(fails, tmp_path, game):
    folder_of(tmp_path / "own", 3, 8)
    fails(TRAIN, "--game", game, "--data", tmp_path / "own", "--steps", 1, "--out", "out", mentions=["label", "without labels"])


def test_what_only_digits_have_is_refused_for_colours_in_one_line(fails, tmp_path):
    game = DCGAN(size=28, channels=3, width=2, rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(random_bytes((4, 28, 28, 3)), 4, np.random.default_rng(1)), tmp_path)
    run.save()
    fails(EVALUATE, run.path, mentions=[run.path, "(28, 28, 1)", "(28, 28, 3)"])
    fails(LATENT, "interpolate", run.path, mentions=[run.path, "(28, 28, 1)", "(28, 28, 3)"])


@pytest.mark.parametrize("kind", [VanillaGAN, DCGAN, LSGAN, SGAN, ACGAN, BEGAN])
def test_every_game_of_images_has_a_size_and_colours_and_says_which_it_cannot_take(kind):
    game = kind(size=8, channels=3, rng=np.random.default_rng(0))
    assert game.image_shape == game.sample(2).shape[1:] == game.discriminator.input_shape == (8, 8, 3)
    for wrong in (dict(channels=2), dict(channels="3"), dict(channels=1.0), dict(size=0), dict(size="8")):
        with refused(kind.__name__, *wrong, repr(*wrong.values())):
            kind(rng=np.random.default_rng(0), **wrong)
