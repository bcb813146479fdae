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
    assert g.flags.writeable, "g is the user's own"


def in_place_changes_stay_where_they_are():
    """h serves two ops that hand on their gradient as it is; what is added to h's must not be added to a's or b's, too."""
    for first in (0, 1):
        a, b, x = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(0.5, -1.5)
        h = x * 1.0
        A, B = a * 1.0, b * 1.0
        sums = [add(h, A), add(B, h)]
        y = mul(h, h)
        (sums[first] + sums[1 - first] + y).backward(np.array([1.0, 10.0]))
        assert np.array_equal(a.grad, [1, 10])
        assert np.array_equal(b.grad, [1, 10])
        assert np.array_equal(x.grad, np.array([2, 20]) + np.array([1, 10]) * 2 * x.data)


def a_leaf_does_not_take_the_users_array():
    """Of a loss that is itself a leaf, the upstream gradient is the gradient: a copy of it."""
    x, g = leaf(1.0, 2.0), np.array([5.0, 7.0])
    x.backward(g)
    x.grad *= 2
    assert np.array_equal(g, [5, 7])
    before = x.grad
    (x * 3.0).sum().backward()
    assert np.array_equal(before, [10, 14])
    assert np.array_equal(x.grad, [13, 17])


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


PROPERTIES = [fan_out_adds_up, diamonds_are_walked_once_per_edge, leaf_gradients_share_no_memory,
              in_place_changes_stay_where_they_are, a_leaf_does_not_take_the_users_array, graphs_are_released,
              constants_get_no_gradient]
