"""Every elementary op beside its derivative.

Each function computes its value y and returns it with one vjp per input. A vjp takes g = dL/dy and gives dL/d(input). The
docstrings derive it from what g means: a small change dy in y changes L by dL = <g, dy>, where <a, b> is the sum of all
products of corresponding elements. Write dy in terms of dx, then move everything but dx to the left of the comma: what stands
there is dL/dx. For y = x², dL = <g, 2x dx> = <2x g, dx>, so dL/dx = 2x g: `from_op(X * X, (x, lambda g: 2 * X * g))`. A factor
that multiplies elementwise moves over unchanged, <g, b dx> = <g b, dx>; a matrix is transposed when it moves over:

    <g, dA B> = Σ gᵢⱼ dAᵢₖ Bₖⱼ = Σ (Σⱼ gᵢⱼ Bₖⱼ) dAᵢₖ = <g Bᵀ, dA>

Textbooks write dy = J dx, with a row of the Jacobian J per element of y and a column per element of x, and dL/dx = Jᵀ g. Nobody
builds J: for 32 images of 28 × 28 × 64 it has 1.6 million rows and columns, 10 TB in float32. A vjp gives Jᵀ g directly.

The vjp of a linear op y = A x is the transpose Aᵀ, for which <g, A dx> = <Aᵀ g, dx>. conv.py calls it the adjoint. The vjps
hold arrays, never tensors, so graphs have no reference cycles and are freed with the last reference. At the end of the file
the ops become Tensor's operators and methods: `a * b`, `x[0]`, `x.sum()`. (So `abs`, `sum` and `max` are ops in this file, not
Python's functions.) Read gradcheck.py next.
"""

import copy
import operator

import numpy as np

from .errors import InputError
from .tensor import Tensor, as_tensor, from_op

# ---- arithmetic, with broadcasting


def unbroadcast(g, shape):
    """Sum g over the axes that broadcasting repeated: an input used many times gets the sum of its gradients."""
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    repeated = tuple(range(added)) + tuple(added + i for i, n in enumerate(shape) if n == 1)
    return g.sum(axis=repeated).reshape(shape)


def operands(op, a, b):
    """a and b as tensors of one dtype; a plain number takes the other's. Mixed dtypes: InputError."""
    a, b = as_tensor(a, getattr(b, "dtype", None)), as_tensor(b, getattr(a, "dtype", None))
    if a.dtype != b.dtype:
        raise InputError(f"{op}: expected one dtype, got {a.dtype} {a.shape} and {b.dtype} {b.shape}; use .astype(np.float32)")
    return a, b


def add(a, b):
    """y = a + b.   dL = <g, da + db>, so both gradients are g itself."""
    a, b = operands("add", a, b)
    A, B = a.data, b.data
    return from_op(A + B,
                   (a, lambda g: unbroadcast(g, A.shape)),
                   (b, lambda g: unbroadcast(g, B.shape)))


def sub(a, b):
    """y = a - b.   dL = <g, da - db> = <g, da> + <-g, db>."""
    a, b = operands("sub", a, b)
    A, B = a.data, b.data
    return from_op(A - B,
                   (a, lambda g: unbroadcast(g, A.shape)),
                   (b, lambda g: unbroadcast(-g, B.shape)))


def mul(a, b):
    """y = a b, elementwise.   dL = <g, da b + a db> = <g b, da> + <g a, db>."""
    a, b = operands("mul", a, b)
    A, B = a.data, b.data
    return from_op(A * B,
                   (a, lambda g: unbroadcast(g * B, A.shape)),
                   (b, lambda g: unbroadcast(g * A, B.shape)))


def div(a, b):
    """y = a / b.   a = y b, so da = dy b + y db, and dy = da / b - (y / b) db. No b²: for a small b it would underflow."""
    a, b = operands("div", a, b)
    A, B = a.data, b.data
    y = A / B
    return from_op(y,
                   (a, lambda g: unbroadcast(g / B, A.shape)),
                   (b, lambda g: unbroadcast(-(g / B) * y, B.shape)))


def neg(x):
    """y = -x.   dL = <g, -dx> = <-g, dx>."""
    x = as_tensor(x)
    return from_op(-x.data, (x, lambda g: -g))


