"""Part of exercises.py: how a gradient is judged, and what can be said of a wrong one."""

import numpy as np

from numgan import Tensor, gradcheck
from numgan.tensor import from_op

EXACT, CLOSE, NEARLY = 1e-12, 1e-6, 1e-3  # the largest error of an element, relative to the gradient's largest element


class Wrong(Exception):
    """What is wrong with an answer."""


def demand_array(name, got, expected):
    """Raise Wrong unless `got` is a finite float64 array of the expected shape; a number is one of shape ()."""
    shape = f"expected a float64 array of shape {expected.shape}"
    if not isinstance(got, (np.ndarray, np.generic, float)):
        raise Wrong(f"{name} is of type {type(got).__name__}: {shape}")
    got = np.asarray(got)
    if got.dtype != np.float64:
        raise Wrong(f"{name} has dtype {got.dtype}: {shape}")
    if got.shape != expected.shape:
        raise Wrong(f"{name} has shape {got.shape}: {shape}", shape_mistake(got, expected))
    if not np.isfinite(got).all():
        index, element = first(name, ~np.isfinite(got))
        raise Wrong(f"{element} is {got[index]}")
    return got


def first(name, wrong):
    """The first wrong element of an array, as an index and as text: (0, 2), "dw[0, 2]"."""
    index = tuple(map(int, np.unravel_index(wrong.argmax(), wrong.shape)))
    return index, f"{name}{list(index) or ''}"


def shape_mistake(got, expected):
    """What happened to a gradient of the wrong shape, if that can be seen, else ""."""
    if same(got.T, expected):
        return "Yours is its transpose."
    if got.ndim == expected.ndim + 1 and same(got.sum(0), expected):
        return "Summed over the first axis it is right: a parameter used in every row gets the sum of the rows' contributions."
    return ""


def value_mistake(got, expected, without_g):
    """What happened to a gradient with wrong elements, if that can be seen, else ""."""
    if not got.any():
        return "Every element of yours is 0."
    factor = (got * expected).sum() / (expected**2).sum()
    if same(got, -expected):
        return "The sign is wrong, and nothing else."
    if same(got, factor * expected):
        return f"Every element is {factor:.4g} times what it should be: a factor, or a sum in a mean's place, or the reverse?"
    if same(got, without_g):
        return "It is what would be right if all of g were 1: where does g come in?"
    if same(got.T, expected):
        return "Yours is its transpose."
    if same(got, expected, NEARLY):
        return "All are nearly right: is a small number, such as batch norm's 1e-3, left out or added?"
    return ""


def same(a, b, error=CLOSE):
    """Equal arrays, but for rounding or a larger `error`."""
    return a.shape == b.shape and np.allclose(a, b, rtol=error, atol=error * np.abs(b).max(initial=0))


def gradients(exercise, upstream):
    """y (an array), g = dL/dy, drawn by `upstream` (shape -> array) or 1 for a loss, and numgan's gradients by name."""
    leaves = {name: Tensor(array, requires_grad=True) for name, array in exercise.leaves.items()}
    y = exercise.op(*leaves.values())
    g = upstream(y.shape) if y.ndim else np.ones(())
    y.backward(g)
    return y.data, g, {name: leaf.grad for name, leaf in leaves.items()}


def judge(exercise, name, got, g, expected, without_g):
    """("exact" or "close", remark) on one gradient; raises Wrong, naming the first wrong element.

    gradcheck judges it as the vjp of an op with one input, y's elements weighted with g and summed to one number.
    """
    got = demand_array(name, got, expected)

    def weighted(leaf):
        leaves = {**exercise.leaves, name: leaf.data}
        y = exercise.op(*map(Tensor, leaves.values())).data
        return from_op((g * y).sum(), (leaf, lambda upstream: upstream * got))

    scale = np.abs(expected).max()
    difference = np.abs(got - expected)
    error = difference.max() / scale
    try:
        checked = gradcheck(weighted, exercise.leaves[name])
    except AssertionError:
        checked = np.inf
    if not max(checked, error) <= CLOSE:
        wrong = difference > CLOSE * scale
        index, element = first(name, wrong)
        raise Wrong(f"{element}: expected {expected[index]:.10g}, got {got[index]:.10g}",
                    f"{wrong.sum()} of {wrong.size} elements are wrong. {value_mistake(got, expected, without_g)}".rstrip())
    figures = f"error {error:.0e}, gradcheck {checked:.0e}"
    if error <= EXACT:
        return "exact", figures
    return "close", f"{figures}: a difference quotient, or a small number left out or added?"
