"""Numerical derivatives, to check those of backward().

    >>> from numgan import gradcheck, tanh
    >>> import numpy as np
    >>> gradcheck(tanh, np.array([0.5, -1.0])) < 1e-9
    True

Read losses.py next.
"""

import numpy as np

from .errors import InputError
from .tensor import Tensor


def numerical_gradient(f, x, eps=1e-5):
    """df/dx of f: array -> number, by central differences (f(x + eps) - f(x - eps)) / (2 eps) in every element.

    The even terms of the two Taylor series cancel, which leaves f' + eps² f''' / 6 + …, and the rounding of f adds an error of
    about 1e-16 |f| / eps. Both errors are some 1e-11 for values around 1.
    Raises InputError unless x is float64: float32 has too few digits to take differences.
    """
    if x.dtype != np.float64:
        raise InputError(f"numerical_gradient: expected a float64 array, got {x.dtype}; use x.astype(np.float64)")
    gradient, x = np.zeros(x.shape), x.copy()
    for i in np.ndindex(x.shape):
        value = x[i]
        x[i] = value + eps
        above = float(f(x))  # a copy: f may return its argument
        x[i] = value - eps
        gradient[i] = (above - f(x)) / (2 * eps)
        x[i] = value
    return gradient


def gradcheck(f, *inputs, eps=1e-5, tolerance=1e-6, seed=0):
    """Compare what backward() gives for every input of f (Tensors -> Tensor) with numerical derivatives.

    inputs are float64 arrays, else InputError. f's result is multiplied by random numbers and summed to one number: with an
    upstream gradient of ones, a vjp that sends g to the wrong element would pass. Returns the largest error of an element,
    relative to the largest element of that input's gradient (or to 0.01, if that is larger). Raises AssertionError, naming
    input and element, if it exceeds `tolerance`; and if f does not use an input, so that nothing is checked. At a kink, such as
    that of relu at 0, even a correct derivative fails: choose inputs away from it.
    """
    inputs = [np.asarray(x) for x in inputs]
    for i, x in enumerate(inputs):
        if x.dtype != np.float64:
            raise InputError(f"gradcheck: input {i}: expected a float64 array, got {x.dtype}; use x.astype(np.float64)")
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = f(*leaves)
    upstream = np.random.default_rng(seed).standard_normal(y.shape)
    others = {node: node.grad for node in y._history() if node not in leaves}
    y.backward(upstream)
    for node, grad in others.items():  # such as parameters of a network in f
        node.grad = grad
    worst = 0.0
    for i, x in enumerate(inputs):
        def loss(changed, i=i):
            return float((f(*map(Tensor, [*inputs[:i], changed, *inputs[i + 1:]])).data * upstream).sum())

        expected = numerical_gradient(loss, x, eps)
        got = leaves[i].grad if leaves[i].grad is not None else np.zeros(x.shape)
        if x.size:
            if leaves[i].grad is None and not expected.any():
                raise AssertionError(f"gradcheck: input {i}: expected an input that f depends on, got one that f does not use")
            difference = np.abs(got - expected)
            error = float(difference.max() / max(np.abs(expected).max(), 1e-2))
            if not error <= tolerance:
                where = tuple(map(int, np.unravel_index(difference.argmax(), x.shape)))
                raise AssertionError(f"gradcheck: input {i}, element {where}: backward gives {got[where]:.10g}, the "
                                     f"difference quotient {expected[where]:.10g}: error {error:.1e} > {tolerance:.0e} "
                                     "(derivatives of <g, y> for a random g)")
            worst = max(worst, error)
    return worst
