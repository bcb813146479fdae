"""The chain rule itself: gradients of random expression graphs against two independent methods, and the rules of graphs.

Method one is the complex step: f(x + ih) = f(x) + ih f'(x) + O(h²), so Im f(x + ih) / h is f' to machine precision, since no
difference of nearly equal numbers is taken. Method two adds up the paths from the loss to a leaf, one by one.
"""

import cmath
import gc
import inspect
import sys
import threading
import weakref
from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numgan as ng
from numgan import InputError, Tensor, no_grad, ops
from numgan.tensor import from_op

# ---- random expression graphs


class Op(NamedTuple):
    """An op in numgan; the same in complex-safe NumPy; and its partial derivatives in scalar inputs, if it has such."""

    engine: callable
    naive: callable
    partials: callable = None


OPS = {
    "tanh": Op(ops.tanh, np.tanh, lambda x: [1 / cmath.cosh(x) ** 2]),
    "exp": Op(ops.exp, np.exp, lambda x: [cmath.exp(x)]),
    "sigmoid": Op(ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: [1 / (2 + cmath.exp(x) + cmath.exp(-x))]),
    "softplus": Op(ops.softplus, lambda x: np.log(1 + np.exp(x)), lambda x: [1 / (1 + cmath.exp(-x))]),
    "square": Op(lambda x: x**2, lambda x: x * x, lambda x: [2 * x]),
    "neg": Op(lambda x: -x, lambda x: 0 - x, lambda x: [-1]),
    "sum": Op(lambda x: x.sum(-1, keepdims=True), lambda x: np.einsum("...i->...", x)[..., None]),
    "reshape": Op(lambda x: x.reshape(x.size), lambda x: np.array(list(x.flat))),
    "transpose": Op(lambda x: x.transpose(), lambda x: np.moveaxis(x, 0, -1) if x.ndim < 3 else np.einsum("ijk->kji", x)),
    "reverse": Op(lambda x: x[::-1], lambda x: np.flip(x, 0)),
    "gather": Op(lambda x: x[[0, -1, 0]], lambda x: np.stack([x[0], x[len(x) - 1], x[0]])),
    "add": Op(lambda a, b: a + b, np.add, lambda a, b: [1, 1]),
    "sub": Op(lambda a, b: a - b, np.subtract, lambda a, b: [1, -1]),
    "mul": Op(lambda a, b: a * b, np.multiply, lambda a, b: [b, a]),
    "div": Op(lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1),
              lambda a, b: [1 / (b * b + 1), -2 * a * b / (b * b + 1) ** 2]),
    "matmul": Op(lambda a, b: a @ b, lambda a, b: np.einsum("ik,kj->ij", a, b)),
}
SCALAR_OPS = [name for name, op in OPS.items() if op.partials]


class Step(NamedTuple):
    """One node: op(earlier nodes by index, the last of them times `factor`)."""

    op: str
    operands: tuple
    factor: float


class Program(NamedTuple):
    """An expression graph: leaves and steps are its nodes 0, 1, ...; loss = Σ <weight, node> over the pairs in `loss`."""

    leaves: list
    steps: list
    loss: list


def fits(op, a, b):
    """Whether the binary op takes these shapes."""
    if op == "matmul":
        return len(a) == len(b) == 2 and a[1] == b[0]
    try:
        return len(np.broadcast_shapes(a, b)) <= 3
    except ValueError:
        return False


@st.composite
def programs(draw, names=tuple(OPS), shapes=((2, 3), (1, 3), (3,), (2, 1), (3, 2), (1,), ())):
    """Programs whose nodes stay within ±5, where no function is saturated, so that every derivative has all its digits.

    Random factors in every step and no x - x nor x / x: then no gradient cancels by structure, and none may be ≈ 0.
    """
    leaf_shapes = draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = [rng.uniform(-1.5, 1.5, shape) for shape in leaf_shapes]
    leaves, steps = list(values), []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=12)):
        first = draw(st.integers(0, len(values) - 1))
        operands = (first,)
        if name in ("add", "sub", "mul", "div", "matmul"):
            partners = [i for i, v in enumerate(values) if fits(name, values[first].shape, v.shape)
                        and not (i == first and name in ("sub", "div"))]
            operands = (first, draw(st.sampled_from(partners))) if partners else None
        elif name in ("sum", "transpose", "reverse", "gather") and not (0 < values[first].ndim <= 3):
            operands = None
        if operands:
            step = Step(name, operands, rng.uniform(0.5, 1.5))
            value = evaluate(step, values)
            if value.size <= 36 and np.abs(value).max() <= 5:
                steps.append(step)
                values.append(value)
    chosen = draw(st.sets(st.integers(0, len(values) - 1), min_size=1, max_size=4))
    return Program(leaves, steps, [(i, rng.uniform(0.5, 1.5, values[i].shape)) for i in sorted(chosen)])


