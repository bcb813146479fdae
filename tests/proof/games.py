"""What must hold for every game of the package, with small networks in float64 and the real step functions.

The losses that the steps are compared with are those of papers.py.
"""

import functools
from contextlib import contextmanager

import numpy as np

from numgan import captions, layers
from numgan.games import SGAN, FixMatchSGAN, build
from numgan.tensor import Tensor

from . import reference as ref
from .laws import assert_distribution, gaussian, uniform
from .papers import GAMES, Played
from .report import REPORT
from .tape import from_op_replaced

WHOLE = 1e-8  # tolerance against the complex step for a whole network


def small_game(name, settings, dtype="float64", dropout=False):
    """The game with random (not the first) parameters, so that no gradient is small by construction."""
    game = build(name, settings | {"dtype": dtype}, np.random.default_rng(7))
    rng = np.random.default_rng(8)
    for network in game.networks().values():
        for p in network.parameters():
            p.data += (0.1 * rng.standard_normal(p.shape)).astype(dtype)
        for key, array in network.state().items():
            if key.endswith((".mean", ".variance")):
                array[...] = rng.uniform(0.5, 1.5, array.shape)
        for _, layer in network.walk():
            if isinstance(layer, layers.Dropout) and not dropout:
                layer.threshold = 0
            if isinstance(layer, layers.GaussianNoise) and not dropout:
                layer.std = 0
    if name == "BEGAN":
        game.k[...] = 0.3
    if game.settings.get("average"):
        game.g_average.network.load_state(game.generator.state())
    return game


def play(game, n=6):
    """One step on n random images and labels, the second half unknown if there may be unknown ones."""
    return game.step(images_for(game, n), labels_for(game, n))


