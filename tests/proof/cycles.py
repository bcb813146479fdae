"""What must hold for CycleGAN and CyCADA, whose networks games.py does not know: with small ones."""

import functools

import numpy as np

from numgan import Adam, BatchNorm, Dense, Flatten, Sequential, games
from numgan.batches import ImageBatches, UnpairedBatches
from numgan.games import cycada
from numgan.games.cyclegan import REMEMBERED, Fakes
from numgan.resample import distorted

from . import reference as ref
from .games import network, same, snapshot

SMALL = dict(size=8, channels=1, width=2, blocks=1)
NETWORKS = "g", "f", "d_y", "d_x"


def images(n, game, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *game.shape)).astype(np.float32)


def small_game(dtype="float64", kind=games.CycleGAN, **settings):
    """A game with random (not the first) parameters; without noise, so that it can be recalculated."""
    game = kind(**SMALL | dict(dtype=dtype, noise=1e-300) | settings, rng=np.random.default_rng(7))
    rng = np.random.default_rng(8)
    for name in NETWORKS:
        for p in getattr(game, name).parameters():
            p.data += 0.2 * rng.standard_normal(p.shape).astype(dtype)
    return game


def readers(game):
    """Small classifiers for CyCADA, that read something in every image: name -> parameters."""
    for seed, name in enumerate(("classifier", "student")):
        rng = np.random.default_rng(seed)
        made = Sequential(Flatten(), Dense(10), BatchNorm(), input_shape=game.shape, rng=rng, dtype=game.dtype)
        for array in made.state().values():
            array[...] = rng.uniform(0.5, 1.5, array.shape) * (rng.choice([-1, 1], array.shape) if array.ndim == 2 else 1)
        setattr(game, name, made)
    game.classifier.eval()
    game.student_optimizer = Adam(game.student.parameters())
    game.shares[...] = np.linspace(0.01, 0.19, 10)
    return {name: snapshot(getattr(game, name)) for name in ("classifier", "student")}


def step_equals_complex_step(kind=games.CycleGAN, **settings):
    """Both players' losses and the gradients of all four networks are those of the paper's formulas; so is the student's."""
    game = small_game(kind=kind, **settings)
    reading = readers(game) if kind is games.CyCADA else {}
    x, y = images(3, game, 1), images(3, game, 2)
    before = {name: snapshot(getattr(game, name)) for name in NETWORKS}
    distorted_images, cycada.distorted = cycada.distorted, lambda images, rng: 0.5 * images
    try:
        figures = game.step(x, y)
    finally:
        cycada.distorted = distorted_images
    x, y = x.astype(np.float64), y.astype(np.float64)

    def run(name, values, x):
        return network(getattr(game, name).stack, values[name], x)

    def logits(values, x):
        """In training."""
        return network(game.student.stack, values, x)

    def settled(values, x):
        """With the running statistics."""
        normal = [values[f"2_BatchNorm.{name}"] for name in ("gamma", "beta", "mean", "variance")]
        return ref.batch_norm_eval(network(game.student.stack[:2], values, x), *normal)

    def digits(values, x, shares=None):
        """What is read, and whether with certainty."""
        p = np.exp(settled(values, x))
        p /= p.sum(1, keepdims=True)
        p /= 1 if shares is None else 0.98 * shares + 0.02 * p.mean(0)
        return p.argmax(1), p.max(1) / p.sum(1) > 0.9

    def parts(values):
        fake_y, fake_x = run("g", values, x), run("f", values, y)
        losses = {"g_loss": ref.l2(run("d_y", values, fake_y), 1) + ref.l2(run("d_x", values, fake_x), 1),
                  "cycle_x": ref.l1(run("f", values, fake_y), x), "cycle_y": ref.l1(run("g", values, fake_x), y),
                  "d_loss": (ref.l2(run("d_y", values, y), 1) + ref.l2(run("d_y", values, fake_y), 0)
                             + ref.l2(run("d_x", values, x), 1) + ref.l2(run("d_x", values, fake_x), 0))}
        if reading:
            digits_y, _ = digits(reading["classifier"], y)
            digits_x, sure = digits(reading["student"], x, np.linspace(0.01, 0.19, 10))
            assert 0 < sure.sum() < 3
            others = len(x) - sure.sum()
            taught = np.concatenate([x[sure], run("f", before, y)[:others]])
            losses |= {
                "semantic_x": ref.softmax_cross_entropy(settled(reading["classifier"], fake_y), digits_x),
                "semantic_y": (ref.softmax_cross_entropy(settled(reading["classifier"], fake_x), digits_y)
                               + ref.softmax_cross_entropy(logits(taught_student, fake_x), digits_y)),
                "student": ref.softmax_cross_entropy(logits(values.get("student", reading["student"]), 0.5 * taught),
                                                     np.concatenate([digits_x[sure], digits_y[:others]]))}
        return losses

    def g_loss(values):
        found = parts(values)
        same_kind = ref.l1(run("g", values, y), y) + ref.l1(run("f", values, x), x)
        weight = 0.1 if game.warm_up else 1
        back = game.cycle * (found["cycle_x"] + found["cycle_y"] + game.identity * same_kind)
        semantic = game.semantic * (found["semantic_x"] + found["semantic_y"]) if reading else 0
        return found["g_loss"] + weight * (back + semantic)

    taught_student = snapshot(game.student) if reading else None
    expected = parts(before)
    assert figures.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-10, err_msg=name)
    for name in NETWORKS + tuple(reading)[1:]:
        part = name if name in reading else "d_loss"
        loss = g_loss if name in ("g", "f") else lambda values, part=part: parts(values)[part]
        values = before.get(name) or reading[name]
        directions = {p.name: np.random.default_rng(p.size).standard_normal(p.shape) for p in getattr(game, name).parameters()}
        moved = {key: value + 1j * ref.H * directions.get(key, 0) for key, value in values.items()}
        found = sum((p.grad * directions[p.name]).sum() for p in getattr(game, name).parameters())
        np.testing.assert_allclose(found, np.imag(loss(before | {name: moved})) / ref.H, rtol=1e-9, err_msg=name)
    for name, values in reading.items():
        assert same(values, snapshot(getattr(game, name))) == (name == "classifier")


