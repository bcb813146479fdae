"""Faults that derivatives at ordinary numbers do not show, in the five kinds in which they were once missed.

Aliasing, lost digits, edges, the laws of what is random, layouts of the optimisers' arrays: each is right on standard
normal numbers in fresh arrays, where every other property looks. Here they are planted, in the way of mutants.py.
"""

import functools

from numgan import conv, layers, losses, norm, ops, optim, residual, resize, tensor

from . import graphs, laws, properties
from .cases import CASES
from .edges import MANY_ROWS
from .mutants import ADAM, SGD, op_checks, textual


def aliasing():
    """Gradients that share their memory with something."""
    checks = [functools.partial(properties.demand, holds, CASES[op]) for op in ("add", "reshape", "mul", "sum")
              for holds in (properties.siblings_keep_their_gradients, properties.gradients_belong_to_their_leaves)]
    return textual("backward", [*graphs.PROPERTIES, *checks],
                   (tensor._add_gradient, "g = np.asarray(gradients[tensor] + g)", "gradients[tensor] += g; return"),
                   (tensor._add_gradient, "if tensor in gradients:",
                    "if tensor in gradients and tensor.parents:\n        gradients[tensor] += g; return\n"
                    "    if tensor in gradients:"),
                   (tensor._add_gradient, "g = np.asarray(gradients[tensor] + g)", "g += gradients[tensor]"),
                   (tensor._add_gradient, " or not g.flags.writeable", ""),
                   (tensor.Tensor.backward, "leaf.grad = g if leaf.grad is None else np.asarray(leaf.grad + g)",
                    "leaf.grad = g if leaf.grad is None else np.add(leaf.grad, g, out=leaf.grad)"),
                   (tensor._add_gradient, "elif tensor.parents == () and", "elif False and"),
                   (tensor.Tensor.backward, "np.array(grad)", "np.asarray(grad)"))


def lost_digits():
    """Formulas that are right, and lose their digits where numbers are large, small, or far from 0 beside their spread."""
    smooth = "np.maximum(X, 0) - t * X + np.log1p(np.exp(-np.abs(X)))"
    return [
        *textual("sigmoid", op_checks("sigmoid"),
                 (ops.logistic, "np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))", "1 / (1 + np.exp(-x))"),
                 (ops.logistic, "np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))", "1 - 1 / (1 + np.exp(x))")),
        *textual("softplus", op_checks("softplus"),
                 (ops.softplus, "np.logaddexp(X, 0, dtype=X.dtype)", "np.log(1 + np.exp(X))"),
                 (ops.softplus, "np.logaddexp(X, 0, dtype=X.dtype)", "np.maximum(X, 0) + np.log(1 + np.exp(-np.abs(X)))")),
        *textual("elu", op_checks("elu"), (ops.elu, "np.expm1(np.minimum(x.data, 0))", "np.exp(np.minimum(x.data, 0)) - 1")),
        *textual("tanh", op_checks("tanh"), (ops.tanh, "np.tanh(x.data)", "1 - 2 / (np.exp(2 * np.minimum(x.data, 40)) + 1)")),
        *textual("abs", op_checks("abs"), (ops.abs, "np.abs(X)", "np.sqrt(X * X + X.dtype.type(1e-12))")),
        *textual("sqrt", op_checks("sqrt"), (ops.sqrt, "g / (2 * y)", "g / (2 * y + y.dtype.type(1e-8))")),
        *textual("batch_norm", op_checks("batch_norm"),
                 (norm.batch_norm, "variance = column_dot(xhat, xhat) / M", "variance = column_dot(X, X) / M - mean * mean")),
        *textual("bce_with_logits", op_checks("bce_with_logits"),
                 (losses.bce_with_logits, "np.log1p(np.exp(-np.abs(X)))", "np.log(1 + np.exp(-np.abs(X)))"),
                 (losses.bce_with_logits, smooth, "np.log1p(np.exp(X)) - t * X")),
        *textual("bce", op_checks("bce"), (losses.bce, "np.maximum(P, smallest)", "np.maximum(P, P.dtype.type(1e-7))"),
                 (losses.bce, "np.log1p(-P, out=np.asarray(np.log(no)), where=P < 1)", "np.log(no)")),
        *textual("softmax", op_checks("softmax"),
                 (losses.softmax, "x.data - x.data.max(axis, keepdims=True)", "x.data"),
                 (losses.softmax, "x.data.max(axis, keepdims=True)", "x.data.mean(axis, keepdims=True)")),
        *textual("l2", op_checks("l2"), (losses.l2, "(E * E).mean()", "(y.data * y.data).mean() - "
                                         "((y.data + y.data - E) * (y.data - E)).mean()")),
        *textual("softmax_cross_entropy", op_checks("softmax_cross_entropy"),
                 (losses.softmax_cross_entropy, "X - X.max(1, keepdims=True)", "X"),
                 (losses.softmax_cross_entropy, "X.max(1, keepdims=True)", "X.mean(1, keepdims=True)")),
    ]


