"""The faults that break_it.py draws from. If you want to play, do not read on."""

import inspect
from pathlib import Path

from numgan import conv, losses, norm, ops


def line_of(function, old):
    """Where the one line of `function` that contains `old` stands: (path of its file, line number, the line)."""
    lines, first = inspect.getsourcelines(function)
    (index, line), = [(i, line) for i, line in enumerate(lines) if old in line]
    return Path(inspect.getsourcefile(function)), first + index, line.strip()


# Mistakes that people make. Each changes no shape, and only one op's derivative: (function, old, new).
FAULTS = [
    (ops.add, "(b, lambda g: unbroadcast(g, B.shape))", "(b, lambda g: unbroadcast(-g, B.shape))"),
    (ops.mul, "unbroadcast(g * B, A.shape)", "unbroadcast(g * A, A.shape)"),
    (ops.mul, "unbroadcast(g * A, B.shape)", "unbroadcast(g * B, B.shape)"),
    (ops.div, "unbroadcast(g / B, A.shape)", "unbroadcast(g * B, A.shape)"),
    (ops.div, "-(g / B) * y", "(g / B) * y"),
    (ops.div, "-(g / B) * y", "-(g / B)"),
    (ops.matmul, "g @ B.T", "-g @ B.T"),
    (ops.matmul, "lambda g: A.T @ g", "lambda g: A.T @ g / len(g)"),
    (ops.sqrt, "g / (2 * y)", "g / y"),
    (ops.sqrt, "g / (2 * y)", "g / 2 * y"),
    (ops.tanh, "g * (1 - y * y)", "g * (1 - y)"),
    (ops.tanh, "g * (1 - y * y)", "g * y * (1 - y)"),
    (ops.tanh, "g * (1 - y * y)", "1 - y * y"),
    (ops.leaky_relu, "x.data > 0", "x.data < 0"),
    (ops.leaky_relu, "x.dtype.type(1 - slope)", "x.dtype.type(1)"),
    (ops.elu, "slope = y + 1", "slope = y"),
    (ops.elu, "g * slope", "g * y"),
    (ops.reshape, "g.reshape(old)", 'g.reshape(old, order="F")'),
    (ops.broadcast_to, "unbroadcast(g, X.shape)", "unbroadcast(g, X.shape) * X.size / g.size"),
    (ops.sum, "repeat(g, X.shape, axis, keepdims)", "repeat(g, X.shape, axis, keepdims) * g.size / X.size"),
    (conv.conv2d, "correlate_adjoint_x(g, W, size", "correlate_adjoint_x(g, W[::-1, ::-1], size"),
    (conv.conv2d, "correlate_adjoint_w(X, g, kernel, strides, padding)",
     "correlate_adjoint_w(X, g, kernel, strides, padding)[::-1, ::-1]"),
    (conv.conv2d, "correlate_adjoint_w(X, g, kernel, strides, padding)",
     "correlate_adjoint_w(X, g, kernel, strides, padding) / len(X)"),
    (conv.max_pool2d, "windows == y", "windows <= y"),
    (norm.batch_norm, "dx = xhat * (column_dot(g, xhat) / -M)", "dx = np.zeros_like(xhat)"),
    (norm.batch_norm, "column_dot(g, xhat) / -M", "column_dot(g, xhat) / M"),
    (norm.batch_norm, "dx -= column_sum(g) / M", "pass"),
    (norm.batch_norm, "dx *= scale * inverse", "dx *= inverse"),
    (norm.batch_norm, "dx *= scale * inverse", "dx *= scale"),
    (norm.batch_norm, "column_dot(g.reshape(X.shape), xhat)", "column_dot(g.reshape(X.shape), X)"),
    (norm.batch_norm, "column_sum(g.reshape(X.shape))", "column_sum(g.reshape(X.shape)) / M"),
    (losses.bce_with_logits, "(logistic(X) - t) / X.size", "(logistic(X) - t)"),
    (losses.bce_with_logits, "(logistic(X) - t) / X.size", "(logistic(X) + t) / X.size"),
    (losses.bce_with_logits, "(logistic(X) - t) / X.size", "(t - logistic(X)) / X.size"),
]
