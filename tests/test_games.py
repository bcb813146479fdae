"""Every game × every property of game_properties.py, and the games' interface."""

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, games

from .game_properties import GAMES, INSTANCES, images_for, play, small_game

VARIANTS = [(name, settings) for name, variants in GAMES.items() for settings, _ in variants]


def label(value):
    return getattr(value, "__name__", None) or (value if isinstance(value, str) else None) or (
        " ".join(map(str, value.values())) if isinstance(value, dict) else "")


@pytest.mark.parametrize(("holds", "name", "settings", "losses"), INSTANCES, ids=label)
def test_property(holds, name, settings, losses):
    holds(name, settings, losses)


def test_every_game_of_the_package_is_under_test():
    assert GAMES.keys() == games.GAMES.keys()


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=label)
def test_interface(name, settings):
    game = small_game(name, settings, "float32", dropout=True)
    metrics = play(game, 4)
    assert {"d_loss", "g_loss", "d_real", "d_fake"} <= metrics.keys()
    assert {name for names in game.panels.values() for name in names} | set(game.shown.values()) <= metrics.keys()
    images = game.sample(3)
    assert images.shape == (3, *game.image_shape)
    assert images.dtype == np.float32
    assert images.min() < images.max()
    assert np.abs(images).max() <= 1 or game.image_shape == (2,)
    again = [game.sample(2, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*again)
    rebuilt = games.build(name, game.settings, np.random.default_rng(0))
    assert rebuilt.settings == game.settings
    assert rebuilt.state().keys() == game.state().keys()


def test_full_size_interface():
    for game in games.GAMES.values():
        played = game(rng=np.random.default_rng(0))
        play(played, 4)
        assert played.sample(2).shape == (2, *played.image_shape)


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
    network = getattr(small_game("DCGAN", dict(size=8, width=2, latent_dim=5)), player)
    x = np.random.default_rng(0).standard_normal((3, *network.input_shape))
    assert ng.gradcheck(network, x, tolerance=1e-6) > 0


def test_equilibrium_is_where_the_papers_put_it():
    ln2 = np.log(2)
    for game, expected in ((games.VanillaGAN(variant="minimal", rng=np.random.default_rng(0)), (2 * ln2, ln2)),
                           (small_game("DCGAN", dict(size=8, width=2)), (ln2, ln2)),
                           (small_game("DCGAN", dict(size=8, width=2, objective="saturating")), (ln2, -ln2)),
                           (small_game("LSGAN", dict(size=8, width=2)), (0.5, 0.25))):
        lines = game.equilibrium()
        np.testing.assert_allclose((lines["d_loss"], lines["g_loss"]), expected)


def test_d_steps_use_each_image_once():
    game, seen = small_game("DCGAN", dict(size=8, width=2, d_steps=3)), []
    original = game.d_step
    game.d_step = lambda fake, minibatch: seen.append(minibatch.real.data) or original(fake, minibatch)
    batch = images_for(game, 6)
    game.step(batch)
    assert [len(real) for real in seen] == [2, 2, 2]
    np.testing.assert_allclose(np.concatenate(seen), batch)
    assert game.d_optimizer.t == 3
    assert game.g_optimizer.t == 1


@pytest.mark.parametrize(("options", "name"), [
    (dict(objective="wasserstein"), "objective"), (dict(d_steps=0), "d_steps"), (dict(d_steps=1.5), "d_steps"),
    (dict(real_label=0.5), "real_label"), (dict(real_label=1.1), "real_label"), (dict(lr=-1.0), "lr"),
    (dict(beta1=1.0), "beta1"), (dict(width=0), "integer"), (dict(size=30), "multiple of 4")])
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
    with pytest.raises(InputError, match="objective"):
        games.LSGAN(objective="saturating", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="unknown game"):
        games.build("WGAN", {}, np.random.default_rng(0))
    with pytest.raises(InputError, match="variant"):
        games.VanillaGAN(variant="huge", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="sample"):
        small_game("DCGAN", dict(size=8, width=2)).sample(0)
