"""The registry: every op and layer of the package, its reference, and how to draw examples of it.

To add an op, add one entry here: all properties of properties.py and all mutants of mutants.py then apply to it.
Hypothesis draws structure (shapes, strides, axes, options) and a seed; the seed's generator draws the values.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import numgan as ng
from numgan import conv, losses, norm, ops, resize
from numgan.tensor import Parameter

from . import reference as ref


@dataclass
class Example:
    """One drawn case: float64 arrays, keyword options, and the seed for whatever a property draws on top."""

    inputs: list
    options: dict = field(default_factory=dict)
    seed: int = 0

    def __str__(self):
        return f"{' '.join(str(x.shape).replace(' ', '') for x in self.inputs)} seed {self.seed}"


@dataclass
class Case:
    """An op under test. `linear`: the inputs in each of which the op is a linear map, for the dot-product identity."""

    name: str
    op: callable
    reference: callable
    examples: st.SearchStrategy
    linear: tuple = ()


CASES = {}


def case(name, op, reference, linear=()):
    """Registers a function draw -> (inputs or shapes, options); shapes are filled with standard normal numbers."""
    def register(build):
        @st.composite
        def examples(draw):
            seed = draw(st.integers(0, 2**32 - 1))
            inputs, options = build(draw)
            rng = np.random.default_rng(seed)
            inputs = [x(rng) if callable(x) else x if isinstance(x, np.ndarray) else rng.standard_normal(x) for x in inputs]
            return Example(inputs, options, seed)

        CASES[name] = Case(name, op, reference, examples(), linear)
        return build
    return register


def sides(low=0, high=4):
    """Lengths of axes."""
    return st.integers(low, high)


def shapes(low=0, dims=(0, 3)):
    """Shapes with axes of `low` to 4 elements."""
    return st.lists(sides(low), min_size=dims[0], max_size=dims[1]).map(tuple)


def positive(shape):
    """Values in 0.5 … 2, away from poles."""
    return lambda rng: rng.uniform(0.5, 2, shape)


def spread(shape):
    """Values whose every channel (last axis) has a variance away from 0, where difference quotients fail."""
    def values(rng):
        steps = np.linspace(-1, 1, int(np.prod(shape[:-1])))[:, None]
        return (rng.standard_normal((len(steps), shape[-1])) * 0.5 + steps).reshape(shape)
    return values


# ---- elementwise

for name, function in (("add", lambda a, b: a + b), ("sub", lambda a, b: a - b), ("mul", lambda a, b: a * b)):
    @case(name, getattr(ops, name), function, linear=(0, 1) if name == "mul" else ())
    def _binary(draw):
        return draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3)).input_shapes, {}


@case("div", ops.div, lambda a, b: a / b, linear=(0,))
def _div(draw):
    a, b = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3)).input_shapes
    return [a, positive(b)], {}


UNARY = {"neg": lambda x: -x, "exp": np.exp, "tanh": np.tanh, "sigmoid": ref.sigmoid, "softplus": ref.softplus,
         "relu": ref.relu, "elu": ref.elu, "abs": ref.magnitude}
for name, function in UNARY.items():
    @case(name, getattr(ops, name), function, linear=(0,) if name == "neg" else ())
    def _unary(draw):
        return [draw(shapes())], {}


for name, function in (("log", np.log), ("sqrt", np.sqrt)):
    @case(name, getattr(ops, name), function)
    def _positive_unary(draw):
        return [positive(draw(shapes()))], {}


@case("power", ops.power, lambda x, p: x**p)
def _power(draw):
    return [positive(draw(shapes()))], {"p": draw(st.sampled_from([-2, -1, -0.5, 0, 0.5, 1, 2, 3]))}


@case("leaky_relu", ops.leaky_relu, ref.leaky_relu)
def _leaky_relu(draw):
    return [draw(shapes())], {"slope": draw(st.sampled_from([0.0, 0.01, 0.2, 0.9]))}


@case("matmul", ops.matmul, ref.matmul, linear=(0, 1))
def _matmul(draw):
    n, k, m = draw(sides()), draw(sides(1)), draw(sides())
    return [(n, k), (k, m)], {}


# ---- shapes


@case("reshape", lambda x, shape: ops.reshape(x, *shape), lambda x, shape: x.reshape(shape), linear=(0,))
def _reshape(draw):
    shape = draw(shapes(1))
    flat = draw(st.permutations(shape))
    return [shape], {"shape": (*flat, 1) if draw(st.booleans()) else (int(np.prod(shape)),)}


@case("transpose", lambda x, axes: ops.transpose(x, *axes), lambda x, axes: x.transpose(axes or None), linear=(0,))
def _transpose(draw):
    shape = draw(shapes(dims=(0, 4)))
    axes = draw(st.permutations(range(len(shape)))) if draw(st.booleans()) else ()
    return [shape], {"axes": tuple(a - len(shape) * draw(st.booleans()) for a in axes)}


@case("getitem", ops.getitem, lambda x, index: x[index], linear=(0,))
def _getitem(draw):
    shape = draw(shapes(1, dims=(1, 3)))
    taken = [draw(st.integers(-n, n - 1)) for n in shape[:1] * draw(st.integers(1, 4))]  # with repetitions
    index = draw(st.one_of(hnp.basic_indices(shape), st.just((np.array(taken),)), st.just(np.arange(shape[0]) % 2 == 0)))
    return [shape], {"index": index}


@case("concatenate", lambda *tensors, axis: ops.concatenate(tensors, axis), ref.concatenate)
def _concatenate(draw):
    shape = draw(shapes(dims=(1, 3)))
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(sides(), min_size=1, max_size=3))
    return [(*shape[:axis], n, *shape[axis + 1:]) for n in lengths], {"axis": axis}


@case("pad", ops.pad, ref.pad, linear=(0,))
def _pad(draw):
    shape = draw(shapes(dims=(1, 3)))
    return [shape], {"widths": tuple((draw(sides(0, 2)), draw(sides(0, 2))) for _ in shape)}


@case("broadcast_to", ops.broadcast_to, lambda x, shape: x + np.zeros(shape), linear=(0,))
def _broadcast_to(draw):
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3))
    return [drawn.input_shapes[0]], {"shape": drawn.result_shape}


for name, function, least in (("sum", ref.total, 0), ("mean", ref.mean, 1), ("max", ref.maximum, 1)):
    @case(name, getattr(ops, name), function, linear=() if name == "max" else (0,))
    def _reduction(draw, least=least):
        shape = draw(shapes(least))
        axes = st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple) if shape else st.none()
        one = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
        return [shape], {"axis": draw(st.one_of(st.none(), one, axes)), "keepdims": draw(st.booleans())}


# ---- convolution


def convolution_shapes(draw, valid_fits=True):
    """Image, kernel, channels, strides, padding: rectangular, 1 to 5 taps, even and odd, overlapping or not."""
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    size = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    strides = draw(st.sampled_from([1, 1, 2, 3, (1, 2), (2, 1)]))
    border = st.integers(0, 3)
    padding = draw(st.sampled_from(["same", "same", "valid", "numbers"]))
    if padding == "numbers":
        padding = ((draw(border), draw(border)), (draw(border), draw(border)))
    if valid_fits and padding != "same":
        around = (0, 0) if padding == "valid" else tuple(map(sum, padding))
        size = tuple(max(n, k - p) for n, k, p in zip(size, kernel, around, strict=True))
    return size, kernel, draw(st.integers(1, 3)), draw(st.integers(1, 3)), {"strides": strides, "padding": padding}


@case("conv2d", conv.conv2d, ref.conv2d, linear=(0, 1))
def _conv2d(draw):
    size, kernel, c, f, options = convolution_shapes(draw)
    return [(draw(sides(0, 2)), *size, c), (*kernel, c, f)], options


@case("conv2d_transpose", conv.conv2d_transpose, ref.conv2d_transpose, linear=(0, 1))
def _conv2d_transpose(draw):
    size, kernel, c, f, options = convolution_shapes(draw, valid_fits=False)
    options["padding"] = draw(st.sampled_from(["same", "valid", ((1, 0), (0, 1)), ((1, 1), (1, 0))]))
    size = tuple(max(3, min(n, 4)) for n in size)  # so that what the paddings leave is not empty
    return [(draw(sides(0, 2)), *size, f), (*kernel, c, f)], options


@case("resize_conv2d", resize.resize_conv2d, ref.resize_conv2d, linear=(0, 1))
def _resize_conv2d(draw):
    c, f = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return [(draw(sides(0, 2)), draw(sides(1, 3)), draw(sides(1, 3)), c),
            (draw(st.integers(1, 5)), draw(st.integers(1, 5)), c, f)], {}


@case("upsample", resize.upsample, ref.upsample, linear=(0,))
def _upsample(draw):
    return [tuple(draw(sides(0, 3)) for _ in range(4))], {"factor": draw(st.integers(1, 3))}


@case("depth_to_space", resize.depth_to_space, ref.depth_to_space, linear=(0,))
def _depth_to_space(draw):
    block = draw(st.integers(1, 3))
    return [(draw(sides()), draw(sides()), draw(sides()), block**2 * draw(sides(1, 2)))], {"block": block}


# ---- batch normalisation


@case("batch_norm", lambda *inputs, eps: norm.batch_norm(*inputs, eps)[0], ref.batch_norm, linear=(1,))
def _batch_norm(draw):
    rows, c = draw(st.sampled_from([(3,), (5,), (2, 2), (2, 2, 3), (1, 3, 2)])), draw(sides(1))
    beta = np.zeros(c) if draw(st.booleans()) else (c,)
    return [spread((*rows, c)), (c,), beta], {"eps": draw(st.sampled_from([1e-5, 1e-3, 0.1]))}


# ---- losses


def target(draw, shape, low, high):
    """A number or an array in low … high."""
    seed = draw(st.integers(0, 99))
    return draw(st.sampled_from([low, high, np.random.default_rng(seed).uniform(low, high, shape)]))


def loss_shapes():
    """At least one element."""
    return shapes(1, dims=(0, 3))


for name in ("bce_with_logits", "l1", "l2"):
    @case(name, getattr(losses, name), getattr(ref, name))
    def _loss(draw):
        shape = draw(loss_shapes())
        return [shape], {"t": target(draw, shape, 0.0, 1.0)}


for name in ("l1", "l2"):
    @case(f"{name} (target)", getattr(losses, name), getattr(ref, name))
    def _loss_and_target(draw):
        shape = draw(loss_shapes())
        return [shape, draw(st.sampled_from([shape, ()]))], {}


@case("bce", losses.bce, ref.bce)
def _bce(draw):
    shape = draw(loss_shapes())
    return [lambda rng: rng.uniform(0.05, 0.95, shape)], {"t": target(draw, shape, 0.0, 1.0)}


@case("softmax_cross_entropy", losses.softmax_cross_entropy, ref.softmax_cross_entropy)
def _softmax_cross_entropy(draw):
    n, classes = draw(sides(1)), draw(st.integers(2, 5))
    return [(n, classes)], {"labels": np.array([draw(st.integers(0, classes - 1)) for _ in range(n)])}


# ---- layers: their parameters are inputs like x


def run_layer(layer, x, *parameters, training=True):
    """layer(x) with other tensors in place of its parameters."""
    layer.build(x.shape[1:], np.random.default_rng(0), x.dtype)
    layer.train(training)
    names = [name for name, value in vars(layer).items() if isinstance(value, Parameter)]
    for name, tensor in zip(names, parameters, strict=True):
        setattr(layer, name, tensor)
    return layer(x)


def layer_case(name, make, reference, shape_of, parameters_of, linear=(), training=True):
    """A layer as an op of x and its parameters. make: options -> layer."""
    @case(name, lambda *inputs, **options: run_layer(make(**options), *inputs, training=training), reference, linear)
    def _layer(draw):
        options, shape = shape_of(draw)
        return [spread(shape) if name == "BatchNorm (train)" else shape, *parameters_of(shape, **options)], options


def _dense_shape(draw):
    return {"units": draw(sides(1)), "use_bias": draw(st.booleans())}, (draw(sides()), draw(sides(1)))


layer_case("Dense", lambda units, use_bias: ng.Dense(units, use_bias=use_bias),
           lambda x, w, *b, **_: ref.matmul(x, w) + (b[0] if b else 0), _dense_shape,
           lambda shape, units, use_bias: [(shape[1], units), *([(units,)] * use_bias)])


def _conv_shape(draw):
    size, kernel, c, f, options = convolution_shapes(draw)
    return {"filters": f, "kernel": kernel, **options}, (draw(sides(1, 2)), *size, c)


layer_case("Conv2D", lambda filters, kernel, **options: ng.Conv2D(filters, kernel, **options),
           lambda x, w, b, filters, kernel, **options: ref.conv2d(x, w, **options) + b, _conv_shape,
           lambda shape, filters, kernel, **_: [(*kernel, shape[3], filters), (filters,)])


def _transpose_shape(draw):
    options, (n, h, w, c) = _conv_shape(draw)
    return options | {"padding": "same"}, (n, min(h, 3), min(w, 3), c)


layer_case("Conv2DTranspose", lambda filters, kernel, **options: ng.Conv2DTranspose(filters, kernel, **options),
           lambda x, w, b, filters, kernel, **options: ref.conv2d_transpose(x, w, **options) + b, _transpose_shape,
           lambda shape, filters, kernel, **_: [(*kernel, filters, shape[3]), (filters,)])


def _resize_shape(draw):
    return ({"filters": draw(sides(1, 3)), "kernel": draw(st.integers(1, 5))},
            (draw(sides(1, 2)), draw(sides(1, 3)), draw(sides(1, 3)), draw(sides(1, 3))))


layer_case("ResizeConv2D", lambda filters, kernel: ng.ResizeConv2D(filters, kernel),
           lambda x, w, b, **_: ref.resize_conv2d(x, w) + b, _resize_shape,
           lambda shape, filters, kernel: [(kernel, kernel, shape[3], filters), (filters,)])


def _batch_norm_shape(draw):
    return {"eps": draw(st.sampled_from([1e-5, 1e-3]))}, draw(st.sampled_from([(3, 2), (4, 1), (2, 2, 2, 3), (3, 1, 2, 2)]))


layer_case("BatchNorm (train)", lambda eps: ng.BatchNorm(eps=eps), ref.batch_norm, _batch_norm_shape,
           lambda shape, eps: [shape[-1:], shape[-1:]], linear=())
layer_case("BatchNorm (eval)", lambda eps: ng.BatchNorm(eps=eps),
           lambda x, gamma, beta, eps: ref.batch_norm_eval(x, gamma, beta, 0.0, 1.0, eps), _batch_norm_shape,
           lambda shape, eps: [shape[-1:], shape[-1:]], training=False)


def _mask(shape, rate):
    """The mask that Dropout draws first."""
    return run_layer(ng.Dropout(rate), ng.Tensor(np.ones(shape))).data


def _noise(shape, std):
    """The noise that GaussianNoise draws first."""
    return run_layer(ng.GaussianNoise(std), ng.Tensor(np.zeros(shape))).data


layer_case("Dropout (train)", lambda rate: ng.Dropout(rate), lambda x, rate: x * _mask(x.shape, rate),
           lambda draw: ({"rate": draw(st.sampled_from([0.0, 0.3, 0.5]))}, draw(shapes(1, (1, 4)))), lambda shape, rate: [],
           linear=(0,))
layer_case("Dropout (eval)", lambda rate: ng.Dropout(rate), lambda x, rate: x,
           lambda draw: ({"rate": 0.3}, draw(shapes(0, (1, 4)))), lambda shape, rate: [], linear=(0,), training=False)

layer_case("GaussianNoise (train)", lambda std: ng.GaussianNoise(std), lambda x, std: x + _noise(x.shape, std),
           lambda draw: ({"std": draw(st.sampled_from([0.1, 1.0]))}, draw(shapes(0, (1, 4)))), lambda shape, std: [])
layer_case("GaussianNoise (eval)", lambda std: ng.GaussianNoise(std), lambda x, std: x,
           lambda draw: ({"std": 0.3}, draw(shapes(0, (1, 4)))), lambda shape, std: [], linear=(0,), training=False)


PLAIN = {"Flatten": (ng.Flatten, lambda x: x.reshape(len(x), int(np.prod(x.shape[1:])))),
         "UpSampling2D": (ng.UpSampling2D, ref.upsample), "ReLU": (ng.ReLU, ref.relu), "ELU": (ng.ELU, ref.elu),
         "LeakyReLU": (ng.LeakyReLU, ref.leaky_relu), "Tanh": (ng.Tanh, np.tanh), "Sigmoid": (ng.Sigmoid, ref.sigmoid),
         "Reshape": (lambda: ng.Reshape(4, 1), lambda x: x.reshape(len(x), 4, 1))}
SHAPES = {"UpSampling2D": st.just((2, 2, 3, 2)), "Reshape": st.sampled_from([(3, 2, 2), (2, 4)])}
for name, (layer, function) in PLAIN.items():
    layer_case(name, layer, function, lambda draw, name=name: ({}, draw(SHAPES.get(name, shapes(1, (2, 4))))),
               lambda shape: [])
