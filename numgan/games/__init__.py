"""The games: one file each, written to read like its paper.

Read game.py first, for what a run needs from any game; then gan.py, the algorithm of all these games.
"""

from ..errors import InputError
from .acgan import ACGAN
from .began import BEGAN
from .conditional import ConditionalSGAN
from .cycada import CyCADA
from .cyclegan import CycleGAN
from .dcgan import DCGAN
from .fixmatch import FixMatchSGAN
from .game import Game
from .gan import GAN
from .images import ImageGAN
from .lsgan import LSGAN
from .mixture import MixtureGAN, MixtureLSGAN
from .sgan import SGAN
from .srgan import SRGAN
from .stackgan import StackGAN
from .vanilla import VanillaGAN

GAMES = {game.__name__: game for game in (VanillaGAN, DCGAN, LSGAN, SGAN, FixMatchSGAN, ConditionalSGAN, ACGAN, BEGAN,
                                          SRGAN, StackGAN, CycleGAN, CyCADA, MixtureGAN, MixtureLSGAN)}


def build(name, settings, rng):
    """Build the game with this name and these settings (a dict of keyword arguments), as a checkpoint records them.

    To load a game of your own, put its class into GAMES. Raises InputError if the name is unknown.
    """
    if name not in GAMES:
        raise InputError(f"unknown game {name!r}: expected one of {', '.join(GAMES)}; a game of your own must be in "
                         "numgan.games.GAMES before its checkpoints can be loaded")
    return GAMES[name](**settings, rng=rng)


__all__ = ["GAMES", "GAN", "Game", "ImageGAN", "build", *GAMES]
