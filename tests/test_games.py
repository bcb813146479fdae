"""Every game × every property of proof/games.py, and the games' interface."""

from dataclasses import fields

import numpy as np
import pytest

import numgan as ng
from numgan import Adam, Dense, InputError, Layer, Residual, Sequential, Tensor, games
from numgan.network import evaluate

from .proof import asking, cycles, fixmatch
from .proof.games import INSTANCES, codes_for, images_for, labels_for, play, small_game, snapshot
from .proof.papers import GAMES, SMALL

VARIANTS = [(name, settings) for name, variants in GAMES.items() for settings, _ in variants]


def label(value):
    return getattr(value, "__name__", None) or (value if isinstance(value, str) else None) or (
        " ".join(map(str, value.values())) if isinstance(value, dict) else "")


@pytest.mark.parametrize(("holds", "name", "settings", "losses"), INSTANCES, ids=label)
def test_property(holds, name, settings, losses):
    holds(name, settings, losses)


def test_every_game_of_the_package_is_under_test():
    assert {*GAMES, "CycleGAN", "CyCADA"} == games.GAMES.keys()  # test_cyclegan.py


OTHER = {  # another value of each setting
    "dtype": "float32", "latent_dim": 6, "d_steps": 2, "lr": 5e-3, "d_lr": 7e-3, "beta1": 0.3, "lr_steps": 7, "lr_hold": 0.25,
    "average": 0.1, "size": 12, "channels": 3, "width": 26, "norm": "weight", "dropout": 0.2, "categories": 4, "real_label":
    0.7, "variant": "shallow", "gamma": 0.5, "k_step": 0.2, "adversarial": 0.5, "blocks": 2, "stage": 2, "caption_dim": 4, "kl":
    0.5, "scale": 2.0, "pack": 3, "cycle": 3.0, "identity": 0.5, "warm_up": 5, "noise": 0.5, "semantic": 1.0}
OBJECTIVES = {"SGAN": "non-saturating", "FixMatchSGAN": "non-saturating", "SRGAN": "mse"}
WITHOUT = {("SRGAN", "latent_dim"), ("ConditionalSGAN", "objective")}  # settings that have no effect, or one value only


def played(name, settings):
    """All that a step of a small game changed, and what its optimisers will do."""
    if name in GAMES:
        game = small_game(name, settings, settings["dtype"], dropout=True)
        play(game, 12)
    else:
        game = cycles.small_game(kind=games.GAMES[name], **settings)
        if name == "CyCADA":
            cycles.readers(game)
        game.step(cycles.images(3, game, 1), cycles.images(3, game, 2))
    optimizers = [part for part in vars(game).values() if isinstance(part, Adam)]
    for optimizer in optimizers:
        optimizer.t[...] = 6
    return ({key: array.tobytes() for key, array in game.state().items()},
            [(optimizer.beta1, optimizer.rate) for optimizer in optimizers])


@pytest.mark.parametrize("name", games.GAMES)
def test_every_setting_has_an_effect(name):
    settings = (GAMES[name][0][0] if name in GAMES else {}) | {"dtype": "float64", "lr_steps": 8}
    usual, others = played(name, settings), OTHER | {"objective": OBJECTIVES.get(name, "saturating")}
    for field in fields(games.GAMES[name]):
        if field.name != "rng" and (name, field.name) not in WITHOUT:
            other = others[field.name] if others[field.name] != settings.get(field.name) else field.default
            changed = played(name, settings | {field.name: other}) != usual
            assert changed, f"{field.name} = {other!r} changes nothing"


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=label)
def test_interface(name, settings):
    game = small_game(name, settings, "float32", dropout=True)
    metrics = play(game)
    assert {"d_loss", "g_loss", "d_real", "d_fake"} <= metrics.keys()
    shown = {name for names in game.looks.panels.values() for name in names}
    assert shown | set(game.looks.progress.values()) | game.looks.references.keys() <= metrics.keys()
    images = game.generate(codes_for(game, 3))
    assert images.shape == (3, *game.image_shape)
    assert images.dtype == np.float32
    assert images.min() < images.max()
    assert np.abs(images).max() <= 1 or game.image_shape == (2,)
    again = [game.generate(codes_for(game, 2, seed=5)) for _ in range(2)]
    assert np.array_equal(*again)
    rebuilt = games.build(name, game.settings, np.random.default_rng(0))
    assert rebuilt.settings == game.settings
    assert rebuilt.state().keys() == game.state().keys()


