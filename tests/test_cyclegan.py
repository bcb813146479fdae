"""CycleGAN: its step, its buffers of fakes, its batches, what its classifier learns from, and its demo."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from numgan import InputError, checkpoint, data, games, metrics
from numgan.batches import ImageBatches, UnpairedBatches
from numgan.games import SRGAN, cyclegan
from numgan.run import Run, load_game
from numgan.training import train

from .proof.cycles import NETWORKS, PROPERTIES, batches, images, small_game
from .proof.games import same
from .runs import bits
from .scripts import ROOT

DEMO = ROOT / "demos" / "cyclegan.py"


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: getattr(holds, "__name__", "with all parts"))
def test_property(holds):
    holds()


@pytest.mark.parametrize(("settings", "message"), [
    (dict(size=30), "multiple of 4"), (dict(channels=2), "1 or 3"), (dict(width=0), "width"),
    (dict(cycle=-1.0), "cycle"), (dict(semantic=float("nan")), "semantic"), (dict(noise=0.0), "deviation > 0")])
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        (games.CyCADA if "semantic" in settings else games.CycleGAN)(**settings, rng=np.random.default_rng(0))


def test_batches_out_of_range_and_classifiers_that_know_nothing():
    game = small_game("float32")
    good = images(3, game)
    for x, y in ((good, good[:, :4]), (good[..., 0], good), (2 * good, good), (good, good.astype(int))):
        with pytest.raises(InputError, match=r"CycleGAN\.step"):
            game.step(x, y)
    with pytest.raises(InputError, match=r"expected images \(28, 28, 1\)"):
        small_game("float32", games.CyCADA).check(good, good)
    game = games.CyCADA(width=1, blocks=1, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="got 2 and 1"):
        game.check(images(2, game), images(1, game))
    with pytest.raises(InputError, match="trained classifier"):
        game.check(images(2, game), images(2, game))


def test_parameter_counts():
    game = games.CycleGAN(rng=np.random.default_rng(0))
    count = lambda network: sum(p.size for p in network.parameters())
    assert [count(getattr(game, name)) for name in NETWORKS] == [344_739] * 2 + [167_841] * 2
    game = games.CyCADA(width=1, blocks=1, rng=np.random.default_rng(0))
    assert count(game.classifier) == count(game.student) == 92_834


def test_the_learning_rates_are_constant_unless_steps_are_planned():
    assert small_game("float32", lr=0.5, lr_steps=8).last_step == 8
    assert [optimizer.rate for optimizer in (small_game().g_optimizer, small_game().d_optimizer)] == [1e-3] * 2


# ---- a run


def test_a_resumed_run_equals_an_uninterrupted_one_fakes_included(tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr(cyclegan, "REMEMBERED", 4)
    new = lambda out: Run(game := small_game("float32"), batches(game, np.random.default_rng(1)), out)
    straight, broken = new(tmp_path / "straight"), new(tmp_path / "broken")
    train(straight, 6, every=3)
    train(broken, 3, every=3)
    again = Run.load(broken.path, batches(broken.game, np.random.default_rng(9)), broken.out)
    train(again, 6, every=3)
    assert bits(again) == bits(straight)
    assert again.game.fakes_x.filled == 4


def test_unpaired_batches_are_drawn_apart_and_must_be_alike():
    game = small_game("float32")
    both = batches(game, np.random.default_rng(0))
    first = both.first()
    for shown, drawn in zip(first, next(both), strict=True):
        np.testing.assert_array_equal(shown, drawn)
    pictures = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    rng = np.random.default_rng(0)
    x, y = next(UnpairedBatches(*(ImageBatches(pictures, 30, rng) for _ in range(2))))
    assert (x != y).any()
    kinds = pictures[:4], pictures[4:]
    apart = UnpairedBatches(*(ImageBatches(kind, 30, rng) for kind in kinds))
    for drawn, shown, kind in zip(next(apart), apart.examples(3), kinds, strict=True):
        assert len(shown) == 3
        assert np.isin(data.to_pixels(shown), kind).all()
        assert np.isin(data.to_pixels(drawn), kind).all()
    for other in (ImageBatches(pictures, 4, rng), ImageBatches(pictures, 30, np.random.default_rng(0))):
        with pytest.raises(InputError, match="one size and one rng"):
            UnpairedBatches(ImageBatches(pictures, 30, rng), other)


# ---- the demo


@pytest.mark.usefixtures("grey_houses")
def test_the_demo_trains_measures_translates_and_goes_on(script, fails, undrawn, tmp_path, monkeypatch):
    options = "--data", "digits-10k"
    training = "train", "--semantic", "--quick", *options, "--steps", 2, "--seed", 3
    status, first, _ = script(DEMO, *training)
    assert status == 0
    out = Path("runs", "cyclegan-semantic-quick")
    rows = re.findall(r"^\| ([\w ]+|runs\S+) \| ([\d.]+) \| ([\d.]+) \| (.*) \|$", first, re.MULTILINE)
    assert [row[0] for row in rows] == ["not translated", str(out)]
    assert (out / "cycles.png").exists()
    game = load_game(out / "checkpoint.npz")
    assert (int(game.g_optimizer.t), game.warm_up, game.lr_steps) == (2, 1, 2)
    reading = metrics.network(np.random.default_rng(9), channels=3)
    reading.load(out / "reader-3-quick.npz")
    assert same(reading.state(), game.classifier.state())
    reading.load(out / "judge-quick.npz")  # was trained apart, with random numbers that no seed of a run has
    assert not same(reading.state(), game.classifier.state())
    again = script(DEMO, *training)
    assert again[:2] == (0, first[first.index("20 digits and 40"):])

    for to, channels in ("digits", 1), ("houses", 3):
        where = Path(f"{to}.npz")
        assert script(DEMO, "translate", out / "checkpoint.npz", "--to", to, "--n", 3, *options, "--out", where)[0] == 0
        with np.load(where) as archive:
            drawn, labels = archive["images"], archive["labels"]
        assert (drawn.shape, drawn.dtype, labels.shape) == ((3, 28, 28, channels), np.float32, (3,))
        if to == "digits":
            wall = data.to_images(np.full((1, 28, 28, 3), 90, np.uint8))
            np.testing.assert_allclose(drawn[1], game.translate(wall, back=True)[0].mean(-1, keepdims=True), atol=1e-6)
            assert (labels == 7).all()
    assert script(DEMO, "translate", out / "checkpoint.npz", "--to", "houses", "--n", 13, *options)[0] == 0
    assert imread("translated.png").shape[:2] == (2 * (4 * 30 + 2), 2 * (10 * 30 + 2))


def test_what_the_demo_does_not_translate(fails, tmp_path):
    other = tmp_path / "other.npz"
    checkpoint.save(other, {}, {})
    fails(DEMO, "translate", other, "--to", "digits", mentions=[str(other)])
    fails(DEMO, "translate", "nothing.npz", "--to", "digits", mentions=["nothing.npz"])
    run = Run(SRGAN(size=8, width=1, blocks=1, rng=(rng := np.random.default_rng(0))),
              ImageBatches(np.zeros((2, 8, 8), np.uint8), 2, rng), tmp_path)
    run.save()
    fails(DEMO, "translate", run.path, "--to", "houses", mentions=["expected a CycleGAN, got SRGAN"])


@pytest.mark.parametrize("arguments", [("evaluate.py",), ("doctor.py",), ("sample.py",), ("latent.py", "all")], ids=" ".join)
def test_what_other_demos_cannot_do_with_it(fails, tmp_path, arguments):
    game = small_game("float32")
    run = Run(game, batches(game, np.random.default_rng(0)), tmp_path)
    run.save()
    name, *options = arguments
    fails(DEMO.parent / name, *options, run.path, mentions=["got CycleGAN"])