def power(x, p):
    """y = xᵖ, p a real number.   dy = p xᵖ⁻¹ dx. By convention 0⁰ = 1, with derivative 0. InputError if p is not a number."""
    x = as_tensor(x)
    if not isinstance(p, (int, float, np.integer, np.floating)):
        raise InputError(f"power: expected a plain number as exponent, got {type(p).__name__}")
    X, p = x.data, x.dtype.type(p)
    return from_op(X**p, (x, lambda g: g * p * X ** (p - 1) if p else np.zeros_like(X)))


def matmul(a, b):
    """y = a @ b, shapes (n, k), (k, m) -> (n, m).

    dL = <g, dA B> = <g Bᵀ, dA>, so dL/dA = g Bᵀ;   likewise dL = <g, A dB> = <Aᵀ g, dB>, so dL/dB = Aᵀ g.
    """
    a, b = operands("matmul", a, b)
    A, B = a.data, b.data
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0]:
        raise InputError(f"matmul: expected shapes (n, k) and (k, m), got {A.shape} and {B.shape}")
    return from_op(A @ B, (a, lambda g: g @ B.T), (b, lambda g: A.T @ g))


# ---- elementwise functions: dy = f'(x) dx, so dL/dx = g f'(x)


def exp(x):
    """y = eˣ, its own derivative."""
    x = as_tensor(x)
    y = np.exp(x.data)
    return from_op(y, (x, lambda g: g * y))


def log(x):
    """y = ln x.   dy = dx / x."""
    x = as_tensor(x)
    X = x.data
    return from_op(np.log(X), (x, lambda g: g / X))


def sqrt(x):
    """y = √x.   y² = x, so 2 y dy = dx."""
    x = as_tensor(x)
    y = np.sqrt(x.data)
    return from_op(y, (x, lambda g: g / (2 * y)))


def abs(x):
    """y = |x|.   dy = sign(x) dx; 0 at the kink."""
    x = as_tensor(x)
    X = x.data
    return from_op(np.abs(X), (x, lambda g: g * np.sign(X)))


def tanh(x):
    """y = tanh x.   y' = 1 - y²."""
    x = as_tensor(x)
    y = np.tanh(x.data)
    return from_op(y, (x, lambda g: g * (1 - y * y)))


def sigmoid(x):
    """y = 1 / (1 + e⁻ˣ).   y' = e⁻ˣ / (1 + e⁻ˣ)² = y (1 - y)."""
    x = as_tensor(x)
    y = logistic(x.data)
    return from_op(y, (x, lambda g: g * (y * (1 - y))))


def logistic(x):
    """1 / (1 + e⁻ˣ) of an array. Written so that the exponents are never positive: no overflow, no lost digits."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def softplus(x):
    """y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^-|x|).   y' = eˣ / (1 + eˣ) = sigmoid(x)."""
    x = as_tensor(x)
    X = x.data
    return from_op(np.logaddexp(X, 0, dtype=X.dtype), (x, lambda g: g * logistic(X)))  # ln(eˣ + e⁰)


def relu(x):
    """y = max(x, 0).   y' = 1 where x > 0, else 0 (also at the kink)."""
    x = as_tensor(x)
    positive = x.data > 0
    return from_op(np.maximum(x.data, 0), (x, lambda g: g * positive))


def leaky_relu(x, slope=0.2):
    """y = x where x > 0, else slope·x, with 0 <= slope < 1 (Maas et al. 2013).   y' = 1 or slope; slope at the kink."""
    x = as_tensor(x)
    if not 0 <= slope < 1:
        raise InputError(f"leaky_relu: expected 0 <= slope < 1, got {slope}")
    slope, rest = x.dtype.type(slope), x.dtype.type(1 - slope)
    positive = x.data > 0
    y = np.asarray(x.data * slope)

    def vjp(g):
        dx = np.asarray(positive * rest)  # 1 - slope or 0, and then 1 or slope: ten times as fast as np.where
        dx += slope
        dx *= g
        return dx

    return from_op(np.maximum(x.data, y, out=y), (x, vjp))  # the larger one is the right one, since slope < 1


def elu(x):
    """y = x where x > 0, else eˣ - 1 (Clevert et al. 2016).   y' = 1 or eˣ, that is y + 1; the two agree at 0."""
    x = as_tensor(x)
    y = np.asarray(np.expm1(np.minimum(x.data, 0)))
    slope = y + 1
    y += np.maximum(x.data, 0)
    return from_op(y, (x, lambda g: g * slope))


# ---- shapes: every one of these moves numbers, and its gradient moves them back


