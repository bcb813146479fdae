"""A game's images, their size and channels; and the length of its codes. Read dcgan.py next."""

from dataclasses import dataclass

from ..errors import InputError
from .gan import GAN


@dataclass(kw_only=True, eq=False, repr=False)
class ImageGAN(GAN):
    """A GAN of square images.

    size      height and width of the images; a multiple of 4 if the networks have convolutions
    channels  1 for grey images, 3 for colour
    """

    size: int = 28
    channels: int = 1

    @property
    def code_dim(self):
        """How many numbers a code has, the input of G: latent_dim, and more if codes also say what to draw."""
        return self.latent_dim


def square_shape(size, channels, multiple):
    """The shape (size, size, channels). InputError unless size is a positive multiple of `multiple`, and channels 1 or 3."""
    if not (isinstance(size, int) and size >= 1 and size % multiple == 0):
        raise InputError(f"expected a size (a script's --size) that is a positive multiple of {multiple}, got {size!r}")
    if not (isinstance(channels, int) and channels in (1, 3)):
        raise InputError(f"expected 1 or 3 channels, got {channels!r}")
    return size, size, channels
