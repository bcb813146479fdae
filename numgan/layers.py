"""The layers, as in Keras: ops with parameters. Now train something, as README's example does.

Read conv.py next.
"""

import math

import numpy as np

from . import conv, norm, ops, resize
from .errors import InputError, check_positive
from .network import Layer
from .tensor import Parameter, Tensor

# ---- initialisers: (shape, rng) -> array


def glorot_uniform(shape, rng):
    """Uniform in ±√(6 / (fan_in + fan_out)), so that signals and gradients keep their size (Glorot & Bengio 2010, eq. 16).

    fan_in is how many inputs an output depends on, fan_out how many outputs an input reaches. The last two axes are inputs and
    outputs; before them, a convolution's kernel has its height and width, and each of its positions is a tap.
    """
    taps = math.prod(shape[:-2])
    limit = math.sqrt(6 / (taps * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape)


def normal(std):
    """An initialiser that draws from N(0, std²); Radford et al. 2016 use std = 0.02."""
    if not std > 0:
        raise InputError(f"normal: expected a standard deviation > 0, got {std}")
    return lambda shape, rng: rng.normal(0, std, shape)


def unit_length(shape, rng):
    """Random directions: the weights of each output (last axis) have length 1, so outputs vary as much as the inputs do, if
    these are independent.

    For weight-normalised layers: their lengths start at 1. Not for Conv2DTranspose, whose outputs are another axis.
    """
    w = rng.standard_normal(shape)
    return w / np.linalg.norm(w.reshape(-1, shape[-1]), axis=0)


# ---- layers that are linear in their weights: y = product(x, w) + b


class Linear(Layer):
    """What Dense and the convolutions share: weights w, drawn by `init`, and a bias b for each of `units` outputs, at first 0.

    With `weight_norm`, w = length · v / |v| for each output channel (Salimans & Kingma 2016, eq. 2): v gives the direction of
    its weights, one number their length, and these are trained instead of w. At first v = w, and the length is |w|. The length
    is the attribute `g`, as in the paper; the ops' g, the incoming gradient, is something else.
    """

    output_axis = -1  # of w

    def __init__(self, units, *, use_bias=True, init=glorot_uniform, weight_norm=False):
        check_positive(type(self).__name__, outputs=units)
        self.outputs, self.use_bias, self.init, self.weight_norm = units, use_bias, init, weight_norm

    def build(self, shape, rng, dtype):
        """Parameters w of `weight_shape`, or v of that shape and g, one length per output channel; and b (outputs,)."""
        w = Parameter(self.init(self.weight_shape(shape), rng).astype(dtype))
        if self.weight_norm:
            self.v, self.g = w, Parameter(self.length(w).data)
        else:
            self.w = w
        if self.use_bias:
            self.b = Parameter(np.zeros(self.outputs, dtype))

    def length(self, w):
        """|w| of each output channel's weights, as an array that broadcasts to w."""
        inputs = tuple(np.delete(np.arange(w.ndim), self.output_axis))
        return ops.sqrt((w * w).sum(inputs, keepdims=True))

    def forward(self, x):
        w = self.v * (self.g / self.length(self.v)) if self.weight_norm else self.w
        y = self.product(x, w)
        return y + self.b if self.use_bias else y


class Dense(Linear):
    """y = x w + b, (d,) -> (units,)."""

    def weight_shape(self, shape):
        if len(shape) != 1:
            raise InputError(f"expected vectors (d,), got {shape}; put a Flatten() before it")
        return (*shape, self.outputs)

    def product(self, x, w):
        return x @ w


class Conv2D(Linear):
    """Convolution with `filters` kernels of kernel_size (a number or a pair), (H, W, C) -> (H', W', filters).

    strides: a number or a pair; padding: "same" (H' = ceil(H / stride), as in TensorFlow) or "valid"; options as in Dense.
    """

    def __init__(self, filters, kernel_size, *, strides=1, padding="same", **options):
        super().__init__(filters, **options)
        check_positive(type(self).__name__, pairs=True, kernel_size=kernel_size, strides=strides)
        self.kernel, self.strides, self.padding = conv.pair(kernel_size), conv.pair(strides), padding

    def weight_shape(self, shape):
        if len(shape) != 3:
            raise InputError(f"expected images (H, W, C), got {shape}; put a Reshape(H, W, C) before it")
        return (*self.kernel, shape[-1], self.outputs)

    def product(self, x, w):
        return conv.conv2d(x, w, strides=self.strides, padding=self.padding)


class Conv2DTranspose(Conv2D):
    """Transposed convolution, (H, W, C) -> (H·stride, W·stride, filters) with padding "same"."""

    output_axis = -2

    def __init__(self, filters, kernel_size, *, strides=2, **options):
        super().__init__(filters, kernel_size, strides=strides, **options)

    def weight_shape(self, shape):
        """(kh, kw, filters, C): the kernels of the convolution that this is the transpose of."""
        kh, kw, c, filters = super().weight_shape(shape)
        return (kh, kw, filters, c)

    def product(self, x, w):
        return conv.conv2d_transpose(x, w, strides=self.strides, padding=self.padding)


class ResizeConv2D(Conv2D):
    """UpSampling2D(2) and a Conv2D in one, (H, W, C) -> (2H, 2W, filters): a third of the work for 5 × 5 kernels.

    For 3 × 3 kernels the work is the same (see resize.resize_conv2d).
    """

    def __init__(self, filters, kernel_size, **options):
        super().__init__(filters, kernel_size, strides=1, padding="same", **options)

    def product(self, x, w):
        return resize.resize_conv2d(x, w)


# ---- normalisation and noise


class BatchNorm(Layer):
    """Batch normalisation of the last axis (Ioffe & Szegedy 2015), (..., C) -> (..., C).

    In training it uses the batch's own statistics (at least two values per channel, else InputError) and keeps a running
    mean and (unbiased) variance of them, new = momentum·old + (1 - momentum)·batch; in eval mode it uses those.
    0 <= momentum < 1, eps > 0.
    """

    def __init__(self, *, momentum=0.99, eps=1e-3):
        if not (0 <= momentum < 1 and eps > 0):
            raise InputError(f"BatchNorm: expected 0 <= momentum < 1 and eps > 0, got {momentum} and {eps}")
        self.momentum, self.eps = momentum, eps

    def build(self, shape, rng, dtype):
        """Parameters gamma, beta and buffers mean, variance, (C,) each."""
        self.gamma, self.beta = Parameter(np.ones(shape[-1], dtype)), Parameter(np.zeros(shape[-1], dtype))
        self.mean, self.variance = np.zeros(shape[-1], dtype), np.ones(shape[-1], dtype)

    def forward(self, x):
        if x.shape[-1:] != self.gamma.shape:
            raise InputError(f"BatchNorm: expected input (..., {self.gamma.size}), got {x.shape}")
        if not self.training:
            scale = self.gamma / np.sqrt(self.variance + self.variance.dtype.type(self.eps))
            return x * scale + (self.beta - self.mean * scale)
        count = x.size // x.shape[-1]
        if count < 2:
            raise InputError(f"BatchNorm: expected at least 2 values per channel in training, got input {x.shape}")
        y, mean, variance = norm.batch_norm(x, self.gamma, self.beta, self.eps)
        if not any(p.frozen for p in self.parameters()):
            for running, batch in (self.mean, mean), (self.variance, variance * (count / (count - 1))):
                running *= self.momentum
                running += (1 - self.momentum) * batch
        return y


class Dropout(Layer):
    """In training, zeroes each element with probability `rate` and divides the others by 1 - rate (Srivastava et al. 2014).

    The division keeps the expected value as it is, so that eval mode has nothing to correct. The mask is a constant, and so
    the gradient passes where the value did. 0 <= rate < 1, rounded to a multiple of 2⁻¹⁶ below 1.
    """

    def __init__(self, rate):
        if not 0 <= rate < 1:
            raise InputError(f"Dropout: expected 0 <= rate < 1, got {rate}")
        self.threshold = min(round(rate * 2**16), 2**16 - 1)

    def build(self, shape, rng, dtype):
        self.rng = rng

    def forward(self, x):
        if not self.training or self.threshold == 0:
            return x
        kept = np.frombuffer(self.rng.bytes(2 * x.size), np.uint16).reshape(x.shape) >= self.threshold  # 16 bits each
        return x * Tensor(kept * x.dtype.type(1 / (1 - self.threshold / 2**16)))


class GaussianNoise(Layer):
    """In training, adds noise from N(0, std²), drawn in float32: a constant, so the gradient passes as it is. std > 0."""

    def __init__(self, std):
        if not std > 0:
            raise InputError(f"GaussianNoise: expected a standard deviation > 0, got {std}")
        self.std = std

    def build(self, shape, rng, dtype):
        self.rng = rng

    def forward(self, x):
        if not self.training:
            return x
        return x + Tensor((self.rng.standard_normal(x.shape, np.float32) * np.float32(self.std)).astype(x.dtype, copy=False))


# ---- layers without parameters


class Reshape(Layer):
    """Another shape for each item, such as Reshape(7, 7, 128)."""

    def __init__(self, *shape):
        check_positive("Reshape", **{f"axis {i}": n for i, n in enumerate(shape)})
        self.shape = shape

    def forward(self, x):
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise InputError(f"expected {math.prod(self.shape)} elements for {self.shape}, got {math.prod(x.shape[1:])}")
        return x.reshape(len(x), *self.shape)


class Flatten(Layer):
    """(a, b, ...) -> (a·b·...,)."""

    def forward(self, x):
        return x.reshape(len(x), math.prod(x.shape[1:]))


class UpSampling2D(Layer):
    """Nearest-neighbour upsampling, (H, W, C) -> (factor·H, factor·W, C)."""

    def __init__(self, factor=2):
        check_positive("UpSampling2D", factor=factor)
        self.factor = factor

    def forward(self, x):
        return resize.upsample(x, self.factor)


class MaxPool2D(Layer):
    """The largest pixel of each window, (H, W, C) -> (H // pool_size, W // pool_size, C); options as in conv.max_pool2d."""

    def __init__(self, pool_size=2, *, strides=None, padding="valid"):
        strides = pool_size if strides is None else strides
        check_positive("MaxPool2D", pairs=True, pool_size=pool_size, strides=strides)
        self.pool, self.strides, self.padding = conv.pair(pool_size), conv.pair(strides), padding

    def forward(self, x):
        return conv.max_pool2d(x, self.pool, strides=self.strides, padding=self.padding)


class LeakyReLU(Layer):
    """x where x > 0, else slope·x; 0 <= slope < 1."""

    def __init__(self, slope=0.2):
        self.slope = slope

    def forward(self, x):
        return ops.leaky_relu(x, self.slope)


class ELU(Layer):
    """x where x > 0, else eˣ - 1."""

    forward = staticmethod(ops.elu)


class ReLU(Layer):
    """max(x, 0)."""

    forward = staticmethod(ops.relu)


class Tanh(Layer):
    """tanh x, in [-1, 1]."""

    forward = staticmethod(ops.tanh)


class Sigmoid(Layer):
    """1 / (1 + e⁻ˣ), in [0, 1]."""

    forward = staticmethod(ops.sigmoid)
