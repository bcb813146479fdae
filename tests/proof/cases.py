"""Every op and layer of the package, its reference, and how to draw examples of it; registry.py says what a case is.

To add an op, add one entry here, and what else README.md lists: all properties and all generic mutants then apply to it.
"""

import functools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import numgan as ng
from numgan import conv, embedding, losses, norm, ops, residual, resize
from numgan.tensor import Parameter

from . import reference as ref
from .registry import ANYWHERE, CASES, apart, case, moving, positive, shapes, sides, spread

__all__ = ["CASES"]

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
UNIT = {"tanh": (0, 1), "sigmoid": (0, 1), "elu": (0, 1)}  # 1 - y², 1 - y, 1 + y
for name, function in UNARY.items():
    @case(name, getattr(ops, name), function, linear=(0,) if name == "neg" else (), unit=UNIT.get(name, (0, 0)),
          moved=moving(60) if name == "exp" else ANYWHERE)
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
    n, k, m = draw(sides()), draw(sides()), draw(sides())
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
    return [(*shape[:axis], n, *shape[axis + 1:]) for n in lengths], {"axis": axis - len(shape) * draw(st.booleans())}


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
        if draw(st.booleans()):
            axes = axes.map(lambda axes: axes and tuple(a - len(shape) for a in axes))  # from the end
        one = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
        return [shape], {"axis": draw(st.one_of(st.none(), one, axes)), "keepdims": draw(st.booleans())}


# ---- convolution


def convolution_shapes(draw, valid_fits=True):
    """Image, kernel, channels, strides, padding: rectangular, 1 to 5 taps, even and odd, overlapping or not."""
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    size = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    strides = draw(st.sampled_from([1, 1, 2, 3, (1, 2), (2, 1), (4, 5)]))
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
            (draw(st.integers(1, 7)), draw(st.integers(1, 7)), c, f)], {}


@case("upsample", resize.upsample, ref.upsample, linear=(0,))
def _upsample(draw):
    return [tuple(draw(sides(0, 3)) for _ in range(4))], {"factor": draw(st.integers(1, 3))}


@case("depth_to_space", resize.depth_to_space, ref.depth_to_space, linear=(0,))
def _depth_to_space(draw):
    block = draw(st.integers(1, 3))
    return [(draw(sides()), draw(sides()), draw(sides()), block**2 * draw(sides(1, 2)))], {"block": block}


@case("max_pool2d", conv.max_pool2d, ref.max_pool2d)
def _max_pool2d(draw):
    size, kernel, c, _, options = convolution_shapes(draw)
    if not isinstance(options["padding"], str):  # a window sees at least one pixel
        options["padding"] = tuple(tuple(min(n, k - 1) for n in p) for p, k in zip(options["padding"], kernel, strict=True))
        size = tuple(max(n, k - sum(p)) for n, k, p in zip(size, kernel, options["padding"], strict=True))
    return [apart((draw(sides(0, 2)), *size, c))], {"pool_size": kernel, **options}


# ---- batch normalisation


@case("batch_norm", lambda *inputs, eps: norm.batch_norm(*inputs, eps)[0], ref.batch_norm, linear=(1,))
def _batch_norm(draw):
    rows, c = draw(st.sampled_from([(3,), (5,), (2, 2), (2, 2, 3), (1, 3, 2)])), draw(sides(1))
    beta = np.zeros(c) if draw(st.booleans()) else (c,)
    return [spread((*rows, c)), (c,), beta], {"eps": draw(st.sampled_from([1e-5, 1e-3, 0.1]))}


# ---- losses


def target(draw, shape, low, high):
    """A number or an array in low … high, of float32's numbers, so that every dtype has the same target."""
    seed = draw(st.integers(0, 99))
    values = np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
    return draw(st.sampled_from([low, high, values.astype(np.float64)]))


def loss_shapes():
    """At least one element."""
    return shapes(1, dims=(0, 3))


