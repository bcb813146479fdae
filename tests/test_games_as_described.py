"""Games are made and shown as described: labels, sheets, layers, recipes, and what only one game refuses."""

import numpy as np
import pytest

from numgan import captions, games, layers, resample
from numgan.games import GAMES
from numgan.games.minibatch import split

from .errors import refused
from .proof.games import images_for, labels_for, small_game

PROGRESS = {
    "loss D": "d_loss",
    "G": "g_loss",
    "loss": "g_loss",
    "D(x)": "d_real",
    "D(G(z))": "d_fake",
    "L(x)": "d_real",
    "L(G(z))": "d_fake",
    "k": "k",
    "M": "convergence",
    "PSNR": "psnr",
    "cycle x": "cycle_x",
    "y": "cycle_y",
}
PANELS = {
    "loss": ("d_loss", "g_loss"),
    "D(x), D(G(z))": ("d_real", "d_fake"),
    "L(x), L(G(z))": ("d_real", "d_fake"),
    "accuracy": ("d_accuracy_real", "d_accuracy_fake", "g_accuracy"),
    "k": ("k",),
    "M": ("convergence",),
    "content": ("content",),
    "PSNR, dB": ("psnr",),
    "D(x, t')": ("d_wrong",),
    "KL, nats": ("kl",),
    "L_GAN": ("d_loss", "g_loss"),
    "cycle error": ("cycle_x", "cycle_y"),
    "semantic consistency": ("semantic_x", "semantic_y", "student"),
}
OF_CLASS = {
    "SGAN": ("class_accuracy",),
    "FixMatchSGAN": ("class_accuracy",),
    "ConditionalSGAN": ("class_accuracy", "class_accuracy_fake"),
    "ACGAN": ("class_accuracy_real", "class_accuracy_fake"),
}
SAMPLES = {"loss", "D(x), D(G(z))", "accuracy"}
TITLES = {
    "BEGAN": {"loss", "L(x), L(G(z))", "k", "M"},
    "SRGAN": SAMPLES | {"content", "PSNR, dB"},
    "StackGAN": SAMPLES | {"D(x, t')", "KL, nats"},
    "CycleGAN": {"L_GAN", "cycle error"},
    "CyCADA": {"L_GAN", "cycle error", "semantic consistency"},
}
LABELS = {
    "BEGAN": "L(x) L(G(z)) k M",
    "SRGAN": "loss D G D(x) D(G(z)) PSNR",
    "CycleGAN": "loss D G cycle x y",
    "CyCADA": "loss D G cycle x y",
}


@pytest.mark.parametrize("name", GAMES)
def test_each_figure_is_shown_under_its_own_name(name):
    looks = GAMES[name](rng=np.random.default_rng(0)).looks
    panels = PANELS | {"accuracy of the class": OF_CLASS.get(name)}
    assert looks.panels == {
        title: panels[title] for title in TITLES.get(name, SAMPLES) | ({"accuracy of the class"} if name in OF_CLASS else set())
    }
    assert looks.progress == {label: PROGRESS[label] for label in looks.progress}
    assert " ".join(looks.progress) == LABELS.get(name, "loss D G D(x) D(G(z))")


def test_srgan_without_d_shows_its_loss_and_psnr():
    looks = games.SRGAN(size=8, width=1, blocks=1, objective="mse", rng=np.random.default_rng(0)).looks
    assert looks.panels == {"loss": ("g_loss",), "PSNR, dB": ("psnr",)}
    assert looks.progress == {"loss": "g_loss", "PSNR": "psnr"}


def test_a_sheet_has_25_samples_in_rows_of_five():
    game = small_game("DCGAN", dict(size=8, width=2, latent_dim=5, categories=2), "float32")
    z = game.looks.inputs(game, np.random.default_rng(3))
    assert (len(z), game.looks.columns) == (25, 5)