def test_full_size_interface():
    for game in map(games.GAMES.get, GAMES):
        played = game(rng=np.random.default_rng(0))
        play(played, 4)
        assert played.generate(codes_for(played, 2)).shape == (2, *played.image_shape)


@pytest.mark.parametrize(("make", "generator", "discriminator"), [
    (games.DCGAN, (865_281, 852_609), 212_865), (games.LSGAN, (865_281, 852_609), 212_865),
    (lambda rng: games.VanillaGAN(variant="dense", rng=rng), (1_463_312, 1_463_312), 1_460_225),
    (lambda rng: games.VanillaGAN(variant="shallow", rng=rng), (234_512, 234_512), 201_217),
    (lambda rng: games.VanillaGAN(variant="minimal", rng=rng), (114_064, 114_064), 100_609)])
def test_parameter_counts(make, generator, discriminator):
    game = make(rng=np.random.default_rng(0))
    counted = sum(a.size for a in game.generator.state().values()), sum(p.size for p in game.generator.parameters())
    assert counted == generator
    assert sum(a.size for a in game.discriminator.state().values()) == discriminator


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_difference_quotients_agree_through_a_whole_network(player):
    network = getattr(small_game("DCGAN", dict(size=8, width=2, latent_dim=5, categories=2)), player)
    x = np.random.default_rng(0).standard_normal((3, *network.input_shape))
    assert ng.gradcheck(network, x, tolerance=1e-6) > 0


def test_equilibrium_is_where_the_papers_put_it():
    ln2 = np.log(2)
    for game, expected in ((games.VanillaGAN(variant="minimal", rng=np.random.default_rng(0)), (2 * ln2, ln2)),
                           (small_game("DCGAN", dict(size=8, width=2)), (ln2, ln2)),
                           (small_game("DCGAN", dict(size=8, width=2, objective="saturating")), (ln2, -ln2)),
                           (games.VanillaGAN(variant="dense", rng=np.random.default_rng(0)), (0.6881388, 0.7985077)),
                           (small_game("LSGAN", dict(size=8, width=2, real_label=0.8)), (0.32, 0.36)),
                           (small_game("LSGAN", dict(size=8, width=2)), (0.5, 0.25))):
        lines = game.looks.references
        np.testing.assert_allclose((lines["d_loss"], lines["g_loss"]), expected)


def test_d_steps_use_each_image_once():
    game, seen = small_game("DCGAN", dict(size=8, width=2, d_steps=3)), []
    original = game.d_step
    game.d_step = lambda batch, fake: seen.append(batch.real.data) or original(batch, fake)
    batch = images_for(game, 6)
    game.step(batch)
    assert [len(real) for real in seen] == [2, 2, 2]
    np.testing.assert_allclose(np.stack(seen, 1).reshape(batch.shape), batch)
    assert game.d_optimizer.t == 3
    assert game.g_optimizer.t == 1


@pytest.mark.parametrize(("options", "name"), [
    (dict(objective="wasserstein"), "objective"), (dict(d_steps=0), "d_steps"), (dict(d_steps=1.5), "d_steps"),
    (dict(real_label=0.5), "real_label"), (dict(real_label=1.1), "real_label"), (dict(lr=-1.0), "lr"),
    (dict(beta1=1.0), "beta1"), (dict(width=0), "integer"), (dict(size=30), "^DCGAN: expected a size .* multiple of 4"),
    *((dict(dtype=wrong), "DCGAN: expected dtype float32 or float64") for wrong in ("float16", "int32", None)),
    *((dict(categories=wrong), "categories") for wrong in (-1, 2.5, True, 100))])
def test_options_out_of_range(options, name):
    with pytest.raises(InputError, match=name) as caught:
        games.DCGAN(rng=np.random.default_rng(0), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (3, 8, 8, 1), (4, 8, 8), (4, 28, 28, 1)])
def test_batches_that_do_not_fit(shape):
    game = small_game("DCGAN", dict(size=8, width=2, d_steps=2))
    with pytest.raises(InputError, match="step"):
        game.step(np.zeros(shape, np.float32))


def test_unknown_names():
    with pytest.raises(InputError, match="unknown game"):
        games.build("WGAN", {}, np.random.default_rng(0))
    with pytest.raises(InputError, match="variant"):
        games.VanillaGAN(variant="huge", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="sample"):
        small_game("DCGAN", dict(size=8, width=2)).sample(0)


