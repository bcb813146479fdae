"""Images at another size: smaller by averages, larger by cubic interpolation. Arrays, no gradients.

Both are linear and treat rows and columns alike: with a matrix R from old to new positions, an image X becomes R X Rᵀ.
Read games/game.py next.
"""

import numpy as np

from .errors import InputError


def shrink(images, factor):
    """The mean of each block of factor × factor pixels: (n, factor·h, factor·w, C) -> (n, h, w, C)."""
    n, height, width, channels = images.shape
    if factor < 1 or height % factor or width % factor:
        raise InputError(f"shrink: expected images whose height and width {factor} divides, got {images.shape}")
    return images.reshape(n, height // factor, factor, width // factor, factor, channels).mean((2, 4))


def bicubic(images, factor):
    """Cubic interpolation (Keys 1981, with a = -1/2): (n, h, w, C) -> (n, factor·h, factor·w, C), of the same dtype.

    Between pixels, which are points at the centres of their squares, it is exact for quadratic functions. Beyond the border,
    the pixels there are repeated. Next to edges it overshoots the range of its input.
    """
    if not (np.ndim(images) == 4 and factor >= 1):
        raise InputError(f"bicubic: expected images (n, h, w, C) and a factor >= 1, got {np.shape(images)} and {factor}")
    rows, columns = (interpolation(size, factor).astype(images.dtype) for size in images.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", rows, images, columns, optimize=True)


def interpolation(size, factor):
    """The matrix (factor·size, size) of weights that each new position gives to the old ones; rows add up to 1."""
    centres = (np.arange(factor * size) + 0.5) / factor - 0.5  # of the new pixels, in the old pixels' coordinates
    taps = np.floor(centres).astype(int)[:, None] + np.arange(-1, 3)  # the four old pixels around each
    matrix = np.zeros((factor * size, size))
    np.add.at(matrix, (np.arange(factor * size)[:, None], taps.clip(0, size - 1)), keys(centres[:, None] - taps))
    return matrix


def keys(s):
    """The kernel of Keys 1981, eq. 15, at distance s in pixels."""
    s = np.abs(s)
    return np.where(s <= 1, (1.5 * s - 2.5) * s**2 + 1, np.where(s < 2, ((-0.5 * s + 2.5) * s - 4) * s + 2, 0))