for name in ("bce_with_logits", "l1", "l2"):
    @case(name, getattr(losses, name), getattr(ref, name), unit=(0, 1) if name == "bce_with_logits" else (0, 0))  # σ - t
    def _loss(draw):
        shape = draw(loss_shapes())
        return [shape], {"t": target(draw, shape, 0.0, 1.0)}


for name in ("l1", "l2"):
    @case(f"{name} (target)", getattr(losses, name), getattr(ref, name), unit=(0, 1))  # Σ ±1 / n, to a target of one number
    def _loss_and_target(draw):
        shape = draw(loss_shapes())
        return [shape, draw(st.sampled_from([shape, ()]))], {}


def nearly_sure(rng, p):
    """Probabilities that are all tiny, or all as near to 1 as float32 gets."""
    p = p * 10 ** rng.uniform(-20, 0)
    return p if rng.random() < 0.5 else np.minimum(1 - p, 1 - 2.0**-24)


@case("bce", losses.bce, ref.bce, moved=nearly_sure)
def _bce(draw):
    shape = draw(loss_shapes())
    return [lambda rng: rng.uniform(0.05, 0.95, shape)], {"t": target(draw, shape, 0.0, 1.0)}


@case("softmax", losses.softmax, ref.softmax, unit=(0, 1))  # g - Σ g y
def _softmax(draw):
    shape = draw(shapes(1, dims=(1, 3)))
    return [shape], {"axis": draw(st.integers(-len(shape), len(shape) - 1))}


@case("softmax_cross_entropy", losses.softmax_cross_entropy, ref.softmax_cross_entropy, unit=(1, 1))  # ln 1, p - 1
def _softmax_cross_entropy(draw):
    n, classes = draw(sides(1)), draw(st.integers(2, 5))
    return [(n, classes)], {"labels": np.array([draw(st.integers(0, classes - 1)) for _ in range(n)])}


# ---- layers: ops of their input and their parameters, which are inputs like x


def run_layer(layer, x, *parameters, training=True):
    """layer(x) with other tensors in place of its parameters, and other numbers in a batch norm's statistics."""
    layer.build(x.shape[1:], np.random.default_rng(0), x.dtype)
    layer.train(training)
    if isinstance(layer, ng.BatchNorm):
        layer.mean[...], layer.variance[...] = statistics(x.shape[-1])
    for (name, _), tensor in zip(parameters_of(layer), parameters, strict=True):
        setattr(layer, name, tensor)
    return layer(x)


def statistics(channels):
    """A mean and a variance for each channel."""
    return np.linspace(-1, 2, channels), np.linspace(0.5, 3, channels)


def parameters_of(layer):
    """Name and shape of each, once it is built."""
    return [(name, value.shape) for name, value in vars(layer).items() if isinstance(value, Parameter)]


def layer_case(name, layer, reference, values=tuple, training=True, **options_of_case):
    """Registers a function draw -> (shape of x, options of the layer); the layer itself says which parameters it has.

    The reference takes x, the parameters and the options; `values`: shape -> how x is filled.
    """
    def register(build):
        @case(name, lambda *inputs, **options: run_layer(layer(**options), *inputs, training=training), reference,
              **options_of_case)
        def _layer(draw):
            shape, options = build(draw)
            built = layer(**options)
            built.build(shape[1:], np.random.default_rng(0), np.float64)
            return [values(shape), *(shape for _, shape in parameters_of(built))], options
        return build
    return register


@layer_case("Dense", ng.Dense, reference=lambda x, w, b=0, **_: ref.matmul(x, w) + b)
def _dense(draw):
    return (draw(sides()), draw(sides(1))), {"units": draw(sides(1)), "use_bias": draw(st.booleans())}


@layer_case("Conv2D", ng.Conv2D, reference=lambda x, w, b, strides, padding, **_: ref.conv2d(x, w, strides, padding) + b)
def _conv2d_layer(draw):
    size, kernel, c, f, options = convolution_shapes(draw)
    return (draw(sides(1, 2)), *size, c), {"filters": f, "kernel_size": kernel, **options}