def weights_grow_to_their_values():
    """From a tenth, in a straight line."""
    def loss(steps):
        game = small_game(cycle=2.0, warm_up=10)
        game.g_optimizer.t[...] = steps
        seen = []
        game.g_optimizer.minimize = lambda loss: seen.append(loss.item())
        game.d_optimizer.minimize = lambda loss: None
        figures = game.step(images(3, game, 1), images(3, game, 2))
        return (seen[0] - figures["g_loss"]) / (figures["cycle_x"] + figures["cycle_y"])

    np.testing.assert_allclose([loss(steps) for steps in (0, 5, 10, 99)], [0.2, 1.1, 2, 2])


def discriminators_see_what_the_buffers_give():
    """They get the step's own fakes, and D_Y and D_X judge what they give in exchange."""
    game = small_game()
    x, y = images(3, game, 1), images(3, game, 2)
    shown = []

    def minimize(loss):
        assert all(p.grad is None for p in game.d_optimizer.parameters), "G's step reaches D's parameters"

    game.d_optimizer.minimize = minimize
    game.fakes_y.exchanged = game.fakes_x.exchanged = lambda fakes: shown.append(fakes) or np.full_like(fakes, 0.5)
    real_ones = [kind.astype(np.float64) for kind in (x, y)]
    fake_y, fake_x = game.g(real_ones[0]).data, game.f(real_ones[1]).data
    before = snapshot(game.d_y), snapshot(game.d_x)
    figures = game.step(x, y)
    np.testing.assert_array_equal(shown, [fake_y, fake_x])
    half = np.full_like(fake_y, 0.5)
    expected = sum(ref.l2(network(d.stack, values, real), 1) + ref.l2(network(d.stack, values, half), 0)
                   for d, values, real in zip((game.d_y, game.d_x), before, real_ones[::-1], strict=True))
    np.testing.assert_allclose(figures["d_loss"], expected, rtol=1e-10)


def half_of_the_fakes_are_exchanged_for_older_ones():
    """Once the buffer is full; none is lost, and none comes twice."""
    fakes = Fakes((1, 1, 1), np.random.default_rng(0), "float64")
    numbered = np.arange(1.0, 851.0).reshape(17, 50, 1, 1, 1)
    np.testing.assert_array_equal(fakes.exchanged(numbered[0]), numbered[0])
    kept = 0
    for batch in numbered[1:]:
        before = {*fakes.images.flat}
        shown = fakes.exchanged(batch)
        kept += (shown == batch).sum()
        assert {*shown.flat, *fakes.images.flat} == before | {*batch.flat}
    assert fakes.filled == REMEMBERED == 50
    assert np.isin(fakes.images, numbered[0]).sum() < 5
    assert abs(kept / 800 - 0.5) < 0.06


def both_players_have_the_game_s_rates_and_beta1():
    """Over all steps that are planned. The student has a rate of its own."""
    game = small_game(kind=games.CyCADA, lr=0.5, lr_steps=8, lr_hold=0.25, beta1=0.3)
    for optimizer in game.g_optimizer, game.d_optimizer:
        assert optimizer.beta1 == 0.3
        for t, rate in ((0, 0.5), (2, 0.5), (5, 0.25), (8, 0)):
            optimizer.t[...] = t
            assert optimizer.rate == rate
    assert game.student_optimizer.parameters == game.student.parameters()
    assert (game.student_optimizer.rate, game.student_optimizer.beta1) == (1e-3, 0.9)


def batches(game, rng, size=3):
    """Unpaired random images."""
    kinds = (np.random.default_rng(seed).integers(0, 256, (9, *game.shape), np.uint8) for seed in (1, 2))
    return UnpairedBatches(*(ImageBatches(kind, size, rng) for kind in kinds))


