"""A game's images, their size and channels; and the length of its codes. Read dcgan.py next."""

from dataclasses import dataclass

from ..errors import InputError
from .gan import GAN


@dataclass(kw_only=True, eq=False, repr=False)
class ImageGAN(GAN):
    """A GAN of square images. `build` makes networks for the shape that `checked_shape` returns.

    size      height and width of the images, a multiple of `size_step`
    channels  1 for grey images, 3 for colour
    """

    size: int = 28
    channels: int = 1

    size_step = 1

    @property
    def code_dim(self):
        """How many numbers a code has, the input of G: latent_dim, and more if codes also say what to draw."""
        return self.latent_dim

    def checked_shape(self):
        """(size, size, channels). InputError if the game has no networks for such images."""
        if not (isinstance(self.size, int) and self.size >= 1 and self.size % self.size_step == 0):
            raise InputError(f"expected a size (a script's --size) that is a positive multiple of {self.size_step}, "
                             f"got {self.size!r}")
        if not (isinstance(self.channels, int) and self.channels in (1, 3)):
            raise InputError(f"expected 1 or 3 channels, got {self.channels!r}")
        return self.size, self.size, self.channels