@layer_case("Conv2DTranspose", ng.Conv2DTranspose,
            reference=lambda x, w, b, strides, **_: ref.conv2d_transpose(x, w, strides) + b)
def _conv2d_transpose_layer(draw):
    (n, h, w, c), options = _conv2d_layer(draw)
    return (n, min(h, 3), min(w, 3), c), options | {"padding": "same"}


@layer_case("ResizeConv2D", ng.ResizeConv2D, reference=lambda x, w, b, **_: ref.resize_conv2d(x, w) + b)
def _resize_conv2d_layer(draw):
    return ((draw(sides(1, 2)), draw(sides(1, 3)), draw(sides(1, 3)), draw(sides(1, 3))),
            {"filters": draw(sides(1, 3)), "kernel_size": draw(st.integers(1, 7))})


@layer_case("BatchNorm (train)", ng.BatchNorm, reference=ref.batch_norm, values=spread)
@layer_case("BatchNorm (eval)", ng.BatchNorm, training=False,
            reference=lambda x, gamma, beta, eps: ref.batch_norm_eval(x, gamma, beta, *statistics(x.shape[-1]), eps))
def _batch_norm_layer(draw):
    return draw(st.sampled_from([(3, 2), (4, 1), (2, 2, 2, 3), (3, 1, 2, 2)])), {"eps": draw(st.sampled_from([1e-5, 1e-3]))}


def drawn_first(layer, x, **options):
    """What a random layer makes of x: its first random numbers, whose law test_laws.py looks at."""
    return run_layer(layer(**options), ng.Tensor(x)).data


@layer_case("Dropout (train)", ng.Dropout, linear=(0,),
            reference=lambda x, rate: x * drawn_first(ng.Dropout, np.ones(x.shape), rate=rate))
@layer_case("Dropout (eval)", ng.Dropout, linear=(0,), reference=lambda x, rate: x, training=False)
def _dropout(draw):
    return draw(shapes(1, (1, 4))), {"rate": draw(st.sampled_from([0.0, 0.3, 0.5]))}


@layer_case("GaussianNoise (train)", ng.GaussianNoise,
            reference=lambda x, std: x + drawn_first(ng.GaussianNoise, np.zeros(x.shape), std=std))
@layer_case("GaussianNoise (eval)", ng.GaussianNoise, linear=(0,), reference=lambda x, std: x, training=False)
def _gaussian_noise(draw):
    return draw(shapes(0, (1, 4))), {"std": draw(st.sampled_from([0.1, 1.0]))}


for name, function in {"ReLU": ref.relu, "ELU": ref.elu, "Tanh": np.tanh, "Sigmoid": ref.sigmoid}.items():
    @layer_case(name, getattr(ng, name), reference=function, unit=UNIT.get(name.lower(), (0, 0)))
    def _activation(draw):
        return draw(shapes(1, (2, 4))), {}


@layer_case("LeakyReLU", ng.LeakyReLU, reference=ref.leaky_relu)
def _leaky_relu_layer(draw):
    return draw(shapes(1, (2, 4))), {"slope": draw(st.sampled_from([0.0, 0.2, 0.9]))}


@layer_case("PReLU", residual.PReLU, reference=lambda x, a: np.where(x.real > 0, x, a * x))
def _prelu(draw):
    return draw(shapes(1, (2, 4))), {}


@layer_case("Residual", lambda: residual.Residual(ng.Tanh(), residual.Residual(ng.Sigmoid())), unit=(0, 1),
            reference=lambda x: x + np.tanh(x) + ref.sigmoid(np.tanh(x)))
def _residual(draw):
    return draw(shapes(1, (2, 4))), {}


@layer_case("PixelShuffle", residual.PixelShuffle, linear=(0,), reference=lambda x, factor: ref.depth_to_space(x, factor))
def _pixel_shuffle(draw):
    factor = draw(st.integers(1, 3))
    return (draw(sides(1, 2)), draw(sides(1, 3)), draw(sides(1, 3)), factor**2 * draw(sides(1, 2))), {"factor": factor}


