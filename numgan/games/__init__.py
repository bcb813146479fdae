"""The games: one file each, reading like its paper. gan.py first: the algorithm that all of them play."""

from ..errors import InputError
from .acgan import ACGAN
from .began import BEGAN
from .dcgan import DCGAN
from .gan import GAN
from .lsgan import LSGAN
from .mixture import MixtureGAN, MixtureLSGAN
from .sgan import SGAN
from .vanilla import VanillaGAN

GAMES = {game.__name__: game for game in (VanillaGAN, DCGAN, LSGAN, SGAN, ACGAN, BEGAN, MixtureGAN, MixtureLSGAN)}


def build(name, settings, rng):
    """The game of this name with its settings (a dict of keyword arguments), as a checkpoint records them."""
    if name not in GAMES:
        raise InputError(f"unknown game {name!r}: expected one of {', '.join(GAMES)}")
    return GAMES[name](**settings, rng=rng)


__all__ = ["ACGAN", "BEGAN", "DCGAN", "GAMES", "GAN", "LSGAN", "SGAN", "MixtureGAN", "MixtureLSGAN", "VanillaGAN", "build"]
