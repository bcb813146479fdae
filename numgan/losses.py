"""Losses: one number L that says how wrong a network is, and dL/d(output), from which all its gradients follow.

All are means over all elements, n of them (softmax_cross_entropy: over the n rows), so that learning rates do not depend on
the batch size. A target is a plain number, or an array or Tensor of the prediction's shape; arrays are copied and take the
prediction's dtype. `l1` and `l2` pass a gradient to a target that requires one, too; the cross-entropies refuse such a target.
This file also has `softmax`, whose logarithm softmax_cross_entropy takes, and `accuracy`, a figure to watch. Read optim.py
next.
"""

import numpy as np

from .errors import InputError
from .ops import logistic
from .tensor import Tensor, as_tensor, from_op


def _target(op, t, x):
    """The target as a Tensor of x's dtype; InputError if its shape is neither () nor x's, or if it is not of real numbers."""
    t = as_tensor(t, x.dtype, cast=True)
    if t.shape not in ((), x.shape) or t.dtype != x.dtype:
        raise InputError(f"{op}: expected a target like the prediction, {x.dtype} {x.shape}, or one number, "
                         f"got {t.dtype} {t.shape}")
    return t


def _probability(op, t, x):
    """A constant target as an array; InputError unless it lies in [0, 1]."""
    t = _target(op, _constant(op, t), x).data
    if not ((t >= 0) & (t <= 1)).all():
        raise InputError(f"{op}: expected targets in [0, 1], got {t.min():g} … {t.max():g}")
    return t


def _constant(op, t):
    """t, unless it is a Tensor that requires a gradient: InputError, since this loss has none for its target."""
    if isinstance(t, Tensor) and t.requires_grad:
        raise InputError(f"{op}: the target is a constant of this loss, but requires a gradient; use target.detach()")
    return t


def _labels(op, labels, X):
    """The labels (n,) as an array; InputError unless they are integers that name columns of X (n, classes)."""
    labels = np.array(labels)
    if X.ndim != 2 or labels.shape != X.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{op}: expected logits (n, classes) and integer labels (n,), "
                         f"got {X.shape} and {labels.dtype} {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < X.shape[1]:
        raise InputError(f"{op}: labels must lie in 0 … {X.shape[1] - 1}, got {labels.min()} … {labels.max()}")
    return labels


def bce_with_logits(x, t):
    """Binary cross-entropy of p = sigmoid(x) against targets t in [0, 1]: mean of -t ln p - (1 - t) ln(1 - p).

    -ln p says how surprising an event is to which probability p was given: 0 if p = 1, 0.69 if p = 1/2, and unbounded as p
    approaches 0. Being sure and wrong costs most.

    -ln p = softplus(-x) = softplus(x) - x and -ln(1 - p) = softplus(x), so L = mean(softplus(x) - t x): no logarithm of 0,
    whatever x is. softplus' = sigmoid, so dL/dx = (p - t) / n.
    """
    x = as_tensor(x)
    X, t = x.data, _probability("bce_with_logits", t, x)
    # softplus(x) = max(x, 0) + ln(1 + e^-|x|). For t = 1 and a large x the first two terms cancel: e⁻ˣ is not lost beside x
    loss = np.maximum(X, 0) - t * X + np.log1p(np.exp(-np.abs(X)))
    return from_op(loss.mean(), (x, lambda g: g * (logistic(X) - t) / X.size))