# --- What single games add


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgan_reads_what_it_was_taught_and_alone_it_is_a_mere_classifier(dtype):
    game, rng = small_game("SGAN", dict(size=8, width=24, lr=1e-2), dtype), np.random.default_rng(0)
    images, labels = rng.uniform(-1, 1, (20, 8, 8, 1)).astype(np.float32), np.arange(20) % 10
    before = {name: array.copy() for name, array in game.generator.state().items()}
    losses = [game.supervised_step(images, labels)["d_loss"] for _ in range(60)]
    assert losses[-1] < 0.1 < 1 < losses[0]
    np.testing.assert_array_equal(game.classify(images), labels)
    assert all(np.array_equal(before[name], array) for name, array in game.generator.state().items())


@pytest.mark.parametrize("holds", fixmatch.SGAN + fixmatch.PROPERTIES + asking.PROPERTIES, ids=lambda holds: holds.__name__)
def test_sgan_fixmatch_and_games_that_are_asked_for_a_class(holds):
    holds()


@pytest.mark.parametrize("name", ["SGAN", "FixMatchSGAN", "ConditionalSGAN"])
@pytest.mark.parametrize("labels", [np.arange(6), np.full(6, -1)])
def test_sgan_needs_labelled_and_unlabelled_images(labels, name):
    game = small_game(name, dict(size=8, width=24))
    with pytest.raises(InputError, match=rf"^{name}\.step: expected labelled and unlabelled"):
        game.step(images_for(game), labels)


@pytest.mark.parametrize("labels", [None, np.arange(5), np.zeros(6)])
def test_games_of_labelled_images_need_an_integer_label_for_each(labels):
    game = small_game("ACGAN", dict(size=8, width=2))
    with pytest.raises(InputError, match="6 integer labels"):
        game.step(images_for(game), labels)


def test_a_network_that_refused_its_input_is_in_training_mode_again():
    game = small_game("DCGAN", SMALL | dict(categories=2))
    with pytest.raises(InputError):
        game.generate(np.zeros((2, 99)))
    assert game.generator.training
    assert game.generate(np.zeros((0, 5))).shape == (0, 8, 8, 1)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_images_that_are_not_finite_are_refused(bad):
    game = small_game("DCGAN", SMALL | dict(categories=2))
    images = images_for(game)
    images[1, 2, 3] = bad
    before = snapshot(game.discriminator)
    with pytest.raises(InputError, match="finite"):
        game.step(images)
    assert all(np.array_equal(before[name], array) for name, array in game.discriminator.state().items())


def bad_batches(game, name):
    """Batches that no game, or not this one, can be played with."""
    x, labels = images_for(game), labels_for(game)
    for wrong in (x[0], x[:0], x[..., :-1] if name.startswith("Mixture") else x[..., 0], (x * 0).astype(np.uint8), x.tolist(),
                  np.where(x == x.max(), np.nan, x), x + np.inf):
        yield wrong, labels
    if not name.startswith("Mixture"):
        yield x * 2, labels
        yield np.rint((x + 1) * 127.5).astype(np.uint8), labels
    if game.d_steps > 1 or game.settings.get("pack", 1) > 1:
        yield x[:5], labels[:5]
    if name == "ACGAN" or isinstance(game, games.SGAN):
        for wrong in (None, labels[:-1], labels * 1.0, labels + 10, np.full(len(x), -1)):
            yield x, wrong
    if isinstance(game, games.SGAN):
        yield x, np.abs(labels)
    if name == "StackGAN":
        for wrong in (None, labels[:-1], labels[:, :-1], labels[:, 0], labels * 1.0, labels - labels.max() - 1, labels + 21):
            yield x, wrong
        yield x[:game.d_steps], labels[:game.d_steps]


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=label)
def test_a_bad_batch_is_refused_before_a_player_moves_or_a_number_is_drawn(name, settings):
    game = small_game(name, settings, dropout=True)
    before = {key: array.copy() for key, array in game.state().items()}
    drawn = str(game.rng.bit_generator.state)
    for images, labels in bad_batches(game, name):
        with pytest.raises(InputError) as caught:
            game.step(images, labels)
        assert "\n" not in str(caught.value)
        assert str(game.rng.bit_generator.state) == drawn
        assert all(np.array_equal(before[key], array) for key, array in game.state().items())


def test_sgan_s_every_step_of_d_has_labelled_and_unlabelled_images():
    game = small_game("SGAN", SMALL | dict(width=24, d_steps=2))
    labels = [1, 2, 3, 4, -1, -1, -1, -1]
    assert np.isfinite(game.step(images_for(game, 8), labels)["d_loss"])


def test_sgan_s_supervised_steps_have_its_learning_rates():
    game, rates = small_game("SGAN", SMALL | dict(width=24, lr=0.1, lr_steps=4), "float32"), []
    for _ in range(5):
        rates.append(game.d_optimizer.rate)
        game.supervised_step(images_for(game), np.arange(6))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.05, 0])