@pytest.mark.parametrize("name", [name for name in GAMES if name not in ("SRGAN", "CycleGAN", "CyCADA")])
def test_what_a_sheet_is_drawn_from_depends_on_its_own_generator_only(name):
    settings = {} if name.startswith("Mixture") else dict(size=8, latent_dim=32)
    game = games.build(name, settings, np.random.default_rng(0))
    before = str(game.rng.bit_generator.state)
    first, second = (game.looks.inputs(game, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert str(game.rng.bit_generator.state) == before


def test_began_s_sheet_has_fakes_and_real_images_each_above_its_reconstructions():
    game = small_game("BEGAN", dict(size=8, width=2, latent_dim=5), "float32")
    z, x = game.looks.inputs(game, np.random.default_rng(0)), images_for(game, 20)
    fake = game.generate(z)
    assert (len(z), game.looks.columns) == (20, 10)
    rows = game.looks.sheet(game, z, lambda n: x[:n]).reshape(4, 20, 8, 8, 1)
    for row, expected in zip(rows, (fake, game.reconstruct(fake), x, game.reconstruct(x)), strict=True):
        np.testing.assert_array_equal(row, expected)


def test_srgan_s_sheet_has_pixels_bicubic_interpolation_g_and_the_original():
    game = small_game("SRGAN", dict(size=8, width=2, blocks=1), "float32")
    x = np.where(images_for(game, 10) > 0, 1, -1).astype(np.float32)
    x[:, :, :4], x[:, :, 4:] = -1, 1  # an edge, at which bicubic interpolation overshoots
    z = game.small(x)
    rows = game.looks.sheet(game, None, lambda n: x[:n]).reshape(4, 10, 8, 8, 1)
    assert np.abs(resample.bicubic(z, 4)).max() > 1
    pixels = np.kron(z[..., 0], np.ones((1, 4, 4)))[..., None]
    for row, expected in zip(rows, (pixels, resample.bicubic(z, 4).clip(-1, 1), game.generate(z), x), strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_stackgan_s_rows_name_the_digits_in_order_with_every_weight_and_lean():
    game = small_game("StackGAN", dict(size=8, width=2, latent_dim=5, caption_dim=3), "float32")
    words = game.looks.inputs(game, np.random.default_rng(0))[::10, -captions.LENGTH :].astype(int)
    said = {tuple(captions.numbers(np.array([traits]))[0]): traits for traits in captions.SENTENCES.values()}
    weights, digits, leans = zip(*(said[tuple(row)] for row in words.tolist()), strict=True)
    assert digits == tuple(range(10))
    assert set(weights) == set(leans) == {0, 1, 2, 3}


def kinds(network):
    return " ".join(type(layer).__name__ for layer in network.stack)


def test_dcgan_s_layers_stand_in_their_order():
    game = games.DCGAN(size=8, width=2, dropout=0.2, rng=np.random.default_rng(0))
    assert kinds(game.generator) == ("Dense LeakyReLU BatchNorm Reshape ResizeConv2D BatchNorm LeakyReLU ResizeConv2D Tanh")
    assert [layer.slope for layer in game.discriminator.stack if isinstance(layer, layers.LeakyReLU)] == [0.2] * 2
    assert all(
        layer.weight_norm
        for net in games.DCGAN(size=8, width=2, norm="weight", rng=np.random.default_rng(0)).networks().values()
        for layer in net.stack
        if isinstance(layer, layers.Linear)
    )


def test_began_s_generator_ends_in_tanh():
    game = games.BEGAN(size=8, width=2, rng=np.random.default_rng(0))
    assert kinds(game.generator).endswith("Conv2D Tanh")
    assert kinds(game.discriminator).endswith("ELU Conv2D")


def test_lsgan_has_30_categories():
    assert games.LSGAN(size=8, width=2, rng=np.random.default_rng(0)).categories == 30


def test_the_networks_of_vanilla_variants_are_those_described():
    dense, shallow, minimal = (
        games.VanillaGAN(variant=name, rng=np.random.default_rng(0)) for name in ("dense", "shallow", "minimal")
    )
    rates = [layer.threshold / 2**16 for layer in dense.discriminator.stack if isinstance(layer, layers.Dropout)]
    np.testing.assert_allclose(rates, 0.3, atol=1e-5)
    assert abs(dense.discriminator.stack[1].w.data.std() - 0.02) < 2e-4
    for network in shallow.networks().values():
        for layer in network.stack:
            if isinstance(layer, layers.Dense) and layer.w.size > 1000:
                assert abs(layer.w.data.std() - 0.01) < 2e-4
    recipe = lambda game: (game.lr, game.d_lr, game.beta1, game.latent_dim, game.batch_size, game.losses.weight)
    assert recipe(dense) == (1e-3, 2.5e-4, 0.5, 10, 128, 0.5)
    assert recipe(shallow) == (2e-3, 5e-4, 0.5, 128, 100, 1)
    assert recipe(minimal) == (0.01, 0.01, 0.9, 100, 100, 1)


def test_a_variant_s_d_has_the_given_rate_unless_it_has_its_own():
    rates = lambda **given: [
        optimizer.rate
        for game in [games.VanillaGAN(**given, rng=np.random.default_rng(0))]
        for optimizer in (game.g_optimizer, game.d_optimizer)
    ]
    assert rates() == [1e-3, 2.5e-4]
    assert rates(lr=1.0) == [1, 1]
    assert rates(d_lr=1.0) == [1e-3, 1]
    assert rates(lr=2.0, d_lr=1.0) == [2, 1]


def test_weight_normed_dcgan_may_be_played_with_single_images():
    game = games.DCGAN(size=8, width=2, norm="weight", rng=np.random.default_rng(0))
    assert np.isfinite(list(game.step(np.zeros((1, 8, 8, 1), np.float32)).values())).all()


@pytest.mark.parametrize("name", ["DCGAN", "StackGAN"])
def test_each_of_d_s_steps_needs_two_images(name):
    game = small_game(name, dict(size=8, width=2, latent_dim=5, d_steps=2) | ({"categories": 2} if name == "DCGAN" else {}))
    with refused("at least 2 images for each step"):
        game.step(images_for(game, 2), labels_for(game, 2))


def test_sgan_s_networks_are_as_described():
    game = games.SGAN(width=8, rng=np.random.default_rng(0))
    assert [layer.std for layer in game.discriminator.stack if isinstance(layer, layers.GaussianNoise)] == [0.3] + [0.5] * 5
    assert [layer.outputs for layer in game.discriminator.stack if isinstance(layer, layers.Dense)] == [16, 8, 4, 4, 4, 10]
    assert (game.lr, game.lr_steps, game.batch_size) == (2e-3, 6000, 128)


def test_sgan_s_supervised_step_sees_what_its_step_sees():
    game, seen = small_game("SGAN", dict(size=8, width=24), "float32"), []
    original = game.discriminate
    game.discriminate = lambda images: seen.append(images.data) or original(images)
    x = images_for(game)
    game.supervised_step(x, np.arange(6))
    np.testing.assert_allclose(seen[0], (x + 1) / 2, rtol=1e-6)


def test_labels_are_split_with_their_images():
    shares = list(split(np.arange(6), np.arange(6), 3))
    for images, labels in shares:
        np.testing.assert_array_equal(images, labels)
    assert [labels.tolist() for _, labels in shares] == [[0, 3], [1, 4], [2, 5]]


def test_acgan_s_classes_are_those_it_was_taught():
    game = small_game("ACGAN", dict(size=8, width=4, latent_dim=5), "float32")
    x = images_for(game)
    np.testing.assert_array_equal(game.classify(x), game.outputs(x)[:, 1:].argmax(1))
    game.discriminator.parameters()[-1].data[:2] = 1e6, 9e5
    np.testing.assert_array_equal(game.classify(x), np.zeros(6))


@pytest.mark.parametrize("name", ["ACGAN", "ConditionalSGAN"])
def test_no_class_is_called_minus_one(name):
    game = games.build(name, dict(size=8, width=8), np.random.default_rng(0))
    with refused(f"{name}.asking", "0 … 9"):
        game.asking(game.noise(2), np.array([3, -1]))


def test_a_game_of_float64_draws_images_of_float32():
    for name in ("DCGAN", "CycleGAN"):
        game = games.build(name, dict(size=8, width=2, dtype="float64"), np.random.default_rng(0))
        x = game.sample(2) if name == "DCGAN" else game.translate(np.zeros((2, 8, 8, 3)))
        assert x.dtype == np.float32


def test_each_discriminator_has_a_buffer_of_its_own():
    game = games.CycleGAN(size=8, width=1, blocks=1, rng=np.random.default_rng(0))
    assert game.fakes_x is not game.fakes_y
    game.fakes_y.exchanged(np.ones((2, 8, 8, 3), np.float32))
    assert (int(game.fakes_y.filled), int(game.fakes_x.filled)) == (2, 0)


def test_patch_discriminators_have_leaky_relus():
    game = games.CycleGAN(size=8, width=1, blocks=1, rng=np.random.default_rng(0))
    assert kinds(game.d_y) == ("GaussianNoise Conv2D LeakyReLU Conv2D BatchNorm LeakyReLU Conv2D BatchNorm LeakyReLU Conv2D")
    assert {layer.slope for layer in game.d_x.stack if isinstance(layer, layers.LeakyReLU)} == {0.2}


def test_only_images_are_translated():
    game = games.CycleGAN(size=8, width=1, blocks=1, rng=np.random.default_rng(0))
    for value in (2.0, np.nan):
        with refused("CycleGAN.translate", "[-1, 1]"):
            game.translate(np.full((1, 8, 8, 3), value, np.float32))


def test_cycada_s_classifier_reads_each_image_by_itself():
    game = games.CyCADA(size=28, width=1, blocks=1, rng=np.random.default_rng(0))
    assert not any(layer.training for layer in game.classifier.all_layers())
    assert all(layer.training for layer in game.student.all_layers())


def test_the_mixtures_are_those_of_the_papers():
    ring, grid = games.mixture.MIXTURES["ring"], games.mixture.MIXTURES["grid"]
    assert (ring.sigma, grid.sigma) == (0.01, 0.05)
    np.testing.assert_allclose(np.hypot(*ring.centres.T), 1)
    assert (len(ring.centres), len(grid.centres)) == (8, 25)
    assert (ring.scale, grid.scale) == (1, 4)
    assert games.mixture.Mixture(np.array([[-3.0, 1.0]]), 1.0).scale == 3
    for kind in (games.MixtureGAN, games.MixtureLSGAN):
        game = kind(rng=np.random.default_rng(0))
        assert (game.pack, game.lr_hold, game.batch_size, game.looks.n) == (2, 0, 512, 2500)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("SRGAN", 10),
        ("StackGAN", 10),
        ("BEGAN", 10),
        ("CycleGAN", 10),
        ("ACGAN", 10),
        ("ConditionalSGAN", 10),
        ("SGAN", 5),
        ("MixtureGAN", 5),
    ],
)
def test_rows_of_sheets_are_as_long_as_documented(name, columns):
    assert GAMES[name](rng=np.random.default_rng(0)).looks.columns == columns


def test_recipes_of_single_games():
    game = {name: GAMES[name](rng=np.random.default_rng(0)) for name in ("StackGAN", "ACGAN", "ConditionalSGAN", "SRGAN")}
    assert [game["StackGAN"].g_optimizer.rate, game["StackGAN"].d_optimizer.rate] == [2e-3, 1e-3]
    assert [game["ACGAN"].g_optimizer.rate, game["ACGAN"].d_optimizer.rate] == [5e-4, 5e-4]
    assert (game["ACGAN"].dropout, game["ACGAN"].categories, game["ACGAN"].average) == (0.3, 0, None)
    assert game["ConditionalSGAN"].average == 0.999
    assert game["SRGAN"].beta1 == 0.9
    with refused("objective non-saturating, got 'feature matching'"):
        games.ConditionalSGAN(objective="feature matching", rng=np.random.default_rng(0))


def test_labels_are_one_number_each():
    game = small_game("ACGAN", dict(size=8, width=2))
    with refused("6 integer labels", "(6, 1)"):
        game.step(images_for(game), np.zeros((6, 1), int))


def test_g_is_not_right_where_d_is_undecided():
    assert games.crossentropy.CrossEntropy().g_figures(np.zeros((2, 1)), None) == {"g_accuracy": 0}