def labels_for(game, n=6):
    """n digits for a labelled game; for StackGAN, captions of any words."""
    if type(game).__name__ == "StackGAN":
        return np.random.default_rng(10).integers(0, len(captions.VOCABULARY), (n, captions.LENGTH))
    labels = np.arange(n) * 3 % 10
    if isinstance(game, SGAN):
        labels[n // 2:] = -1
    return labels


def images_for(game, n=6):
    """A batch in [-1, 1]."""
    return np.random.default_rng(9).uniform(-1, 1, (n, *game.image_shape)).astype(np.float32)


def codes_for(game, n, seed=0):
    """n codes for G: SRGAN's are made from images."""
    if hasattr(game, "small"):
        return game.small(images_for(game, n))
    return game.latent(n, np.random.default_rng(seed))


def snapshot(network):
    """A copy of parameters and buffers."""
    return {name: array.copy() for name, array in network.state().items()}


def same(a, b):
    """Bit by bit."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def network(stack, values, x, first=0):
    """Forward passes by the reference, from layer number `first` on, in training without dropout; values: name -> array."""
    for i, layer in enumerate(stack[first:], first):
        kind = type(layer).__name__
        own = {name.rpartition(".")[2]: a for name, a in values.items() if name.startswith(f"{i}_{kind}.")}
        if kind == "Dense":
            x = np.matmul(x, own["w"]) + own["b"]
        elif kind == "Conv2D":
            x = ref.conv2d(x, own["w"], layer.strides) + own.get("b", 0)
        elif kind == "ResizeConv2D":
            x = ref.resize_conv2d(x, own["w"]) + own.get("b", 0)
        elif kind == "BatchNorm":
            x = ref.batch_norm(x, own["gamma"], own["beta"], layer.eps)
        elif kind == "Reshape":
            x = x.reshape(len(x), *layer.shape)
        elif kind == "Flatten":
            x = x.reshape(len(x), int(np.prod(x.shape[1:])))
        elif kind == "Residual":
            x = x + network(layer.body.stack, inside(values, f"{i}_Residual.body."), x)
        elif kind == "Beside":
            left = network(layer.left.stack, inside(values, f"{i}_Beside.left."), x[:, :-layer.last])
            right = network(layer.right.stack, inside(values, f"{i}_Beside.right."), x[:, -layer.last:])
            right = right.reshape(len(x), *(1 for _ in left.shape[2:]), -1)
            x = np.concatenate([left, right + 0 * left[..., :1]], -1)
        elif kind == "Embedding":
            x = sum(own["table"][np.rint(x.real).astype(int)[:, j]] for j in range(x.shape[1]))
        elif kind == "Augmentation":
            mean, log_variance = moments(layer, inside(values, f"{i}_Augmentation."), x[:, layer.d:])
            x = mean + np.sqrt(np.exp(log_variance)) * x[:, :layer.d]
        elif kind == "PReLU":
            x = np.where(x.real > 0, x, own["a"] * x)
        elif kind == "PixelShuffle":
            x = ref.depth_to_space(x, layer.factor)
        elif kind == "LeakyReLU":
            x = ref.leaky_relu(x, layer.slope)
        elif kind not in ("Dropout", "GaussianNoise"):
            x = {"ELU": ref.elu, "ReLU": ref.relu, "Tanh": np.tanh, "Sigmoid": ref.sigmoid}[kind](x)
    return x


def inside(values, path):
    """The values below this path, named from there."""
    return {name.removeprefix(path): a for name, a in values.items() if name.startswith(path)}


def moments(layer, values, words):
    """μ and ln σ² of conditioning augmentation."""
    y = network(layer.reader.stack, inside(values, "reader."), words)
    return np.split(y, 2, axis=1)


@contextmanager
def watched(game):
    """Collects the z that the game draws, and the networks' states when each player moves: "args" are batch and fake."""
    seen = {"z": []}
    source = {"SRGAN": "small", "StackGAN": "asking"}.get(type(game).__name__, "latent")
    draw, d_step, g_step = getattr(game, source), game.d_step, game.g_step

    def watch_codes(*args):
        seen["z"].append(draw(*args))
        return seen["z"][-1]

    def watch_step(player, step):
        def watching(*args):
            seen[player] = {side: snapshot(getattr(game, side)) for side in ("generator", "discriminator")} | {"args": args}
            result = step(*args)
            seen[f"after {player}"] = {side: snapshot(getattr(game, side)) for side in ("generator", "discriminator")}
            return result
        return watching

    game.d_step, game.g_step = watch_step("d", d_step), watch_step("g", g_step)
    setattr(game, source, watch_codes)
    yield seen
    game.d_step, game.g_step = d_step, g_step
    setattr(game, source, draw)


def step_equals_complex_step(name, settings, losses):
    """D's and G's loss, and their gradients for every parameter tensor, are those of the paper's formulas."""
    game = small_game(name, settings)
    with watched(game) as seen:
        k = getattr(game, "k", np.zeros(())).copy()
        metrics = play(game)
    if not settings.get("d_steps"):
        assert len(seen["z"]) == (2 if game.fresh_z else 1)
    scale = game.settings.get("scale")
    low, high = (-1 / scale, 1 / scale) if scale else (game.pixels.low, game.pixels.high)
    last = slice(game.d_steps - 1, None, game.d_steps)
    real, labels = (images_for(game).astype(np.float64)[last] + 1) / 2 * (high - low) + low, labels_for(game)[last]
    if isinstance(game, FixMatchSGAN):  # what it makes of both is looked at in fixmatch.py
        real, labels = seen["d"]["args"][0].real.data, seen["d"]["args"][0].labels
    z_d, z_g = seen["z"][-2 if game.fresh_z else -1], seen["z"][-1]
    G, D = game.generator.stack, game.discriminator.stack

    def played(g_values, d_values, z):
        fake = network(G, g_values, z)
        if name == "SRGAN":  # all look at the image that is shown
            fake = np.where(np.abs(fake.real) > 1, np.sign(fake.real), fake)
        more = {}
        if name == "StackGAN":
            pairs = (real, labels), (fake, labels), (real, labels[[-1, *range(len(labels) - 1)]])
            *inputs, wrong = (np.concatenate([x.reshape(len(x), -1), said], 1) for x, said in pairs)
            augmentation = inside(g_values, "0_Beside.right.0_Augmentation.")
            more = {"y_wrong": network(D, d_values, wrong), "moments": moments(G[0].right.stack[0], augmentation, labels)}
        else:
            inputs = [x.reshape(-1, *game.discriminator.input_shape) for x in (real, fake)]
        hidden = [network(D[:-1], d_values, x) for x in inputs]
        outputs = [network(D, d_values, x, len(D) - 1) for x in hidden]
        return Played(real, outputs[0], hidden[0], fake, outputs[1], hidden[1], labels, z, k, more)

    def d_loss(values):
        return losses.d(played(seen["d"]["generator"], values, z_d))

    def g_loss(values, z=z_g):
        return losses.g(played(values, seen["g"]["discriminator"], z))

    expected = losses.figures(played(seen["d"]["generator"], seen["d"]["discriminator"], z_d),
                              played(seen["g"]["generator"], seen["g"]["discriminator"], z_g))
    assert metrics.keys() == {"d_loss", "g_loss"} | expected.keys()
    for name_of_figure, value in expected.items():
        np.testing.assert_allclose(metrics[name_of_figure], value, rtol=1e-10, err_msg=name_of_figure)
    for player, net, loss, values in (("d", game.discriminator, d_loss, seen["d"]["discriminator"]),
                                      ("g", game.generator, g_loss, seen["g"]["generator"])):
        np.testing.assert_allclose(metrics[f"{player}_loss"], loss(values), rtol=1e-10)
        compare_parameters(f"{name} {player.upper()}", net, loss, values)

    z = Tensor(z_g, requires_grad=True)
    game.generator.load_state(seen["g"]["generator"])
    game.discriminator.load_state(seen["g"]["discriminator"])
    game.g_optimizer.parameters, game.g_optimizer.moments = [z], ()  # the real step, but with z to be moved
    game.g_optimizer.step = lambda: None
    with game.generator.frozen():
        game.g_step(seen["g"]["args"][0], game.generator(z))
    direction = np.random.default_rng(1).standard_normal(z.shape)
    expected = np.imag(g_loss(seen["g"]["generator"], z_g + 1j * ref.H * direction)) / ref.H
    assert abs((z.grad * direction).sum() - expected) <= WHOLE * abs(expected)


def compare_parameters(label, net, loss, values):
    """<p.grad, direction> for each parameter against the complex step; biases before batch norm have gradient zero."""
    before_norm = {f"{i - 1}_{type(net.stack[i - 1]).__name__}.b" for i, layer in enumerate(net.stack)
                   if isinstance(layer, layers.BatchNorm)}
    largest = max(np.abs(p.grad).max() for p in net.parameters())
    for p in net.parameters():
        if p.name in before_norm:
            assert np.abs(p.grad).max() <= 1e-12 * max(largest, 1), f"{label} {p.name}: a shift before batch norm has no effect"
            continue
        assert np.abs(p.grad).max() > 1e-9, f"{label} {p.name}: the gradient vanishes: if that is right, draw other examples"
        direction = np.random.default_rng(p.size).standard_normal(p.shape)
        expected = np.imag(loss(values | {p.name: values[p.name] + 1j * ref.H * direction})) / ref.H
        error = abs((p.grad * direction).sum() - expected) / max(abs(expected), 1e-3 * np.abs(p.grad).max())
        REPORT.error(label, error, WHOLE, p.name)
        assert error <= WHOLE, f"{label} {p.name}: relative error {error:.1e}"


def players_keep_out_of_each_others_networks(name, settings, losses):
    """G is bit-identical across D's step, D across G's step (batch statistics too), and each moves in its own.

    Any other network is bit-identical after the whole step, and has no gradients.
    """
    game = small_game(name, settings)
    others = [network for network in game.networks().values() if network not in (game.generator, game.discriminator)]
    others += getattr(getattr(game, "features", None), "layers", ())  # SRGAN's, which do not learn
    before = [snapshot(network) for network in others]
    with watched(game) as seen:
        play(game)
    assert all(map(same, before, map(snapshot, others)))
    assert not any(p.grad is not None for network in others for p in network.parameters())
    for player, other, own in (("d", "generator", "discriminator"), ("g", "discriminator", "generator")):
        assert same(seen[player][other], seen[f"after {player}"][other])
        for p in getattr(game, own).parameters():
            assert not np.array_equal(seen[player][own][p.name], seen[f"after {player}"][own][p.name]) or not p.grad.any()


def only_wanted_vjps_exist(name, settings, losses):
    """G's step records no vjp for D's parameters; D's step none for G's, nor for the images."""
    game = small_game(name, settings)
    ours = {id(p): "D" for p in game.discriminator.parameters()} | {id(p): "G" for p in game.generator.parameters()}
    with watched(game) as seen:
        counts = {player: count_parameter_vjps(game, player, ours) for player in ("d", "g")}
        play(game)
    assert set(counts["d"]) == {"D"}
    assert set(counts["g"]) == {"G"}
    _, fake = seen["d"]["args"]
    assert fake.parents == ()
    assert not fake.requires_grad


def count_parameter_vjps(game, player, ours):
    """A list that fills with the owners of all parameters that `player`'s backward pass reaches."""
    optimizer, reached = getattr(game, f"{player}_optimizer"), []
    minimize = optimizer.minimize

    def counting(loss):
        reached.extend(ours[id(node)] for node in loss._history() if id(node) in ours)
        minimize(loss)

    optimizer.minimize = counting
    return reached


def statistics_move_once_per_step_and_never_in_eval(name, settings, losses):
    """After one step, running = momentum·old + (1 - momentum)·batch, with the unbiased variance; sampling changes nothing."""
    game = small_game(name, settings)
    before = snapshot(game.generator)
    with watched(game) as seen:
        play(game)
    x, after, stack = seen["z"][-1], game.generator.state(), game.generator.stack
    for i, layer in enumerate(stack):
        if isinstance(layer, layers.BatchNorm):
            rows = network(stack[:i], before, x).reshape(-1, before[f"{i}_BatchNorm.mean"].size)
            for statistic, batch in (("mean", rows.mean(0)), ("variance", rows.var(0, ddof=1))):
                key = f"{i}_BatchNorm.{statistic}"
                expected = layer.momentum * before[key] + (1 - layer.momentum) * batch
                np.testing.assert_allclose(after[key], expected, rtol=1e-10)
    kept = snapshot(game.generator)
    z = codes_for(game, 5)
    together = game.generate(z)
    np.testing.assert_allclose(game.generate(z[2:3]), together[2:3], atol=1e-6)  # no batch-mates in eval mode
    assert same(kept, game.generator.state())


def dropout_belongs_to_training(name, settings, losses):
    """In training D's outputs vary and keep their mean; in eval mode they do not vary."""
    game = small_game(name, settings, dropout=True)
    D = game.discriminator
    dropouts = [layer for layer in D.stack if isinstance(layer, layers.Dropout) and layer.threshold]
    assert bool(dropouts) == (game.settings.get("dropout", len(dropouts)) > 0)
    if not dropouts:
        return
    layer, wanted = dropouts[0], game.settings.get("dropout", 0.3)
    ones = layer(np.ones((100, 400))).data
    rate = layer.threshold / 2**16
    np.testing.assert_allclose(np.unique(ones), [0, 1 / (1 - rate)])
    assert abs((ones == 0).mean() - wanted) < 0.01
    assert abs(ones.mean() - 1) < 0.02
    x = images_for(game).astype(np.float64)
    assert not np.array_equal(D(x).data, D(x).data)
    D.eval()
    assert np.array_equal(D(x).data, D(x).data)


def step_stays_float32(name, settings, losses):
    """Every value of a whole step, every parameter, moment and statistic."""
    game = small_game(name, settings, "float32", dropout=True)
    dtypes = set()

    def make(from_op):
        def watching(value, *inputs):
            y = from_op(value, *inputs)
            dtypes.update({y.dtype} | {parent.dtype for parent, _ in y.parents})  # and so all gradients: backward checks
            return y
        return watching

    with from_op_replaced(make):
        metrics = play(game)
    assert dtypes == {np.dtype("float32")}
    assert {array.dtype for array in game.state().values()} == {np.dtype("float32"), np.dtype("int64")}
    assert all(type(value) is float for value in metrics.values())


UNIFORM = {"BEGAN", "dense"}  # games, or variants, whose z is uniform in [-1, 1]; all others' is normal


def codes_ask_for_captions(game, codes):
    """StackGAN's: even captions; independent normal noise; in stage 2, what the frozen stage 1 draws from such codes."""
    z, words = np.split(codes, [-captions.LENGTH], axis=1)
    drawn, counts = np.unique(words, axis=0, return_counts=True)
    np.testing.assert_array_equal(drawn, np.unique(captions.numbers(np.array(list(captions.SENTENCES.values()))), axis=0))
    assert ((counts - len(codes) / 160) ** 2 / (len(codes) / 160)).sum() < 270  # chi squared of 159 degrees: p = 1e-7
    pixels = game.size**2 // 4 if game.stage == 2 else 0
    noise = z[:, pixels:]
    assert noise.shape[1] == game.caption_dim + (0 if pixels else game.latent_dim)
    assert_distribution(noise, gaussian(1), "noise")
    assert np.abs(np.corrcoef(noise[:, :3].T) - np.eye(3)).max() < 5 / np.sqrt(len(codes))
    if pixels:
        small = build("StackGAN", game.settings | {"stage": 1, "average": None}, np.random.default_rng(0))
        small.generator.load_state(game.first.state())
        expected = small.generate(small.asking(words, np.random.default_rng(12))).reshape(len(codes), pixels)
        np.testing.assert_allclose(game.asking(words, np.random.default_rng(12))[:, :pixels], expected, atol=1e-6)
    batch = game.minibatch(images_for(game), labels_for(game))
    np.testing.assert_array_equal(batch.z[:, -captions.LENGTH:], labels_for(game))


def codes_follow_the_prior(name, settings, losses):
    """z has the distribution that the game names, in every number, independent of the others; classes asked for are even."""
    game, n = small_game(name, settings), 3000
    if hasattr(game, "small"):  # there, z are the means of 4 × 4 pixels of the same images
        with watched(game) as seen:
            play(game)
        batch = seen["g"]["args"][0]
        np.testing.assert_allclose(batch.z, batch.real.data.reshape(6, 2, 4, 2, 4, 1).mean((2, 4)))
        return
    codes = game.latent(n, np.random.default_rng(11))
    if name == "StackGAN":  # codes are pixels or z, then noise, then words
        codes_ask_for_captions(game, codes)
        return
    categories = game.settings.get("categories", 0)
    z = codes[:, categories:game.latent_dim]
    even = not UNIFORM.isdisjoint({name, settings.get("variant")})
    assert_distribution(z[:, :5], uniform(1) if even else gaussian(1), "z")
    assert np.abs(np.corrcoef(z[:, :5].T) - np.eye(min(5, z.shape[1]))).max() < 5 / np.sqrt(n)
    assert np.array_equal(codes, game.latent(n, np.random.default_rng(11)))
    for named in codes[:, :categories] / 3.5, codes[:, game.latent_dim:]:
        if k := named.shape[1]:
            assert np.array_equal(np.sort(named), np.tile(np.eye(k)[-1], (n, 1)))
            assert ((named.sum(0) - n / k) ** 2 / (n / k)).sum() < 50  # chi squared of up to 9 degrees: above with p = 1e-7


def the_learning_rate_falls_with_the_game_s_steps(name, settings, losses):
    """In every step of either player, however many D makes, and whether it has G's rate or its own. Both have G's beta1."""
    for d_lr in (None, 4e-3):
        game, rates = small_game(name, settings | dict(lr_steps=4, lr_hold=0.25, lr=1e-3, d_lr=d_lr, beta1=0.3)), {}
        for player, optimizer in (("g", game.g_optimizer), ("d", game.d_optimizer)):
            def watching(loss, player=player, optimizer=optimizer, minimize=optimizer.minimize):
                rates[player].append(optimizer.rate)
                minimize(loss)

            assert optimizer.beta1 == 0.3
            optimizer.minimize = watching
        for share in (1, 1, 2 / 3):
            rates |= {"g": [], "d": []}
            play(game)
            np.testing.assert_allclose(rates["g"], [share * 1e-3])
            np.testing.assert_allclose(rates["d"], [share * (d_lr or 1e-3)] * game.d_steps)


def samples_are_drawn_with_the_average(name, settings, losses):
    """If there is one: mean ← share · mean + (1 - share) · weights after every step, and samples are drawn with it.

    The share is (1 + t) / (10 + t) in step t, until that is more than `average`.
    """
    game = small_game(name, settings)
    z = codes_for(game, 4)
    if not game.average:
        assert game.drawing_network is game.generator
        return
    for t, share in ((1, 2 / 11), (2, 3 / 12), (10**6, game.average)):
        game.g_average.t[...] = t - 1
        before = snapshot(game.g_average.network)
        play(game)
        after = snapshot(game.g_average.network)
        for key, own in game.generator.state().items():
            np.testing.assert_allclose(after[key], share * before[key] + (1 - share) * own, rtol=1e-12, atol=1e-15)
    drawn = game.generate(z)
    game.generator.load_state(after)
    with game.generator.evaluating():
        values = game.generator(z).data
    np.testing.assert_allclose(drawn, game.pixels.outward(values), rtol=1e-5, atol=1e-6)


def samples_are_in_the_range_of_images(name, settings, losses):
    """What the networks' range is does not show outside: a generator's 0 … 1, or points / scale, come out as they went in."""
    game = small_game(name, settings)
    x = np.linspace(-1, 1, 50)
    scale = game.settings.get("scale", 1)
    np.testing.assert_allclose(game.pixels.outward(game.pixels.inward(scale * x)), scale * x, atol=1e-12)
    seen = game.pixels.inward(scale * x)
    wanted = (0, 1) if isinstance(game, SGAN) or settings.get("variant") == "shallow" else (-1, 1)
    np.testing.assert_allclose([seen.min(), seen.max()], wanted, atol=1e-12)


EACH = [samples_are_in_the_range_of_images, codes_follow_the_prior, players_keep_out_of_each_others_networks,
        only_wanted_vjps_exist, statistics_move_once_per_step_and_never_in_eval, dropout_belongs_to_training,
        the_learning_rate_falls_with_the_game_s_steps, samples_are_drawn_with_the_average, step_equals_complex_step,
        step_stays_float32]
INSTANCES = [(holds, name, *variant) for holds in EACH for name, variants in GAMES.items() for variant in variants]
PROPERTIES = [functools.partial(*instance) for instance in INSTANCES]
