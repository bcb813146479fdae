"""Resizing images: shrinking takes the means of areas, enlarging uses cubic interpolation.

Both are linear and treat rows and columns alike: with a matrix R (new, old), whose rows add up to 1, an image X becomes R X Rᵀ.
Arrays, no gradients. Read matlab.py next.
"""

import functools

import numpy as np

from .errors import InputError, check_positive, described


def shrink(images, factor):
    """Means of blocks of factor × factor pixels: float (n, factor·h, factor·w, C) -> (n, h, w, C), of the same dtype."""
    _check("shrink", images, factor)
    if images.shape[1] % factor or images.shape[2] % factor:
        raise InputError(f"shrink: expected images whose height and width are divisible by {factor}, got {images.shape}")
    return _resized(images, images.shape[1] // factor, images.shape[2] // factor)


def bicubic(images, factor):
    """Cubic interpolation, see `cubic`: float (n, h, w, C) -> (n, factor·h, factor·w, C), of the same dtype.

    Next to edges it overshoots the range of its input.
    """
    _check("bicubic", images, factor)
    return _resized(images, images.shape[1] * factor, images.shape[2] * factor)


def resampled(pixels, size):
    """Pictures of size × size pixels: uint8 (n, h, w, C) -> (n, size, size, C), rounded to the nearest byte.

    An axis is shrunk by `area`, and enlarged by `cubic`.
    """
    n, h, w, c = pixels.shape
    if h == w == size:
        return pixels
    new = np.empty((n, size, size, c), np.uint8)
    chunk = max(1, 2**22 // (max(h, size) * max(w, size) * c))  # as floats, all of them might fill gigabytes
    for i in range(0, n, chunk):
        new[i:i + chunk] = np.rint(_resized(pixels[i:i + chunk].astype(np.float32), size, size).clip(0, 255))
    return new


def distorted(images, rng, *, slant=0.25, turn=0.15, stretch=0.12, bend=1.0):
    """Images as another hand might have drawn them: float (n, H, W, C) -> the same shape and dtype.

    Each is slanted, turned (by an angle in radians) and stretched about its centre, and bent smoothly, by distances in pixels
    (Simard, Steinkraus & Platt 2003, section 2). The options are the standard deviations of what `rng` draws. Pixels are
    interpolated linearly. Beyond the border, the outermost pixel is repeated.
    """
    _check("distorted", images, 1)
    n, h, w, _ = images.shape
    draw = lambda deviation, *shape: rng.normal(0, deviation, (n, *shape)).astype(images.dtype)
    angle, slope, across, down = draw(turn, 1, 1), draw(slant, 1, 1), np.exp(draw(stretch, 1, 1)), np.exp(draw(stretch, 1, 1))
    v, u = (line - (len(line.flat) - 1) / 2 for line in np.ogrid[:h, :w])
    wave = lambda: cubic(4, h).astype(images.dtype) @ draw(bend, 4, 4) @ cubic(4, w).astype(images.dtype).T
    x = across * (np.cos(angle) * u + (np.sin(angle) + slope) * v) + wave()
    y = down * (np.cos(angle) * v - np.sin(angle) * u) + wave()
    return _at(images, y + (h - 1) / 2, x + (w - 1) / 2)


def _at(images, y, x):
    """Image i at the points (y[i], x[i]), in pixels: (n, h, w, C), (n, H, W), (n, H, W) -> (n, H, W, C)."""
    def neighbours(position, size):
        position = position.clip(0, size - 1)
        before = position.astype(int)
        return (before, 1 - (position - before)), (np.minimum(before + 1, size - 1), position - before)

    i = np.arange(len(images)).reshape(-1, 1, 1)
    rows, columns = neighbours(y, images.shape[1]), neighbours(x, images.shape[2])
    new = sum(images[i, row, column] * (a * b)[..., np.newaxis] for row, a in rows for column, b in columns)
    return new.astype(images.dtype)


def _resized(images, height, width):
    down, across = weights(images.shape[1], height), weights(images.shape[2], width)
    planes = images.transpose(0, 3, 1, 2)
    return (down.astype(images.dtype) @ planes @ across.T.astype(images.dtype)).transpose(0, 2, 3, 1)


@functools.lru_cache(64)
def weights(old, new):
    """The matrix (new, old) for an axis."""
    return area(old, new) if new < old else cubic(old, new)


def area(old, new):
    """Means of areas, (new, old): new pixel i covers the old ones from i · old/new to (i + 1) · old/new, parts included."""
    i, j = np.ogrid[:new, :old]
    return np.clip(np.minimum((i + 1) * old, (j + 1) * new) - np.maximum(i * old, j * new), 0, None) / old


def cubic(old, new):
    """Cubic convolution (Keys 1981), (new, old): a new pixel is a sum of the four old ones around its centre.

    Pixels are points at the centres of their squares. Beyond the border, the outermost pixel is repeated. Elsewhere, quadratic
    functions are reproduced exactly.
    """
    centres = (np.arange(new) + 0.5) * (old / new) - 0.5
    matrix = np.zeros((new, old))
    for offset in range(-1, 3):
        neighbour = np.floor(centres).astype(int) + offset
        np.add.at(matrix, (np.arange(new), neighbour.clip(0, old - 1)), keys(np.abs(centres - neighbour)))
    return matrix


def keys(s):
    """The kernel of Keys 1981, eq. 15 (a = -1/2), at distances s >= 0 in pixels."""
    return np.where(s < 1, ((1.5 * s - 2.5) * s) * s + 1, np.where(s < 2, ((-0.5 * s + 2.5) * s - 4) * s + 2, 0))


def _check(name, images, factor):
    check_positive(name, factor=factor)
    if not (isinstance(images, np.ndarray) and images.ndim == 4 and images.dtype.kind == "f" and 0 not in images.shape[1:3]):
        raise InputError(f"{name}: expected images (n, h, w, C) of floats, got {described(images)}")
