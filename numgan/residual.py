"""Layers of networks that turn images into images: residual blocks, PReLU, and upsampling by pixel shuffle.

All are composed of known ops: there is nothing new to differentiate. Read embedding.py next.
"""

import numpy as np

from . import ops, resize
from .errors import InputError, check_positive
from .network import Layer, Sequential
from .tensor import Parameter


class Residual(Layer):
    """y = x + f(x), f being the given layers, which must keep the shape (He et al. 2016).

    dy = dx + df, so dL/dx = g + (dL/dx through f): whatever f does, the gradient also passes around it unchanged. Blocks may
    contain blocks.
    """

    def __init__(self, *layers):
        self.body = Sequential(*layers)

    def build(self, shape, rng, dtype):
        """The parameters of f."""
        self.body.build(shape, rng, dtype)
        if self.body.output_shapes and self.body.output_shapes[-1] != shape:  # else the sum might broadcast
            raise InputError(f"expected layers that keep the shape {shape}, got {self.body.output_shapes[-1]}")

    def forward(self, x):
        return x + self.body(x)


class PReLU(Layer):
    """x where x > 0, else a·x, with a trained slope a for each channel, (..., C) -> (..., C); at first a = 0.25.

    y = max(x, 0) - a max(-x, 0), so dL/dx is g where x > 0 and a·g where x < 0, and dL/da = -Σ g max(-x, 0) over all pixels
    of the channel; both are 0 at the kink. He et al. 2015, eq. 1.
    """

    def build(self, shape, rng, dtype):
        """The slopes, (C,)."""
        self.a = Parameter(np.full(shape[-1], 0.25, dtype))

    def forward(self, x):
        return ops.relu(x) - self.a * ops.relu(-x)


class PixelShuffle(Layer):
    """Channels become pixels, (H, W, factor²·C) -> (factor·H, factor·W, C): see resize.depth_to_space (Shi et al. 2016).

    After a convolution it upsamples ("sub-pixel convolution"): each of factor² groups of kernels computes one of the pixels
    that every pixel of the small image becomes.
    """

    def __init__(self, factor=2):
        check_positive("PixelShuffle", factor=factor)
        self.factor = factor

    def forward(self, x):
        return resize.depth_to_space(x, self.factor)