def many_rows():
    """Sums in which digits, or terms, are lost only where there are many."""
    return textual("batch_norm", MANY_ROWS, (norm.column_dot, "ROWS", "len(a)"),
                   (norm.column_dot, "max(len(a), 1)", "max(len(a) // ROWS * ROWS, 1)"))


def edges():
    """Axes from the end, 0⁰, ties, saturation, tiny and large numbers, large strides and kernels, one element, none."""
    return [
        *textual("exp", op_checks("exp"), (ops.exp, "np.exp(x.data)", "np.exp(np.minimum(x.data, 80))"),
                 (ops.exp, "np.exp(x.data)", "np.exp(np.maximum(x.data, -80))")),
        *textual("log", op_checks("log"), (ops.log, "g / X", "g / np.maximum(X, X.dtype.type(1e-12))")),
        *textual("sqrt", op_checks("sqrt"), (ops.sqrt, "(2 * y)", "(2 * np.maximum(y, y.dtype.type(1e-12)))")),
        *textual("getitem", op_checks("getitem"), (ops.getitem, "np.may_share_memory(X, y)", "isinstance(index, tuple)")),
        *textual("concatenate", op_checks("concatenate"), (ops.concatenate, "i=i:", "i=tensors.index(t):")),
        *textual("max_pool2d", op_checks("max_pool2d"),
                 (conv.max_pool2d, "constant_values=-np.inf", "constant_values=-1e9"),
                 (conv.max_pool2d, "largest.sum(3, dtype=g.dtype)", "largest.sum(3, dtype=np.uint8).astype(g.dtype)")),
        *textual("conv2d", op_checks("conv2d"), (conv.im2col, "::strides[0]", "::min(strides[0], 3)")),
        *textual("resize_conv2d", op_checks("resize_conv2d"),
                 (resize.phase_sums, "offset.min(), offset.max() + 1", "max(offset.min(), -1), min(offset.max(), 1) + 1")),
        *textual("BatchNorm", op_checks("BatchNorm"),
                 (layers.BatchNorm.forward, "self.mean * scale", "self.mean * scale.detach()"),
                 (layers.BatchNorm.forward, "self.mean * scale", "self.mean"),
                 (layers.BatchNorm.forward, "self.variance + ", "1 + ")),
        *textual("PReLU", op_checks("PReLU"), (residual.PReLU.forward, "ops.relu(-x)", "(ops.relu(x) - x)")),
        *textual("softmax_cross_entropy", op_checks("softmax_cross_entropy"),
                 (losses._labels, "return labels", "return labels.astype(np.int8)")),
        *textual("power", op_checks("power"), (ops.power, " if p else np.zeros_like(X)", ""),
                 (ops.power, "g * p * X ** (p - 1)", "g * p * X**p / X"),
                 (ops.power, "X**p, (x", "np.exp(p * np.log(X)), (x")),
        *textual("transpose", op_checks("transpose"), (ops.transpose, "[a % g.ndim for a in axes]", "axes")),
        *textual("sum", op_checks("sum"), (ops.repeat, "if axis is None else axis", "if axis is None else np.abs(axis)")),
        *textual("max", op_checks("max"), (ops.max, "largest / largest.sum(axis, keepdims=True, dtype=X.dtype)", "largest"),
                 (ops.max, "largest.sum(axis, keepdims=True, dtype=X.dtype)",
                  "largest.sum(axis, keepdims=True, dtype=np.uint8).astype(X.dtype)")),
        *textual("relu", op_checks("relu"), (ops.relu, "x.data > 0", "x.data >= 0"),
                 (ops.relu, "x.data > 0", "x.data > 1e-12")),
        *textual("leaky_relu", op_checks("leaky_relu"), (ops.leaky_relu, "x.data > 0", "x.data >= 0")),
        *textual("abs", op_checks("abs"), (ops.abs, "np.sign(X)", "np.copysign(1, X)"),
                 (ops.abs, "np.sign(X)", "(X / np.maximum(np.abs(X), X.dtype.type(1e-12)))")),
        *textual("l1", op_checks("l1"), (losses.l1, "np.sign(E)", "np.copysign(1, E)")),
        *textual("bce", op_checks("bce"), (losses.bce, " * (no > smallest)", ""), (losses.bce, " * (yes > smallest)", ""),
                 (losses.bce, "np.maximum(P, smallest)", "P"), (losses.bce, "np.maximum(1 - P, smallest)", "1 - P")),
        *textual("batch_norm", op_checks("batch_norm"),
                 (norm.batch_norm, "/ np.sqrt(variance + X.dtype.type(eps))", "/ (np.sqrt(variance) + X.dtype.type(eps))")),
    ]