def each_twin_has_the_statistics_of_its_own_images():
    """G, F: of real images; their twins: of fakes. The weights are the same, also after a step."""
    game, other = small_game(identity=1.0), small_game()
    x, y = (images(3, game, seed).astype(np.float64) for seed in (1, 2))
    fake_y, fake_x = other.g(x), other.f(y)
    other.f_again(fake_y), other.g_again(fake_x)
    game.step(x, y)
    for name in "g", "f":
        first, again = getattr(game, name), getattr(game, f"{name}_again")
        assert first.parameters() == again.parameters()
        for part, key in (first, name), (again, f"{name}_again"):
            expected = getattr(other, key).state()
            moved = [buffer for buffer in part.state() if buffer.endswith((".mean", ".variance"))]
            assert len(moved) == 2 * 7
            for buffer in moved:
                np.testing.assert_allclose(part.state()[buffer], expected[buffer], rtol=1e-9, err_msg=f"{key} {buffer}")


def a_sheet_shows_both_ways_there_and_back():
    """x, G(x), F(G(x)), y, F(y), G(F(y))."""
    game = small_game("float32")
    x, y = batches(game, np.random.default_rng(0)).examples(9)
    x, y = np.concatenate([x, x[:1]]), np.concatenate([y, y[:1]])
    game.step(x.astype(np.float32), y.astype(np.float32))  # now the twins' statistics differ
    sheet = game.looks.sheet(game, None, lambda n: (x, y)).reshape(6, 10, *game.shape)
    with game.g.evaluating(), game.f.evaluating(), game.g_again.evaluating(), game.f_again.evaluating():
        fake_y, fake_x = game.g(x).data, game.f(y).data
        rows = x, fake_y, game.f_again(fake_y).data, y, fake_x, game.g_again(fake_x).data
        assert np.abs(rows[5] - game.g(fake_x).data).max() > 1e-3
    assert np.abs(fake_y - fake_x).max() > 0.01
    assert game.translate(x).dtype == np.float32
    np.testing.assert_allclose(game.translate(y, back=True), rows[4], atol=1e-5)
    for row, expected in zip(sheet, rows, strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-5)


def distorted_images_are_slanted_turned_stretched_and_bent():
    """By as much as is drawn, about the centre; without deviations, not at all."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, 9, 9, 2)).astype(np.float32)
    none = dict(slant=0, turn=0, stretch=0, bend=0)
    np.testing.assert_array_equal(distorted(x, rng, **none), x)
    changed = distorted(x, rng)
    assert (changed.shape, changed.dtype) == (x.shape, x.dtype)
    assert np.abs(changed).max() <= 1
    assert np.abs(changed - x).max() > 0.1
    np.testing.assert_allclose(distorted(np.full_like(x, 0.3), rng), 0.3, rtol=1e-6)
    v, u = np.mgrid[-4.0:5, -4:5]
    ramps = np.stack([u, v], -1)[None]  # their values are the distances from the middle, to the right and down
    right, down = np.moveaxis(distorted(ramps, rng, **none | dict(slant=0.1))[0], -1, 0)
    slope = right[5, 4]
    assert slope != 0
    np.testing.assert_allclose(right, (u + slope * v).clip(-4, 4), atol=1e-12)
    np.testing.assert_array_equal(down, v)
    right, down = np.moveaxis(distorted(ramps, rng, **none | dict(turn=0.3))[0], -1, 0)
    cos, sin = right[4, 5], right[5, 4]
    np.testing.assert_allclose(cos**2 + sin**2, 1)
    np.testing.assert_allclose(right, (cos * u + sin * v).clip(-4, 4), atol=1e-12)
    np.testing.assert_allclose(down, (cos * v - sin * u).clip(-4, 4), atol=1e-12)
    right, down = np.moveaxis(distorted(ramps, rng, **none | dict(stretch=0.2))[0], -1, 0)
    assert right[4, 5] != down[5, 4]
    np.testing.assert_allclose(right, (right[4, 5] * u).clip(-4, 4), atol=1e-12)
    np.testing.assert_allclose(down, (down[5, 4] * v).clip(-4, 4), atol=1e-12)


STEP = [functools.partial(step_equals_complex_step, cycle=3.0, identity=0.7, warm_up=10),
        weights_grow_to_their_values, discriminators_see_what_the_buffers_give]
SEMANTIC = functools.partial(step_equals_complex_step, games.CyCADA, cycle=3.0, semantic=2.0, warm_up=10)
PROPERTIES = [*STEP, SEMANTIC, step_equals_complex_step, both_players_have_the_game_s_rates_and_beta1,
              half_of_the_fakes_are_exchanged_for_older_ones, each_twin_has_the_statistics_of_its_own_images,
              a_sheet_shows_both_ways_there_and_back, distorted_images_are_slanted_turned_stretched_and_bent]
