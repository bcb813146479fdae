"""Pictures of another size: a pixel becomes the mean of the area that it covers, or lies on a smooth curve between pixels.

Both are linear, and the same for every row and every column: a matrix (new, old) for each axis. Its rows add up to 1.
Read matlab.py next.
"""

import functools

import numpy as np


def resampled(pixels, size):
    """Pictures of size × size pixels: uint8 (n, h, w, c) -> (n, size, size, c), rounded to the nearest byte.

    An axis is shrunk by `area`, and enlarged by `bicubic`.
    """
    n, h, w, c = pixels.shape
    if h == w == size:
        return pixels
    down, across = weights(h, size), weights(w, size)
    new = np.empty((n, size, size, c), np.uint8)
    chunk = max(1, 2**22 // (max(h, size) * max(w, size) * c))  # as floats, all of them might fill gigabytes
    for i in range(0, n, chunk):
        planes = pixels[i:i + chunk].transpose(0, 3, 1, 2).astype(np.float32)
        new[i:i + chunk] = np.rint((down @ planes @ across.T).clip(0, 255)).transpose(0, 2, 3, 1)
    return new


@functools.lru_cache(64)
def weights(old, new):
    """The matrix, float32 (new, old), that `resampled` applies to an axis."""
    return (area(old, new) if new < old else bicubic(old, new)).astype(np.float32)


def area(old, new):
    """Means of areas, (new, old): new pixel i covers the old ones from i · old/new to (i + 1) · old/new, parts included."""
    i, j = np.ogrid[:new, :old]
    return np.clip(np.minimum((i + 1) * old, (j + 1) * new) - np.maximum(i * old, j * new), 0, None) / old


def bicubic(old, new):
    """Cubic convolution (Keys 1981), (new, old): four old pixels around a new one's centre have a share in it.

    The centre of pixel i is at i + ½. Beyond the border, the outermost pixel is repeated.
    """
    centres = (np.arange(new) + 0.5) * (old / new) - 0.5
    matrix = np.zeros((new, old))
    for offset in range(-1, 3):
        neighbour = np.floor(centres).astype(int) + offset
        np.add.at(matrix, (np.arange(new), neighbour.clip(0, old - 1)), keys(np.abs(centres - neighbour)))
    return matrix


def keys(s):
    """Keys's kernel u at distances s >= 0, eq. 15 (a = -½): of all such kernels the one whose error falls with h³."""
    return np.where(s < 1, ((1.5 * s - 2.5) * s) * s + 1, np.where(s < 2, ((-0.5 * s + 2.5) * s - 4) * s + 2, 0))
