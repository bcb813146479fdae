"""What the tape must do whatever the ops are: small graphs whose gradients are known by hand. For test_mutants.py."""

import numpy as np

from numgan import InputError, Tensor, add, mul, tanh


def leaf(*values):
    """A tensor that wants a gradient."""
    return Tensor(np.array(values), requires_grad=True)


def fan_out_adds_up():
    """y = x·x + x: 2x + 1; and a leaf's gradient goes on adding up over backward passes."""
    x = leaf(3.0, -2.0)
    for times in (1, 2):
        (x * x + x).backward(np.array([1.0, 10.0]))
        assert np.array_equal(x.grad, times * np.array([7.0, -30.0]))


def diamonds_are_walked_once_per_edge():
    """y = tanh(x)·(tanh(x) + x), through a shared node and a shortcut."""
    x = leaf(0.5, -1.5)
    t = tanh(x)
    (t * (t + x)).sum().backward()
    T, X = np.tanh(x.data), x.data
    np.testing.assert_allclose(x.grad, (1 - T**2) * (2 * T + X) + T, rtol=1e-12)


def leaf_gradients_share_no_memory():
    """add hands the same g to both its inputs; what the user does to one must not reach the other."""
    a, b, g = leaf(1.0), leaf(2.0), np.array([5.0])
    add(a, b).backward(g)
    a.grad *= 2
    assert b.grad == 5
    assert g == 5


def graphs_are_released():
    """A second walk through the same nodes is an error, not a wrong number."""
    x = leaf(1.0)
    h = tanh(x)
    y = h * h
    y.backward()
    before = x.grad.copy()
    for stale in (y, h * 2.0):
        try:
            stale.backward()
        except InputError:
            continue
        raise AssertionError("a released graph was walked again")
    assert np.array_equal(x.grad, before)


def constants_get_no_gradient():
    """Neither a gradient nor a vjp."""
    x, c = leaf(2.0), Tensor(np.array([4.0]))
    y = mul(x, c)
    assert [parent for parent, _ in y.parents] == [x]
    y.backward()
    assert c.grad is None
    assert x.grad == 4


PROPERTIES = [fan_out_adds_up, diamonds_are_walked_once_per_edge, leaf_gradients_share_no_memory, graphs_are_released,
              constants_get_no_gradient]