def evaluate(step, values, table=1):
    """The step's value from those of earlier nodes: Tensors with table=0, arrays (real or complex) with table=1."""
    *others, last = (values[i] for i in step.operands)
    return OPS[step.op][table](*others, last * step.factor)


def naive_loss(program, leaves):
    """The loss in plain, complex-safe NumPy."""
    values = list(leaves)
    for step in program.steps:
        values.append(evaluate(step, values))
    return sum((weight * values[i]).sum() for i, weight in program.loss)


def complex_step(program, h=1e-30):
    """dL/d(leaf) of every leaf, one element at a time."""
    gradients = [np.zeros(leaf.shape) for leaf in program.leaves]
    for leaf, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            leaves = [x.astype(complex) for x in program.leaves]
            leaves[leaf][index] += 1j * h
            gradient[index] = naive_loss(program, leaves).imag / h
    return gradients


def engine(program):
    """The leaves as Tensors, and the loss."""
    leaves = [Tensor(x, requires_grad=True) for x in program.leaves]
    values = list(leaves)
    for step in program.steps:
        values.append(evaluate(step, values, table=0))
    first, *rest = [(values[i] * weight).sum() for i, weight in program.loss]
    for term in rest:
        first = first + term
    return leaves, first


def reachable(program):
    """The nodes that the loss depends on."""
    found = {i for i, _ in program.loss}
    for node in range(len(program.leaves) + len(program.steps) - 1, len(program.leaves) - 1, -1):
        if node in found:
            found |= set(program.steps[node - len(program.leaves)].operands)
    return found


@given(programs())
def test_gradients_of_random_graphs_equal_the_complex_step(program):
    leaves, loss = engine(program)
    value = naive_loss(program, program.leaves)
    assert abs(loss.item() - value) <= 1e-12 * max(1, abs(value))
    loss.backward()
    needed = reachable(program)
    for i, (leaf, expected) in enumerate(zip(leaves, complex_step(program), strict=True)):
        if i not in needed:
            assert leaf.grad is None
            assert not expected.any()
            continue
        assert isinstance(leaf.grad, np.ndarray), "a gradient is an array, of shape () as well"
        assert leaf.grad.shape == leaf.shape
        assert leaf.grad.dtype == np.float64
        scale = np.linalg.norm(expected)
        assert scale > 1e-12, "vacuous: the loss depends on this leaf, so the gradient must not vanish"
        assert np.linalg.norm(leaf.grad - expected) <= 1e-10 * scale


def paths(program):
    """dL/d(leaf) of a scalar program as the sum over every path of the product of local derivatives; and their number."""
    values = [complex(x[()]) for x in program.leaves]
    for step in program.steps:
        values.append(complex(evaluate(step, values)))
    sums, count = [0.0] * len(program.leaves), 0

    def follow(node, product):
        nonlocal count
        if node < len(sums):
            sums[node] += product
            count += 1
            return
        step = program.steps[node - len(sums)]
        *others, last = (values[i] for i in step.operands)
        *factors, final = OPS[step.op].partials(*others, last * step.factor)
        for operand, local in zip(step.operands, [*factors, final * step.factor], strict=True):
            follow(operand, product * local)

    for node, weight in program.loss:
        follow(node, complex(weight[()]))
    return [s.real for s in sums], count


@given(programs(names=SCALAR_OPS, shapes=((),)))
def test_gradients_of_scalar_graphs_equal_the_sum_over_all_paths(program):
    leaves, loss = engine(program)
    loss.backward()
    sums, count = paths(program)
    assert count >= 1
    for i, (leaf, expected) in enumerate(zip(leaves, sums, strict=True)):
        if i in reachable(program):
            assert abs(expected) > 1e-12
            assert abs(leaf.grad - expected) <= 1e-10 * abs(expected)
        else:
            assert leaf.grad is None


