"""CycleGAN: its step, its buffers of fakes, its batches, what its classifier learns from, and its demo."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from numgan import Dense, Flatten, InputError, Sequential, checkpoint, data, games, metrics
from numgan.batches import ImageBatches, UnpairedBatches
from numgan.games import SRGAN, cyclegan
from numgan.games.cyclegan import REMEMBERED, Fakes
from numgan.resample import distorted
from numgan.run import Run, load_game
from numgan.training import train

from .proof import reference as ref
from .proof.games import network, same, snapshot
from .runs import bits, undrawn  # noqa: F401
from .scripts import ROOT

DEMO = ROOT / "demos" / "cyclegan.py"
SMALL = dict(size=8, channels=1, width=1, blocks=1)
NETWORKS = "g", "f", "d_y", "d_x"


def images(n, game, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *game.shape)).astype(np.float32)


def small_game(dtype="float64", **settings):
    """A game with random (not the first) parameters; without noise, so that it can be recalculated."""
    game = games.CycleGAN(**SMALL | dict(dtype=dtype, noise=1e-300) | settings, rng=np.random.default_rng(7))
    rng = np.random.default_rng(8)
    for name in NETWORKS:
        for p in getattr(game, name).parameters():
            p.data += 0.1 * rng.standard_normal(p.shape).astype(dtype)
    return game


# ---- the step


@pytest.mark.parametrize("settings", [{}, dict(cycle=3.0, identity=0.7, warm_up=10), dict(semantic=2.0)], ids=str)
def test_its_whole_step_equals_the_complex_step_of_the_paper_s_formulas(settings):
    game = small_game(**settings)
    if "semantic" in settings:
        rng = np.random.default_rng(3)
        game.classifier = Sequential(Flatten(), Dense(10), input_shape=game.shape, rng=rng, dtype="float64")
        game.classifier.parameters()[-1].data += 0.1
        reading = snapshot(game.classifier)
    x, y = images(3, game, 1), images(3, game, 2)
    before = {name: snapshot(getattr(game, name)) for name in NETWORKS}
    figures = game.step(x, y)
    x, y = x.astype(np.float64), y.astype(np.float64)

    def run(name, values, x):
        return network(getattr(game, name).stack, values[name], x)

    def misread(x, translated):
        logits = [network(game.classifier.stack, reading, x) for x in (x, translated)]
        return ref.softmax_cross_entropy(logits[1], logits[0].real.argmax(1))

    def parts(values):
        fake_y, fake_x = run("g", values, x), run("f", values, y)
        losses = {"g_loss": ref.l2(run("d_y", values, fake_y), 1) + ref.l2(run("d_x", values, fake_x), 1),
                  "cycle_x": ref.l1(run("f", values, fake_y), x), "cycle_y": ref.l1(run("g", values, fake_x), y),
                  "d_loss": (ref.l2(run("d_y", values, y), 1) + ref.l2(run("d_y", values, fake_y), 0)
                             + ref.l2(run("d_x", values, x), 1) + ref.l2(run("d_x", values, fake_x), 0))}
        if game.semantic:
            losses |= {"semantic_x": misread(x, fake_y), "semantic_y": misread(y, fake_x)}
        return losses

    def g_loss(values):
        found = parts(values)
        same_kind = ref.l1(run("g", values, y), y) + ref.l1(run("f", values, x), x)
        weight = 0.1 if game.warm_up else 1
        return (found["g_loss"] + weight * game.cycle * (found["cycle_x"] + found["cycle_y"] + game.identity * same_kind)
                + game.semantic * (found.get("semantic_x", 0) + found.get("semantic_y", 0)))

    expected = parts(before)
    assert figures.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-10, err_msg=name)
    for name in NETWORKS:
        loss = g_loss if name in "gf" else lambda values: parts(values)["d_loss"]
        directions = {p.name: np.random.default_rng(p.size).standard_normal(p.shape) for p in getattr(game, name).parameters()}
        moved = {key: value + 1j * ref.H * directions.get(key, 0) for key, value in before[name].items()}
        found = sum((p.grad * directions[p.name]).sum() for p in getattr(game, name).parameters())
        np.testing.assert_allclose(found, np.imag(loss(before | {name: moved})) / ref.H, rtol=1e-9, err_msg=name)
    if "semantic" in settings:
        assert same(reading, snapshot(game.classifier))


def test_weights_grow_to_their_values():
    def loss(steps):
        game = small_game(cycle=2.0, warm_up=10)
        game.g_optimizer.t[...] = steps
        seen = []
        game.g_optimizer.minimize = lambda loss: seen.append(loss.item())
        game.d_optimizer.minimize = lambda loss: None
        figures = game.step(images(3, game, 1), images(3, game, 2))
        return (seen[0] - figures["g_loss"]) / (figures["cycle_x"] + figures["cycle_y"])

    np.testing.assert_allclose([loss(steps) for steps in (0, 5, 10, 99)], [0.2, 1.1, 2, 2])


def test_nothing_is_drawn_anew_for_the_discriminators_but_they_see_older_fakes(monkeypatch):
    game = small_game()
    x, y = images(3, game, 1), images(3, game, 2)
    shown = []
    monkeypatch.setattr(Fakes, "exchanged", lambda buffer, fakes: shown.append(fakes) or np.full_like(fakes, 0.5))
    fake_y, fake_x = game.g(x.astype(float)).data, game.f(y.astype(float)).data
    before = snapshot(game.d_y), snapshot(game.d_x)
    figures = game.step(x, y)
    np.testing.assert_array_equal(shown, [fake_y, fake_x])
    half = np.full_like(fake_y, 0.5)
    expected = sum(ref.l2(network(d.stack, values, real.astype(float)), 1) + ref.l2(network(d.stack, values, half), 0)
                   for d, values, real in ((game.d_y, before[0], y), (game.d_x, before[1], x)))
    np.testing.assert_allclose(figures["d_loss"], expected, rtol=1e-10)


def test_half_of_the_fakes_are_exchanged_for_older_ones():
    fakes = Fakes((1, 1, 1), np.random.default_rng(0), "float64")
    numbered = np.arange(1.0, 851.0).reshape(17, 50, 1, 1, 1)
    np.testing.assert_array_equal(fakes.exchanged(numbered[0]), numbered[0])
    kept = 0
    for batch in numbered[1:]:
        before = {*fakes.images.flat}
        shown = fakes.exchanged(batch)
        kept += (shown == batch).sum()
        assert {*shown.flat, *fakes.images.flat} == before | {*batch.flat}  # none is lost, none comes twice
    assert fakes.filled == REMEMBERED == 50
    assert abs(kept / 800 - 0.5) < 0.06


@pytest.mark.parametrize(("settings", "message"), [
    (dict(size=30), "multiple of 4"), (dict(channels=2), "1 or 3"), (dict(width=0), "width"),
    (dict(cycle=-1.0), "cycle"), (dict(semantic=float("nan")), "semantic"), (dict(noise=0.0), "deviation > 0")])
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        games.CycleGAN(**settings, rng=np.random.default_rng(0))


def test_batches_out_of_range_and_classifiers_that_know_nothing():
    game = small_game("float32")
    good = images(3, game)
    for x, y in ((good, good[:, :4]), (good[..., 0], good), (2 * good, good), (good, good.astype(int))):
        with pytest.raises(InputError, match=r"CycleGAN\.step"):
            game.step(x, y)
    with pytest.raises(InputError, match=r"expected images \(28, 28, 1\)"):
        small_game("float32", semantic=1.0).check(good, good)
    game = games.CycleGAN(width=1, blocks=1, semantic=1.0, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="trained classifier"):
        game.check(images(2, game), images(2, game))


# ---- a run


def batches(game, rng, size=3):
    """Unpaired random images."""
    kinds = (np.random.default_rng(seed).integers(0, 256, (9, *game.shape), np.uint8) for seed in (1, 2))
    return UnpairedBatches(*(ImageBatches(kind, size, rng) for kind in kinds))


def test_a_resumed_run_equals_an_uninterrupted_one_fakes_included(tmp_path, monkeypatch, undrawn):  # noqa: F811
    monkeypatch.setattr(cyclegan, "REMEMBERED", 4)
    new = lambda out: Run(game := small_game("float32"), batches(game, np.random.default_rng(1)), out)
    straight, broken = new(tmp_path / "straight"), new(tmp_path / "broken")
    train(straight, 6, every=3)
    train(broken, 3, every=3)
    again = Run.load(broken.path, batches(broken.game, np.random.default_rng(9)), broken.out)
    train(again, 6, every=3)
    assert bits(again) == bits(straight)
    assert again.game.fakes_x.filled == 4


def test_a_sheet_shows_both_ways_there_and_back():
    game = small_game("float32")
    x, y = batches(game, np.random.default_rng(0)).examples(9)
    x, y = np.concatenate([x, x[:1]]), np.concatenate([y, y[:1]])
    sheet = game.looks.sheet(game, None, lambda n: (x, y)).reshape(6, 10, *game.shape)
    fake_y, fake_x = game.translate(x), game.translate(y, back=True)
    assert fake_y.dtype == np.float32
    assert np.abs(fake_y - fake_x).max() > 0.01
    rows = x, fake_y, game.translate(fake_y, back=True), y, fake_x, game.translate(fake_x)
    for row, expected in zip(sheet, rows, strict=True):
        np.testing.assert_array_equal(row, expected)


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
    for other in (ImageBatches(pictures, 4, rng), ImageBatches(pictures, 30, np.random.default_rng(0))):
        with pytest.raises(InputError, match="one size and one rng"):
            UnpairedBatches(ImageBatches(pictures, 30, rng), other)


# ---- what the classifier of house numbers learns from


def test_distorted_images():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, 9, 9, 2)).astype(np.float32)
    none = dict(slant=0, turn=0, stretch=0, bend=0)
    np.testing.assert_array_equal(distorted(x, rng, **none), x)
    changed = distorted(x, rng)
    assert (changed.shape, changed.dtype) == (x.shape, x.dtype)
    assert np.abs(changed).max() <= 1
    assert np.abs(changed - x).max() > 0.1
    np.testing.assert_allclose(distorted(np.full_like(x, 0.3), rng), 0.3, rtol=1e-6)
    u = np.arange(9) - 4.0
    ramp = np.broadcast_to(u, (1, 9, 9))[..., None]  # its value is the distance from the middle, to the right
    slanted = distorted(ramp, np.random.default_rng(5), **none | dict(slant=0.1))[0, :, :, 0]
    k = slanted[5, 4] - slanted[4, 4]
    assert k != 0
    inside = np.abs(u + k * u[:, None]) <= 4
    np.testing.assert_allclose(slanted[inside], (u + k * u[:, None])[inside], atol=1e-12)
    turned = distorted(ramp, rng, **none | dict(turn=0.3))[0, :, :, 0]
    cos, sin = turned[4, 5], turned[5, 4]
    np.testing.assert_allclose(cos**2 + sin**2, 1)
    stretched = distorted(ramp, rng, **none | dict(stretch=0.2))[0, :, :, 0]
    np.testing.assert_allclose(stretched[:, 3:6], np.broadcast_to(stretched[4, 5] * u[3:6], (9, 3)), atol=1e-12)


# ---- the demo


def test_the_demo_trains_measures_translates_and_goes_on(script, fails, undrawn, tmp_path, monkeypatch):  # noqa: F811
    options = "--data", "digits-10k"
    status, first, _ = script(DEMO, "train", "--semantic", "--quick", *options, "--steps", 2)
    assert status == 0
    out = Path("runs", "cyclegan-semantic-quick")
    rows = re.findall(r"^\| ([\w ]+|runs\S+) \| ([\d.]+) \| ([\d.]+) \| (.*) \|$", first, re.MULTILINE)
    assert [row[0] for row in rows] == ["not translated", str(out)]
    game = load_game(out / "checkpoint.npz")
    assert (int(game.g_optimizer.t), game.warm_up, game.lr_steps) == (2, 0, 2)
    reading = metrics.network(np.random.default_rng(9), channels=3)
    reading.load(out / "reader.npz")
    assert same(reading.state(), game.classifier.state())
    again = script(DEMO, "train", "--semantic", "--quick", *options, "--steps", 2)
    assert again[:2] == (0, first[first.index("20 digits and 40"):])

    monkeypatch.setattr(data, "house_numbers", lambda n, rng: (np.full((n, 28, 28, 3), 90, np.uint8), np.full(n, 7, np.uint8)))
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