def other_laws():
    """Random layers and first weights that look right, and are not what they say."""
    own_generator = "self.rng = rng"
    noise, dropout, seeds, weights, directions = ([law] for law in laws.PROPERTIES)
    return textual(
        "laws", noise + seeds,
        (layers.GaussianNoise.forward, "np.float32(self.std)", "np.float32(self.std**2)"),
        (layers.GaussianNoise.forward, "np.float32(self.std)", "np.float32(self.std * 1.05)"),
        (layers.GaussianNoise.forward, "self.rng.standard_normal(x.shape, np.float32)",
         "(self.rng.random(x.shape, np.float32) - 0.5) * np.float32(12**0.5)"),
        (layers.GaussianNoise.forward, "self.rng.standard_normal(x.shape, np.float32)",
         "self.rng.standard_normal(x.shape[1:], np.float32)"),
        (layers.GaussianNoise.build, own_generator, "self.rng = np.random.default_rng(0)"),
    ) + textual(
        "laws", dropout + seeds,
        (layers.Dropout.__init__, "round(rate * 2**16)", "round((1 - rate) * 2**16)"),
        (layers.Dropout.__init__, "round(rate * 2**16)", "round(rate * 0.95 * 2**16)"),
        (layers.Dropout.forward, "np.uint16).reshape(x.shape) >=", "np.uint16).reshape(x.shape) <="),
        (layers.Dropout.forward, "1 / (1 - self.threshold / 2**16)", "1 + self.threshold / 2**16"),
        (layers.Dropout.forward, "1 / (1 - self.threshold / 2**16)", "np.float32(1 / (1 - self.threshold / 2**16))"),
        (layers.Dropout.forward, "self.rng.bytes(2 * x.size)", "np.random.default_rng(0).bytes(2 * x.size)"),
        (layers.Dropout.forward, "self.rng.bytes(2 * x.size), np.uint16).reshape(x.shape)",
         "self.rng.bytes(2 * x[0].size), np.uint16).reshape(x.shape[1:])"),
        (layers.Dropout.build, own_generator, "self.rng = np.random.default_rng(0)"),
    ) + textual(
        "laws", weights,
        (layers.normal, "rng.normal(0, std, shape)", "rng.normal(0, std**2, shape)"),
        (layers.normal, "rng.normal(0, std, shape)", "rng.normal(0, std**0.5, shape)"),
        (layers.glorot_uniform, "math.sqrt(6 /", "math.sqrt(3 /"),
        (layers.glorot_uniform, "taps * (shape[-2] + shape[-1])", "shape[-2] + shape[-1]"),
        (layers.glorot_uniform, "shape[-2] + shape[-1]", "2 * shape[-2]"),
    ) + textual(
        "laws", directions,
        (layers.unit_length, "rng.standard_normal(shape)", "rng.uniform(-1, 1, shape)"),
        (layers.unit_length, "rng.standard_normal(shape)", "rng.standard_exponential(shape)"),
        (layers.unit_length, "reshape(-1, shape[-1])", "reshape(-1)"))


def layouts():
    """Layouts in which the update of a moment gets lost."""
    return [mutant for op, checks in (("Adam", ADAM), ("SGD", SGD)) for mutant in textual(
        op, checks, (optim.Optimizer.__init__, "np.zeros(p.shape, p.dtype)", "np.zeros_like(p.data)"))]


def mutants():
    """All of them."""
    return [*aliasing(), *lost_digits(), *many_rows(), *edges(), *other_laws(), *layouts()]