@given(programs())
def test_two_backwards_on_equal_graphs_are_bit_identical_and_change_no_input(program):
    before = [x.tobytes() for x in program.leaves]
    (one, loss_one), (two, loss_two) = engine(program), engine(program)
    loss_one.backward()
    loss_two.backward()
    assert any(leaf.grad is not None for leaf in one)
    for a, b in zip(one, two, strict=True):
        assert (a.grad is None and b.grad is None) or a.grad.tobytes() == b.grad.tobytes()
    assert [x.tobytes() for x in program.leaves] == before


@given(programs())
def test_no_leaf_gradient_shares_memory_with_another_array(program):
    leaves, loss = engine(program)
    loss.backward()
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    assert gradients
    arrays = gradients + program.leaves + [weight for _, weight in program.loss]
    for i, g in enumerate(gradients):
        assert g.flags.writeable
        assert not any(np.shares_memory(g, other) for other in arrays[i + 1:])


# ---- every op of the package, once


def table(dtype, shape=None):
    """Name -> (f, inputs) for every op; with shape=() only those that take a single number."""
    rng = np.random.default_rng(0)

    def draw(*own):
        return np.asarray(rng.uniform(0.2, 0.8, own if shape is None else shape), dtype)

    x, labels = draw(2, 3), np.array([0, 2])
    target = draw(2, 3)
    any_shape = {name: (getattr(ng, name), [x]) for name in
                 "neg exp log sqrt abs tanh sigmoid softplus relu leaky_relu sum mean max".split()}
    any_shape |= {name: (getattr(ng, name), [x, draw(3)]) for name in "add sub mul div".split()}
    any_shape |= {name: (lambda y, loss=getattr(ng, name): loss(y, target), [x]) for name in "bce bce_with_logits l1 l2".split()}
    any_shape |= {"power": (lambda y: ng.power(y, 3), [x]), "reshape": (lambda y: ng.reshape(y, x.size, 1), [x]),
                  "transpose": (ng.transpose, [x]), "broadcast_to": (lambda y: ng.broadcast_to(y, (4, 2, 3)), [x])}
    if shape == ():
        return any_shape
    image = draw(2, 3, 4, 4)
    return any_shape | {
        "sum over an axis": (lambda y: ng.sum(y, 0), [x]), "mean over an axis": (lambda y: ng.mean(y, 1), [x]),
        "max over an axis": (lambda y: ng.max(y, 1, keepdims=True), [x]),
        "matmul": (ng.matmul, [x, draw(3, 2)]), "getitem": (lambda y: ng.getitem(y, (slice(None), 1)), [x]),
        "getitem, one element": (lambda y: y[1, 2], [x]),
        "concatenate": (lambda a, b: ng.concatenate([a, b], 1), [x, draw(2, 4)]),
        "pad": (lambda y: ng.pad(y, ((1, 2), (0, 1))), [x]),
        "batch_norm": (lambda *inputs: ng.batch_norm(*inputs)[0], [x, draw(3), draw(3)]),
        "softmax_cross_entropy": (lambda y: ng.softmax_cross_entropy(y, labels), [x]),
        "conv2d": (lambda a, w: ng.conv2d(a, w, strides=2), [image, draw(3, 3, 4, 2)]),
        "conv2d_transpose": (ng.conv2d_transpose, [image, draw(3, 3, 2, 4)]),
        "resize_conv2d": (ng.resize_conv2d, [image, draw(5, 5, 4, 2)]),
        "upsample": (ng.upsample, [image]), "depth_to_space": (ng.depth_to_space, [image]),
    }


CASES = [pytest.param(name, shape, id=f"{name}{' of a number' if shape == () else ''}")
         for shape in (None, ()) for name in table(np.float32, shape)]


def test_the_table_holds_every_op_of_the_package():
    modules = ("numgan.ops", "numgan.conv", "numgan.losses")
    public = {name for name, f in vars(ng).items() if inspect.isfunction(f) and f.__module__ in modules}
    assert len(public) > 30
    assert public == {name for name in table(np.float32) if " " not in name}


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_op_keeps_float32(name, shape):
    f, inputs = table(np.float32, shape)[name]
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = f(*leaves)
    assert isinstance(y.data, np.ndarray)
    assert y.dtype == np.float32
    y.backward(np.full(y.shape, 0.5, np.float32))
    for leaf in leaves:
        assert isinstance(leaf.grad, np.ndarray)
        assert (leaf.grad.dtype, leaf.grad.shape) == (np.float32, leaf.shape)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_op_leaves_its_inputs_upstream_and_leaf_gradients_apart(name, shape):
    f, inputs = table(np.float64, shape)[name]
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = f(*leaves)
    upstream = np.random.default_rng(1).standard_normal(y.shape)
    before = [a.tobytes() for a in (*inputs, upstream)]
    y.backward(upstream)
    assert [a.tobytes() for a in (*inputs, upstream)] == before
    arrays = [leaf.grad for leaf in leaves] + inputs + [np.asarray(upstream)]
    for i, leaf in enumerate(leaves):
        assert not any(np.shares_memory(leaf.grad, other) for other in arrays[i + 1:])