def reshape(x, *shape):
    """The same numbers in another shape; their gradients go back to the old one."""
    x = as_tensor(x)
    old = x.shape
    return from_op(x.data.reshape(*shape), (x, lambda g: g.reshape(old)))


def transpose(x, *axes):
    """Axes in another order (reversed by default), negative ones from the end; the inverse permutation brings g back."""
    x = as_tensor(x)
    axes = axes or tuple(range(x.ndim))[::-1]
    return from_op(x.data.transpose(axes), (x, lambda g: g.transpose(np.argsort([a % g.ndim for a in axes]))))


def getitem(x, index):
    """y = x[index] gathers; the gradient scatters g back. An element taken twice gets the sum of both gradients."""
    x, index = as_tensor(x), copy.deepcopy(index)
    X, y = x.data, x.data[index]
    put = operator.setitem if np.may_share_memory(X, y) else np.add.at  # a slice is a view, and takes no element twice

    def scatter(g):
        dx = np.zeros_like(X)
        put(dx, index, g)
        return dx

    return from_op(y, (x, scatter))


def concatenate(tensors, axis=0):
    """Tensors one after another along an axis; each gets back its slice of g. InputError if there are none, or dtypes mix."""
    tensors = [as_tensor(t) for t in tensors]
    if len({t.dtype for t in tensors}) != 1:
        raise InputError(f"concatenate: expected tensors of one dtype, got {[f'{t.dtype} {t.shape}' for t in tensors]}")
    y = np.concatenate([t.data for t in tensors], axis)
    ends = np.cumsum([0, *(t.shape[axis] for t in tensors)])  # below, i=i: each vjp has an i of its own
    return from_op(y, *((t, lambda g, i=i: np.split(g, ends[i:i + 2], axis)[1]) for i, t in enumerate(tensors)))


def pad(x, widths):
    """Zeros around x, widths = ((before, after), ...) per axis; the gradient is g without that border."""
    x = as_tensor(x)
    inside = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    return from_op(np.pad(x.data, widths), (x, lambda g: g[inside]))


# ---- sums and repetitions: one is the other's transpose


def broadcast_to(x, shape):
    """y repeats x.   <g, repeat dx> = <sum over the copies of g, dx>."""
    x = as_tensor(x)
    X = x.data
    return from_op(np.broadcast_to(X, shape), (x, lambda g: unbroadcast(g, X.shape)))


def sum(x, axis=None, keepdims=False):
    """y = Σ x over the given axes (all by default).   Every term has derivative 1: g is repeated along them."""
    x = as_tensor(x)
    X = x.data
    return from_op(X.sum(axis, keepdims=keepdims), (x, lambda g: repeat(g, X.shape, axis, keepdims)))


def mean(x, axis=None, keepdims=False):
    """y = Σ x / n over the n elements along the given axes.   Every term has derivative 1/n."""
    x = as_tensor(x)
    total = sum(x, axis, keepdims)
    return total / (x.size / (total.size or 1))


def max(x, axis=None, keepdims=False):
    """y = max x along the given axes.   dy = dx of the largest element; if several are equal, they share g equally."""
    x = as_tensor(x)
    X = x.data
    largest = X == X.max(axis, keepdims=True)
    share = largest / largest.sum(axis, keepdims=True, dtype=X.dtype)
    return from_op(X.max(axis, keepdims=keepdims), (x, lambda g: repeat(g, X.shape, axis, keepdims) * share))


def repeat(g, shape, axis, keepdims):
    """The transpose of a sum: g, which lacks the summed axes unless `keepdims`, repeated along them to `shape`."""
    if shape and not keepdims:
        g = np.expand_dims(g, tuple(range(len(shape))) if axis is None else axis)
    return np.broadcast_to(g, shape)


# ---- the operators and methods of Tensor, so that formulas read as formulas

Tensor.__add__, Tensor.__radd__ = add, lambda a, b: add(b, a)
Tensor.__sub__, Tensor.__rsub__ = sub, lambda a, b: sub(b, a)
Tensor.__mul__, Tensor.__rmul__ = mul, lambda a, b: mul(b, a)
Tensor.__truediv__, Tensor.__rtruediv__ = div, lambda a, b: div(b, a)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, lambda a, b: matmul(b, a)
Tensor.__neg__, Tensor.__pow__, Tensor.__getitem__ = neg, power, getitem
Tensor.sum, Tensor.mean, Tensor.max, Tensor.reshape, Tensor.transpose = sum, mean, max, reshape, transpose
