"""Upsampling by copies and pixel shuffle, and resize-convolution computed at the small size, for speed. For a second reading.

Legend as in conv.py: x (N, H, W, C) images, w (kh, kw, C, F) kernels. Everything here is linear and composed of known ops:
there is nothing new to differentiate. Read residual.py next.
"""

import numpy as np

from .conv import conv2d, images
from .errors import InputError, check_positive
from .ops import broadcast_to, matmul, operands, reshape, transpose
from .tensor import Tensor


def upsample(x, factor=2):
    """Every pixel becomes factor × factor equal ones, (N, H, W, C) -> (N, factor·H, factor·W, C).

    So its gradient is the sum over each such block, as `broadcast_to` has it.
    """
    check_positive("upsample", factor=factor)
    n, h, w, c = images("upsample", x).shape
    blocks = broadcast_to(reshape(x, n, h, 1, w, 1, c), (n, h, factor, w, factor, c))
    return reshape(blocks, n, h * factor, w * factor, c)


def depth_to_space(x, block=2):
    """Channels become pixels: (N, H, W, block²·C) -> (N, block·H, block·W, C), channel (p, q, c) to pixel (p, q).

    Shi et al. 2016 ("pixel shuffle").
    """
    check_positive("depth_to_space", block=block)
    n, h, w, c = images("depth_to_space", x).shape
    if c % block**2:
        raise InputError(f"depth_to_space: expected a number of channels divisible by block² = {block**2}, got {x.shape}")
    blocks = reshape(x, n, h, w, block, block, c // block**2)
    return reshape(transpose(blocks, 0, 1, 3, 2, 4, 5), n, h * block, w * block, c // block**2)


def resize_conv2d(x, w):
    """conv2d(upsample(x, 2), w) with "same" padding, exactly, with 36 instead of 100 multiplications for a 5 × 5 kernel.

    (N, H, W, C), (kh, kw, C, F) -> (N, 2H, 2W, F); the figures are per pixel of x, channel and filter.
    Odena, Dumoulin & Olah 2016 for why to upsample like this.

    After doubling, neighbouring taps fall on copies of one pixel. Of w0 … w4 along a row, an even output pixel 2i sees
    (w0 + w1, w2 + w3, w4) on the small image's pixels i - 1, i, i + 1, and an odd one (w0, w1 + w2, w3 + w4). So each of
    the four phases (even or odd row × column) is a small convolution of the *small* image, zero border included; they
    are computed as 4F channels of one conv2d, and depth_to_space puts them in place.
    """
    x, w = operands("resize_conv2d", x, w)
    if x.ndim != 4 or w.ndim != 4 or x.shape[3] != w.shape[2] or 0 in w.shape[:2]:
        raise InputError(f"resize_conv2d: expected shapes (N, H, W, C) and (kh, kw, C, F), got {x.shape} and {w.shape}")
    kernels, padding = phase_kernels(w)
    return depth_to_space(conv2d(x, kernels, padding=padding), 2)


def phase_kernels(w):
    """The kernels of the four phases, (kh, kw, C, F) -> (mh, mw, C, 4F) with mh, mw = 3 for 3 to 5 taps; and the padding."""
    kh, kw, c, f = w.shape
    (rows, pad_rows), (columns, pad_columns) = phase_sums(kh), phase_sums(kw)
    mh, mw = rows.shape[1], columns.shape[1]
    # p, q: even or odd; m, n: pixel of the small image; a, b: tap
    sums = np.einsum("pma,qnb->mnpqab", rows, columns).reshape(-1, kh * kw).astype(w.dtype)  # (mh·mw·2·2, kh·kw)
    phases = reshape(matmul(Tensor(sums), reshape(w, kh * kw, c * f)), mh, mw, 2, 2, c, f)
    return reshape(transpose(phases, 0, 1, 4, 2, 3, 5), mh, mw, c, 4 * f), (pad_rows, pad_columns)  # (mh, mw, C, 2·2·F)


def phase_sums(taps):
    """Which small pixel each tap of the doubled image falls on: a 0/1 array (phase, small pixel, tap); and the padding."""
    phase, tap = np.ogrid[:2, :taps]
    offset = (phase + tap - (taps - 1) // 2) // 2  # (2, taps): output pixel 2i + phase reads small pixel i + offset
    pixels = np.arange(offset.min(), offset.max() + 1)
    return (offset[:, None] == pixels[:, None]).astype(float), (-offset.min(), offset.max())