@contextmanager
def no_collector():
    """Only reference counts free memory within: what is in a cycle stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("walk_back", [False, True], ids=["without backward", "with backward"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_op_makes_no_reference_cycle(name, shape, walk_back):
    f, inputs = table(np.float64, shape)[name]
    with no_collector():
        x = [Tensor(i, requires_grad=True) * 1.0 for i in inputs]
        y = f(*x)
        loss = y.sum()
        alive = [weakref.ref(o) for o in (*x, *(t.data for t in x), y, loss)]
        del x, y
        if walk_back:
            loss.backward()
            assert [r() for r in alive] == [None] * (len(alive) - 1) + [loss], "backward releases the graph"
        else:
            assert all(r() is not None for r in alive[:-2]), "vacuous: the graph must keep its nodes until here"
        del loss
        assert not any(r() for r in alive)


# ---- accumulation and memory


def leaf(*shape, dtype=np.float64, seed=0):
    return Tensor(np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, shape), dtype), requires_grad=True)


def test_fan_out_adds_up():
    x = leaf(3)
    h = x * 2.0
    (h * h + h + x).sum().backward()
    np.testing.assert_allclose(x.grad, 8 * x.data + 3, rtol=1e-14)
    assert h.grad is None, "only leaves keep their gradients"


def test_wide_fan_out():
    x = leaf(2)
    h = -x
    ng.concatenate([h * float(k) for k in range(1000)]).sum().backward()
    np.testing.assert_allclose(x.grad, [-499500] * 2, rtol=1e-14)


def test_gradients_accumulate_over_separate_graphs():
    x = leaf(3)
    (2.0 * x).sum().backward()
    kept = x.grad
    (x * x).sum().backward()
    np.testing.assert_allclose(x.grad, 2 + 2 * x.data, rtol=1e-14)
    assert (kept == 2).all(), "the array handed out by the first backward() stays as it was"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_accumulated_gradient_of_a_number_stays_an_array(dtype):
    x = leaf(dtype=dtype)
    (x * x).backward()
    assert isinstance(x.grad, np.ndarray)
    assert (x.grad.shape, x.grad.dtype) == ((), dtype)


@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: (a.reshape(4) + b.reshape(4)).reshape(2, 2),
                               lambda a, b: ng.concatenate([a, b]), lambda a, b: a.transpose() - -b,
                               lambda a, b: ng.concatenate([a, b, a + b])], ids="add reshape concatenate transpose mix".split())
def test_changing_one_gradient_in_place_changes_no_other(f):
    a, b = leaf(2, 2), leaf(2, 2, seed=1)
    y = f(a, b)
    upstream = np.ones(y.shape)
    y.backward(upstream)
    other = b.grad.copy()
    a.grad[...] = -77
    assert (b.grad == other).all()
    assert (upstream == 1).all()


def test_backward_of_a_leaf_starts_with_a_copy_of_the_upstream():
    x, g = leaf(3), np.ones(3)
    x.backward(g)
    x.grad[0] = 5
    assert g[0] == 1


def test_a_deep_chain_needs_no_recursion():
    x = leaf()
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    y.backward()
    assert sys.getrecursionlimit() < 10_000
    np.testing.assert_allclose(x.grad, 1.0001**10_000, rtol=1e-9)


def test_a_deep_chain_is_freed_without_recursion():
    """On a thread with a stack of 256 kB, which 100,000 nested deallocations would overflow."""
    alive = []

    def build():
        x = leaf()
        y = x
        for _ in range(100_000 // 2):
            y = -y
        alive.append(weakref.ref(y.parents[0][0]))
        assert alive[0]() is not None
        del y, x

    before = threading.stack_size(2**18)
    try:
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert alive[0]() is None