@case("Embedding", lambda table, words: run_layer(ng.Embedding(*table.shape), ng.Tensor(words * table.dtype.type(1)), table),
      lambda table, words: np.sum([table[column] for column in words.T], 0), linear=(0,))
def _embedding(draw):
    vocabulary, d, n, length = draw(sides(1)), draw(sides(1)), draw(sides(1)), draw(sides(2, 5))  # so that words come back
    word = st.integers(0, vocabulary - 1)
    return [(vocabulary, d)], {"words": np.array([[draw(word) for _ in range(length)] for _ in range(n)])}


def augmentation(shape, dtype):
    """The layer, built, with a table of this shape."""
    layer = embedding.Augmentation(*shape)
    layer.build((shape[1] + 1,), np.random.default_rng(0), dtype)
    return layer


def augmented(noise, table, words):
    """The layer with another tensor in place of its table."""
    layer = augmentation(table.shape, noise.dtype)
    layer.reader.stack[0].table = table
    return layer(ng.concatenate([noise, ng.Tensor(words.astype(noise.dtype))], 1))


@functools.cache
def reader(shape):
    """The matrix in which the layer's reader multiplies the sum of the words' vectors."""
    return augmentation(shape, np.float64).reader.stack[1].w.data


def augmented_reference(noise, table, words):
    """μ + σ ε; the moments are linear in the sum of the words' vectors."""
    mean, log_variance = np.split(np.matmul(sum(table[column] for column in words.T), reader(table.shape)), 2, 1)
    return mean + np.exp(log_variance / 2) * noise


@case("Augmentation", augmented, augmented_reference, moved=moving(20))
def _augmentation(draw):
    vocabulary, d, n = draw(sides(1)), draw(sides(1)), draw(sides(1))
    return [(n, d), (vocabulary, d)], {"words": np.array([[draw(st.integers(0, vocabulary - 1))] for _ in range(n)])}


def beside(x, last, shape):
    """The last numbers of x at each pixel of the image that the numbers before them are."""
    return [[[*pixel, *row[-last:]] for pixel in row[:-last].reshape(-1, shape[-1])] for row in x]


@layer_case("Beside", lambda shape, last: embedding.Beside([ng.Reshape(*shape)], [], last), linear=(0,),
            reference=lambda x, shape, last: np.array(beside(x, last, shape)).reshape(len(x), *shape[:-1], shape[-1] + last))
def _beside(draw):
    shape, last = draw(st.sampled_from([(3,), (1,), (2, 3, 1), (2, 2, 2)])), draw(sides(1))
    return (draw(sides(1, 3)), int(np.prod(shape)) + last), {"shape": shape, "last": last}


@layer_case("UpSampling2D", ng.UpSampling2D, linear=(0,), reference=ref.upsample)
def _upsampling(draw):
    return (2, 2, 3, 2), {"factor": draw(st.integers(1, 3))}


@layer_case("MaxPool2D", ng.MaxPool2D, reference=ref.max_pool2d, values=apart)
def _max_pooling(draw):
    return (1, 5, 4, 2), {"pool_size": draw(st.integers(1, 3)), "padding": draw(st.sampled_from(["valid", "same"])),
                          **draw(st.sampled_from([{}, {"strides": 1}, {"strides": (1, 2)}]))}


@layer_case("Flatten", ng.Flatten, linear=(0,), reference=lambda x: x.reshape(len(x), int(np.prod(x.shape[1:]))))
def _flatten(draw):
    return draw(shapes(1, (2, 4))), {}


@layer_case("Reshape", lambda: ng.Reshape(4, 1), linear=(0,), reference=lambda x: x.reshape(len(x), 4, 1))
def _reshape_layer(draw):
    return draw(st.sampled_from([(3, 2, 2), (2, 4)])), {}