@pytest.mark.parametrize("average", [0.2, 0.9])
def test_samples_are_drawn_with_the_moving_average_of_g_s_weights(average):
    game = small_game("DCGAN", SMALL | dict(average=average, categories=2))
    z = game.latent(3, np.random.default_rng(0))
    expected = snapshot(game.g_average.network)
    for share in (2 / 11, 3 / 12, 4 / 13):
        play(game)
        own, share = game.generator.state(), min(share, average)
        expected = {name: share * mean + (1 - share) * own[name] for name, mean in expected.items()}
    for name, mean in game.g_average.network.state().items():
        np.testing.assert_allclose(mean, expected[name], rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(mean, game.state()[f"g_average.{name}"])
    drawn = game.generate(z)
    game.generator.load_state(expected)
    game.generator.eval()
    np.testing.assert_allclose(drawn, game.generator(z).data, rtol=1e-5, atol=1e-6)


def test_sgan_s_learning_rate_falls_in_the_second_half():
    game = small_game("SGAN", dict(size=8, width=24, lr=0.1, lr_steps=4))
    seen = []
    for _ in range(6):
        seen.append((game.d_optimizer.rate, game.g_optimizer.rate))
        play(game)
    np.testing.assert_allclose(seen, [[lr, lr] for lr in (0.1, 0.1, 0.1, 0.05, 0, 0)])


def test_began_s_k_keeps_its_balance_and_stays_in_its_range():
    game = small_game("BEGAN", dict(size=8, width=2, gamma=0.7, k_step=0.1))
    for _ in range(5):
        k = game.k.item()
        row = play(game)
        balance = 0.7 * row["d_real"] - row["g_loss"]
        assert row["k"] == pytest.approx(min(max(k + 0.1 * balance, 0), 1))
        assert row["k"] == game.k.item() != k
        assert row["convergence"] == pytest.approx(row["d_real"] + abs(balance))
    game.k[...] = 1
    game.k_step = 1
    game.gamma = 1e6
    assert play(game)["k"] == 1
    game.gamma = -1e6
    assert play(game)["k"] == 0


def test_began_reconstructs_in_the_range_of_images():
    game = small_game("BEGAN", dict(size=8, width=2), "float32")
    x = images_for(game)
    np.testing.assert_allclose(game.reconstruct(x), game.discriminator(x).data.clip(-1, 1), rtol=1e-5, atol=1e-6)
    assert np.abs(game.discriminator(100 * x).data).max() > 1 == np.abs(game.reconstruct(100 * x)).max()


@pytest.mark.parametrize(("game", "options", "name"), [
    (games.DCGAN, dict(lr_steps=0), "lr_steps"), (games.LSGAN, dict(average=1), "average"),
    (games.DCGAN, dict(average=0), "average"),
    (games.BEGAN, dict(size=30), "multiple of 4"),
    (games.BEGAN, dict(gamma=0), "gamma"),
    (games.BEGAN, dict(k_step=2), "k_step")])
def test_options_of_single_games_out_of_range(game, options, name):
    with pytest.raises(InputError, match=name):
        game(rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize(("at_once", "pack", "rows"), [
    (0, 1, [1] * 9), (83, 1, [2, 2, 2, 2, 1]), (84, 1, [3, 3, 3]), (10**9, 1, [9]), (0, 3, [3, 3, 3]), (168, 3, [6, 3])])
def test_a_network_is_evaluated_on_as_many_rows_as_fit(monkeypatch, at_once, pack, rows):
    """4 + 3 values of 4 bytes for each row: those inside a residual block count, too."""
    monkeypatch.setattr("numgan.network.AT_ONCE", at_once)
    network = Sequential(Residual(Dense(2)), Dense(3), input_shape=(2,), rng=np.random.default_rng(0))
    x, seen = np.random.default_rng(1).standard_normal((9, 2)).astype(np.float32), []
    y = evaluate(network, x, lambda x: seen.append(len(x)) or network(x)[::pack], pack)
    assert seen == rows
    np.testing.assert_allclose(y, network(Tensor(x)).data[::pack], rtol=1e-6)


def test_at_most_1000_rows_are_evaluated_at_a_time():
    """However few values they have: the network may hold others that numgan does not know of."""
    seen = []
    evaluate(Layer(), np.zeros((1001, 1), np.float32), lambda x: seen.append(len(x)) or x)
    assert seen == [1000, 1]