def bce(p, t):
    """Binary cross-entropy of probabilities p in [0, 1] against targets t in [0, 1]: mean of -t ln p - (1 - t) ln(1 - p).

    dL/dp = (-t / p + (1 - t) / (1 - p)) / n. Below the smallest normal float the logarithms are constant (-87 in float32)
    and their derivative 0, so a saturated p costs much, not infinitely much. ln(1 - p) is `log1p(-p)`: 1 - p would lose the
    digits of a small p. bce_with_logits needs no such cut: prefer it.
    Raises InputError if a p lies outside [0, 1].
    """
    p = as_tensor(p)
    P, t = p.data, _probability("bce", t, p)
    if not ((P >= 0) & (P <= 1)).all():
        raise InputError(f"bce: expected probabilities in [0, 1], got {P.min():g} … {P.max():g}; for logits: bce_with_logits")
    smallest = np.finfo(P.dtype).tiny
    yes, no = np.maximum(P, smallest), np.maximum(1 - P, smallest)
    # where P = 1, log1p leaves what is in `out`, ln(smallest)
    loss = -t * np.log(yes) - (1 - t) * np.log1p(-P, out=np.asarray(np.log(no)), where=P < 1)
    return from_op(loss.mean(),
                   (p, lambda g: g * ((1 - t) / no * (no > smallest) - t / yes * (yes > smallest)) / P.size))


def l2(y, t):
    """Mean squared error, the mean of e² for e = y - t.   dL/de = 2 e / n; `sub` passes it on to y and t."""
    y = as_tensor(y)
    error = y - _target("l2", t, y)
    E = error.data
    return from_op((E * E).mean(), (error, lambda g: g * 2 * E / E.size))


def l1(y, t):
    """Mean absolute error, the mean of |e| for e = y - t.   dL/de = sign(e) / n, 0 where e = 0."""
    y = as_tensor(y)
    error = y - _target("l1", t, y)
    E = error.data
    return from_op(np.abs(E).mean(), (error, lambda g: g * np.sign(E) / E.size))


def softmax(x, axis=-1):
    """y = eˣ / Σ eˣ along the axis: from logits to probabilities.

    ln y = x - ln Σ eˣ, and the change in ln Σ eˣ is Σ eˣ dx / Σ eˣ = Σ y dx. So dy / y = dx - Σ y dx, and

        dL = <g, y dx> - <g, y Σ y dx> = <y g, dx> - (Σ g y) <y, dx>,   so dL/dx = y (g - Σ g y)

    Adding one number to all x does not change y, so dL/dx adds up to 0. For the same reason the largest x may be subtracted
    first, and no exponential overflows.
    """
    x = as_tensor(x)
    exponentials = np.exp(x.data - x.data.max(axis, keepdims=True))
    y = exponentials / exponentials.sum(axis, keepdims=True)
    return from_op(y, (x, lambda g: y * (g - (g * y).sum(axis, keepdims=True))))


def softmax_cross_entropy(x, labels):
    """Mean of -ln p[label] with p = softmax(x), for logits x (n, classes) and integer labels (n,) in 0 … classes - 1.

    -ln p[label] = ln Σ eˣ - x[label], and the derivative of ln Σ eˣ is p: dL/dx = (p - onehot(label)) / n.
    """
    x = as_tensor(x)
    X, labels = x.data, _labels("softmax_cross_entropy", _constant("softmax_cross_entropy", labels), x.data)
    shifted = X - X.max(1, keepdims=True)  # the softmax does not change, and no exponential overflows
    exponentials = np.exp(shifted)
    totals = exponentials.sum(1, keepdims=True)
    rows = np.arange(len(X))
    loss = (np.log(totals[:, 0]) - shifted[rows, labels]).mean()

    def vjp(g):
        dx = exponentials / totals
        dx[rows, labels] -= 1
        return dx * (g / len(X))

    return from_op(loss, (x, vjp))


def accuracy(outputs, labels):
    """Share of the rows whose largest output, the first of equal ones, is at the label: a number, not a Tensor.

    `outputs` are logits or probabilities (n, classes) with n >= 1, labels integers (n,) in 0 … classes - 1; else InputError.
    """
    X = as_tensor(outputs).data
    labels = _labels("accuracy", labels, X)
    if not len(labels):
        raise InputError(f"accuracy: expected at least one row, got {X.shape}")
    return float((X.argmax(1) == labels).mean())
