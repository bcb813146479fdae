"""Layers: ops with parameters, put together like in Keras.

    generator = Sequential(Dense(128), ReLU(), Dense(784), Tanh(), input_shape=(100,), rng=np.random.default_rng(0))
    images = generator(z)

A Sequential is built at once: every layer learns its input shape, draws its parameters and says its output shape, so
what does not fit is reported before anything runs. Shapes are those of one image, without the batch axis.
Read optim.py next, then games/.
"""

import math
from contextlib import contextmanager

import numpy as np

from . import conv, norm, ops
from .errors import InputError
from .tensor import Parameter, as_tensor, no_grad

# ---- initialisers: (shape, rng) -> array


def glorot_uniform(shape, rng):
    """Uniform in ±√(6 / (fan_in + fan_out)), so that signals and gradients keep their size (Glorot & Bengio 2010, eq. 16).

    The last two axes are inputs and outputs, those before them a kernel's taps.
    """
    taps = math.prod(shape[:-2])
    limit = math.sqrt(6 / (taps * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape)


def normal(std):
    """An initialiser that draws from N(0, std²); Radford et al. 2015 use std = 0.02."""
    if not std > 0:
        raise InputError(f"normal: expected a standard deviation > 0, got {std}")
    return lambda shape, rng: rng.normal(0, std, shape)


# ---- what all layers share


class Layer:
    """A function with parameters: `build` makes them, `forward` calls ops.

    Parameters, buffers (plain arrays that belong to the state but are not trained, as batch statistics) and inner layers
    are found by walking the attributes in the order of their definition.
    """

    training = True

    def build(self, shape, rng, dtype):
        """Make what is needed for inputs of `shape`. Raises InputError if they do not suit the layer."""

    def forward(self, x):
        """(N, *shape) -> (N, *output shape), Tensors."""
        raise NotImplementedError

    def __call__(self, x):
        return self.forward(as_tensor(x))

    def members(self):
        """Name -> attribute: where parameters, buffers and inner layers are looked for."""
        return vars(self)

    def walk(self, path=""):
        """(name, Parameter, buffer or Layer) for everything inside this layer; a name is a path as "2_Conv2D.w"."""
        for name, item in self.members().items():
            if isinstance(item, (Parameter, np.ndarray, Layer)):
                yield path + name, item
            if isinstance(item, Layer):
                yield from item.walk(f"{path}{name}.")

    def parameters(self):
        """All that is trained, as a list of Parameters."""
        return [item for _, item in self.walk() if isinstance(item, Parameter)]

    def state(self):
        """Name -> array (no copy) of every parameter and buffer."""
        return {name: item.data if isinstance(item, Parameter) else item
                for name, item in self.walk() if not isinstance(item, Layer)}

    def load_state(self, state):
        """Take over what `state()` of an equal network returned. If it differs: InputError, and nothing has changed."""
        load_arrays(self.state(), state, type(self).__name__)

    def train(self, training=True):
        """Batch statistics from the batch, dropout on."""
        for layer in (self, *(item for _, item in self.walk() if isinstance(item, Layer))):
            layer.training = training

    def eval(self):
        """Batch statistics as collected in training, dropout off: every output depends on its own input only."""
        self.train(False)

    @contextmanager
    def frozen(self):
        """Within this block nothing of this network changes: no gradients for its parameters, no new batch statistics.

        Gradients still flow through it to its input: so a generator learns from a discriminator.
        """
        before = [(p, p.requires_grad) for p in self.parameters()]
        for p, _ in before:
            p.requires_grad = False
        try:
            yield self
        finally:
            for p, flag in before:
                p.requires_grad = flag


def load_arrays(own, given, where):
    """Copy the arrays `given` into `own`, dicts name -> array. If names, shapes or dtypes differ: InputError, no change."""
    expected, got = ({name: f"{a.dtype} {a.shape}" for name, a in arrays.items()} for arrays in (own, given))
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            raise InputError(f"{where}: {name}: expected {expected.get(name, 'nothing')}, got {got.get(name, 'nothing')}")
    for name, array in own.items():
        array[...] = given[name]


def check_positive(where, **values):
    """InputError unless every value is a positive integer, or a pair of such."""
    for name, value in values.items():
        if not all(isinstance(v, (int, np.integer)) and v > 0 for v in conv.pair(value)):
            raise InputError(f"{where}: expected a positive integer as {name}, got {value!r}")


# ---- layers that are linear in their weights: y = product(x, w) + b


class Linear(Layer):
    """What Dense and the convolutions share: weights w, drawn by `init`, and a bias b per output channel, at first 0."""

    def __init__(self, outputs, use_bias, init):
        check_positive(type(self).__name__, outputs=outputs)
        self.outputs, self.use_bias, self.init = outputs, use_bias, init

    def build(self, shape, rng, dtype):
        """Parameters w (as `weight_shape` says) and b (outputs,)."""
        self.w = Parameter(self.init(self.weight_shape(shape), rng).astype(dtype))
        if self.use_bias:
            self.b = Parameter(np.zeros(self.outputs, dtype))

    def forward(self, x):
        y = self.product(x)
        return y + self.b if self.use_bias else y


class Dense(Linear):
    """y = x w + b, (d,) -> (units,)."""

    def __init__(self, units, *, use_bias=True, init=glorot_uniform):
        super().__init__(units, use_bias, init)

    def weight_shape(self, shape):
        if len(shape) != 1:
            raise InputError(f"expected vectors (d,), got {shape}; put a Flatten() before it")
        return (*shape, self.outputs)

    def product(self, x):
        return x @ self.w


class Conv2D(Linear):
    """Convolution with `filters` kernels of kernel_size (a number or a pair), (H, W, C) -> (H', W', filters).

    strides: a number or a pair; padding: "same" (H' = ceil(H / stride), as in TensorFlow) or "valid".
    """

    def __init__(self, filters, kernel_size, *, strides=1, padding="same", use_bias=True, init=glorot_uniform):
        super().__init__(filters, use_bias, init)
        check_positive(type(self).__name__, kernel_size=kernel_size, strides=strides)
        self.kernel, self.strides, self.padding = conv.pair(kernel_size), conv.pair(strides), padding

    def weight_shape(self, shape):
        if len(shape) != 3:
            raise InputError(f"expected images (H, W, C), got {shape}; put a Reshape(H, W, C) before it")
        return (*self.kernel, shape[-1], self.outputs)

    def product(self, x):
        return conv.conv2d(x, self.w, strides=self.strides, padding=self.padding)


class Conv2DTranspose(Conv2D):
    """Transposed convolution, (H, W, C) -> (H·stride, W·stride, filters) with padding "same"."""

    def __init__(self, filters, kernel_size, *, strides=2, **options):
        super().__init__(filters, kernel_size, strides=strides, **options)

    def weight_shape(self, shape):
        """(kh, kw, filters, C): the kernels of the convolution that this is the transpose of."""
        kh, kw, c, filters = super().weight_shape(shape)
        return (kh, kw, filters, c)

    def product(self, x):
        return conv.conv2d_transpose(x, self.w, strides=self.strides, padding=self.padding)


class ResizeConv2D(Conv2D):
    """UpSampling2D(2) and a Conv2D in one, at a third of the work (see conv.resize_conv2d): (H, W, C) -> (2H, 2W, filters)."""

    def __init__(self, filters, kernel_size, *, use_bias=True, init=glorot_uniform):
        super().__init__(filters, kernel_size, use_bias=use_bias, init=init)

    def product(self, x):
        return conv.resize_conv2d(x, self.w)


# ---- normalisation and noise


class BatchNorm(Layer):
    """Batch normalisation of the last axis (Ioffe & Szegedy 2015), (..., C) -> (..., C).

    In training with the batch's own statistics (at least two values per channel: else InputError), of which a running
    mean and (unbiased) variance are kept, new = momentum·old + (1 - momentum)·batch; in eval mode with those.
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
        if not self.training:
            scale = self.gamma / np.sqrt(self.variance + self.variance.dtype.type(self.eps))
            return x * scale + (self.beta - self.mean * scale)
        count = x.size // x.shape[-1]
        if count < 2:
            raise InputError(f"BatchNorm: expected at least 2 values per channel in training, got input {x.shape}")
        y, mean, variance = norm.batch_norm(x, self.gamma, self.beta, self.eps)
        if self.gamma.requires_grad:  # not when frozen
            for running, batch in (self.mean, mean), (self.variance, variance * (count / (count - 1))):
                running *= self.momentum
                running += (1 - self.momentum) * batch
        return y


class Dropout(Layer):
    """In training, zeroes each element with probability `rate` and divides the others by 1 - rate (Srivastava et al. 2014).

    0 <= rate < 1, rounded to a multiple of 2⁻¹⁶. The mask is a constant, and so the gradient passes where the value did.
    """

    def __init__(self, rate):
        if not 0 <= rate < 1:
            raise InputError(f"Dropout: expected 0 <= rate < 1, got {rate}")
        self.threshold = round(rate * 2**16)

    def build(self, shape, rng, dtype):
        self.rng = rng

    def forward(self, x):
        if not self.training or self.threshold == 0:
            return x
        kept = np.frombuffer(self.rng.bytes(2 * x.size), np.uint16).reshape(x.shape) >= self.threshold
        return ops.mul(x, kept * x.dtype.type(1 / (1 - self.threshold / 2**16)))


# ---- layers without parameters


class Reshape(Layer):
    """Another shape for each image, as Reshape(7, 7, 128)."""

    def __init__(self, *shape):
        check_positive("Reshape", **{f"axis {i}": n for i, n in enumerate(shape)})
        self.shape = shape

    def build(self, shape, rng, dtype):
        if math.prod(shape) != math.prod(self.shape):
            raise InputError(f"expected {math.prod(self.shape)} elements for {self.shape}, got {math.prod(shape)}: {shape}")

    def forward(self, x):
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
        return conv.upsample(x, self.factor)


class LeakyReLU(Layer):
    """x where x > 0, else slope·x; 0 <= slope < 1."""

    def __init__(self, slope=0.2):
        if not 0 <= slope < 1:
            raise InputError(f"LeakyReLU: expected 0 <= slope < 1, got {slope}")
        self.slope = slope

    def forward(self, x):
        return ops.leaky_relu(x, self.slope)


class ReLU(Layer):
    """max(x, 0)."""

    forward = staticmethod(ops.relu)


class Tanh(Layer):
    """tanh x, in [-1, 1]."""

    forward = staticmethod(ops.tanh)


class Sigmoid(Layer):
    """1 / (1 + e⁻ˣ), in [0, 1]."""

    forward = staticmethod(ops.sigmoid)


# ---- a stack of layers


class Sequential(Layer):
    """Layers one after another.

    With `input_shape` (one image's, without the batch axis) and `rng` it is built at once, with parameters of `dtype`;
    without, it is a part of another network. What does not fit raises InputError naming the layer and the shapes.
    """

    def __init__(self, *layers, input_shape=None, rng=None, dtype=np.float32):
        self.stack = layers
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer) or any(layer is other for other in layers[:i]):
                raise InputError(f"Sequential: layer {i}: expected a new Layer such as Dense(10), got {layer!r}")
        if input_shape is not None:
            if not isinstance(rng, np.random.Generator):
                raise InputError(f"Sequential: expected rng=numpy.random.default_rng(seed), got {rng!r}")
            self.build(tuple(input_shape), rng, dtype)
            for name, item in self.walk():
                if isinstance(item, Parameter):
                    item.name = name

    def members(self):
        return {f"{i}_{type(layer).__name__}": layer for i, layer in enumerate(self.stack)}

    def build(self, shape, rng, dtype):
        """Builds layer after layer; an empty batch, sent through each, tells the shape that the next one gets."""
        self.input_shape, self.output_shapes = shape, []
        for i, layer in enumerate(self.stack):
            try:
                layer.build(shape, rng, dtype)
                with no_grad():
                    layer.eval()
                    shape = layer(np.zeros((0, *shape), dtype)).shape[1:]
                    layer.train()
            except InputError as error:
                raise InputError(f"Sequential: layer {i} ({type(layer).__name__}), input {shape}: {error}") from None
            self.output_shapes.append(shape)

    def forward(self, x):
        if x.shape[1:] != self.input_shape:
            raise InputError(f"Sequential: expected input (N, {', '.join(map(str, self.input_shape))}), got {x.shape}")
        for layer in self.stack:
            x = layer(x)
        return x

    def summary(self):
        """The familiar table as text: layer, output shape, parameters; total, trainable, non-trainable."""
        rows = [("layer", "output shape", "parameters")]
        for layer, shape in zip(self.stack, self.output_shapes, strict=True):
            rows.append((type(layer).__name__, str(shape), f"{sum(a.size for a in layer.state().values()):,}"))
        total, trainable = sum(a.size for a in self.state().values()), sum(p.size for p in self.parameters())
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([*lines, f"total {total:,}, trainable {trainable:,}, non-trainable {total - trainable:,}"])
