"""The chain rule itself: gradients of random expression graphs found in two other ways, and the rules of graphs.

The complex step: f(x + ih) = f(x) + ih f'(x) + O(h²), so Im f(x + ih) / h is f' to machine precision: no difference of
nearly equal numbers. And the definition: the sum, over all paths from loss to leaf, of the product of local derivatives.
"""

import cmath
import gc
import operator
import sys
import weakref
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numgan as ng
from numgan import InputError, Tensor, no_grad, ops
from numgan.tensor import from_op

from .proof.cases import CASES
from .proof.reference import gradient
from .proof.registry import drawn

# ---- random expression graphs


class Op(NamedTuple):
    """An op in numgan; the same in complex-safe NumPy; and its partial derivatives for numbers, if it takes those."""

    engine: callable
    naive: callable
    partials: callable = None


OPS = {
    "tanh": Op(ops.tanh, np.tanh, lambda x: [1 / cmath.cosh(x) ** 2]),
    "exp": Op(ops.exp, np.exp, lambda x: [cmath.exp(x)]),
    "sigmoid": Op(ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: [1 / (2 + cmath.exp(x) + cmath.exp(-x))]),
    "softplus": Op(ops.softplus, lambda x: np.log(1 + np.exp(x)), lambda x: [1 / (1 + cmath.exp(-x))]),
    "square": Op(lambda x: x**2, lambda x: x * x, lambda x: [2 * x]),
    "neg": Op(operator.neg, lambda x: 0 - x, lambda x: [-1]),
    "sum": Op(lambda x: x.sum(-1, keepdims=True), lambda x: np.einsum("...i->...", x)[..., None]),
    "reshape": Op(lambda x: x.reshape(x.size), lambda x: np.array(list(x.flat))),
    "transpose": Op(lambda x: x.transpose(), lambda x: np.einsum("ijk"[:x.ndim] + "->" + "kji"[-x.ndim:], x)),
    "reverse": Op(lambda x: x[::-1], lambda x: np.flip(x, 0)),
    "gather": Op(lambda x: x[[0, -1, 0]], lambda x: np.stack([x[0], x[len(x) - 1], x[0]])),
    "add": Op(operator.add, np.add, lambda a, b: [1, 1]),
    "sub": Op(operator.sub, np.subtract, lambda a, b: [1, -1]),
    "mul": Op(operator.mul, np.multiply, lambda a, b: [b, a]),
    "div": Op(lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1),
              lambda a, b: [1 / (b * b + 1), -2 * a * b / (b * b + 1) ** 2]),
    "matmul": Op(operator.matmul, lambda a, b: np.einsum("ik,kj->ij", a, b)),
}


class Step(NamedTuple):
    """One node: op(earlier nodes by index, the last of them times `factor`)."""

    op: str
    operands: tuple
    factor: float


class Program(NamedTuple):
    """An expression graph. Leaves and steps are its nodes 0, 1, ...; L = Σ <weight, node> over the pairs in `loss`."""

    leaves: list
    steps: list
    loss: list


def fits(op, a, b):
    """Whether the op takes arrays of shapes a and b (b is not looked at if it takes one)."""
    if op in ("sum", "transpose", "reverse", "gather"):
        return len(a) > 0
    if op == "matmul":
        return len(a) == len(b) == 2 and a[1] == b[0]
    elementwise = op in ("add", "sub", "mul", "div")
    return not elementwise or all(n == m or 1 in (n, m) for n, m in zip(a[::-1], b[::-1], strict=False))


@st.composite
def programs(draw, names=tuple(OPS), shapes=((2, 3), (1, 3), (3,), (2, 1), (3, 2), (1,), ())):
    """Programs whose nodes stay within ±5, where no function is saturated, so that every derivative has all its digits.

    Random factors in every step and no x - x nor x / x: so no gradient cancels by structure, and none may be ≈ 0.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn = draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3))
    values, steps = [rng.uniform(-1.5, 1.5, shape) for shape in drawn], []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=12)):
        first = draw(st.integers(0, len(values) - 1))
        partners = [i for i, value in enumerate(values) if fits(name, values[first].shape, value.shape)
                    and not (i == first and name in ("sub", "div"))]
        if partners:
            two = name in ("add", "sub", "mul", "div", "matmul")
            step = Step(name, (first, draw(st.sampled_from(partners))) if two else (first,), rng.uniform(0.5, 1.5))
            value = evaluate(step, values)
            if value.size <= 36 and np.abs(value).max() <= 5:
                steps.append(step)
                values.append(value)
    chosen = draw(st.sets(st.integers(0, len(values) - 1), min_size=1, max_size=4))
    return Program(values[:len(drawn)], steps, [(i, rng.uniform(0.5, 1.5, values[i].shape)) for i in sorted(chosen)])


def evaluate(step, values, of="naive"):
    """The step's value from those of earlier nodes: arrays, real or complex, or with of="engine" Tensors."""
    *others, last = (values[i] for i in step.operands)
    return getattr(OPS[step.op], of)(*others, last * step.factor)


def naive_loss(program, leaves):
    """The loss in plain, complex-safe NumPy."""
    values = list(leaves)
    for step in program.steps:
        values.append(evaluate(step, values))
    return sum((weight * values[i]).sum() for i, weight in program.loss)


def complex_step(program):
    """dL/d(leaf) of every leaf, one element at a time."""
    return [gradient(lambda *leaves: naive_loss(program, leaves), program.leaves, i, upstream=1.0)
            for i in range(len(program.leaves))]


def engine(program):
    """The leaves as Tensors, and the loss."""
    leaves = [Tensor(x, requires_grad=True) for x in program.leaves]
    values = list(leaves)
    for step in program.steps:
        values.append(evaluate(step, values, "engine"))
    return leaves, sum(((values[i] * weight).sum() for i, weight in program.loss), Tensor(np.zeros(())))


def reachable(program):
    """The nodes that the loss depends on."""
    found, leaves = {i for i, _ in program.loss}, len(program.leaves)
    for i, step in reversed(list(enumerate(program.steps, leaves))):
        if i in found:
            found.update(step.operands)
    return found


def assert_gradients(program, leaves, expected):
    """Every gradient as expected, norm-wise; None where the loss does not depend on the leaf, otherwise never ≈ 0."""
    needed = reachable(program)
    for i, (x, e) in enumerate(zip(leaves, expected, strict=True)):
        if i not in needed:
            assert x.grad is None
            continue
        assert isinstance(x.grad, np.ndarray), "a gradient is an array, of shape () as well"
        assert (x.grad.shape, x.grad.dtype) == (x.shape, np.float64)
        assert np.linalg.norm(e) > 1e-12, "vacuous: the loss depends on this leaf, so its gradient must not vanish"
        assert np.linalg.norm(x.grad - e) <= 1e-10 * np.linalg.norm(e)


@given(programs())
def test_gradients_of_random_graphs_equal_the_complex_step(program):
    leaves, loss = engine(program)
    np.testing.assert_allclose(loss.data, naive_loss(program, program.leaves), rtol=1e-12, atol=1e-12)
    loss.backward()
    assert_gradients(program, leaves, complex_step(program))


def sums_over_paths(program):
    """dL/d(leaf) of a program on numbers: the sum over every path of the product of its local derivatives."""
    values, sums = [x.item() for x in program.leaves], [0.0] * len(program.leaves)
    for step in program.steps:
        values.append(evaluate(step, values))

    def follow(node, product):
        if node < len(sums):
            sums[node] += product.real
            return
        step = program.steps[node - len(sums)]
        *others, last = (values[i] for i in step.operands)
        *partials, final = OPS[step.op].partials(*others, last * step.factor)
        for operand, partial in zip(step.operands, [*partials, final * step.factor], strict=True):
            follow(operand, product * partial)

    for node, weight in program.loss:
        follow(node, weight)
    return sums


@given(programs([name for name, op in OPS.items() if op.partials], [()]))
def test_gradients_of_scalar_graphs_equal_the_sum_over_all_paths(program):
    leaves, loss = engine(program)
    loss.backward()
    assert_gradients(program, leaves, sums_over_paths(program))


@given(programs())
def test_equal_graphs_give_bit_identical_gradients_each_in_memory_of_its_own(program):
    before = [x.tobytes() for x in program.leaves]
    (one, loss_one), (two, loss_two) = engine(program), engine(program)
    loss_one.backward()
    loss_two.backward()
    assert [x.tobytes() for x in program.leaves] == before
    firsts, seconds = ([x.grad for x in leaves if x.grad is not None] for leaves in (one, two))
    assert [g.tobytes() for g in firsts] == [g.tobytes() for g in seconds] != []
    gradients = firsts + seconds
    arrays = gradients + program.leaves + [weight for _, weight in program.loss]
    for i, g in enumerate(gradients):
        assert not any(np.shares_memory(g, other) for other in arrays[i + 1:])


# ---- accumulation, memory, depth


def leaf(*shape, dtype=np.float64, seed=0):
    return Tensor(np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, shape), dtype), requires_grad=True)


def test_the_example_that_explains_the_tape():
    x, w = (Tensor(np.array(value), requires_grad=True) for value in (3.0, 2.0))
    a = x * w
    loss = a * x
    assert (a.item(), loss.item()) == (6, 18)
    assert [(parent, vjp(1.0)) for parent, vjp in loss.parents + a.parents] == [(a, 3), (x, 6), (x, 2), (w, 3)]
    assert loss._history() == [x, w, a, loss]
    loss.backward()
    assert (x.grad, w.grad) == (12, 9)


def test_fan_out_adds_up():
    x = leaf(3)
    h = x * 2.0
    (h * h + h + x).sum().backward()
    np.testing.assert_allclose(x.grad, 8 * x.data + 3, rtol=1e-14)
    assert h.grad is None, "only leaves keep their gradients"
    x = leaf(3)
    h = -x
    sum((h * float(k) for k in range(1000)), x).sum().backward()
    np.testing.assert_allclose(x.grad, [1 - 499_500] * 3, rtol=1e-14)


def test_gradients_accumulate_over_separate_graphs():
    x = leaf(3)
    (2.0 * x).sum().backward()
    kept = x.grad
    (x * x).sum().backward()
    np.testing.assert_allclose(x.grad, 2 + 2 * x.data, rtol=1e-14)
    assert (kept == 2).all(), "the array handed out by the first backward() stays as it was"


@pytest.mark.parametrize("f", [
    lambda a, b: a, lambda a, b: a + b, lambda a, b: ng.concatenate([a, b]), lambda a, b: a.transpose() - -b,
    lambda a, b: (a.reshape(4) + b.reshape(4)).reshape(2, 2), lambda a, b: ng.concatenate([a, b, a + b])[::-1],
    lambda a, b: (a + b).sum(), lambda a, b: ng.broadcast_to(a + b, (3, 2, 2))])
def test_changing_one_gradient_in_place_changes_no_other(f):
    a, b = leaf(2, 2), leaf(2, 2, seed=1)
    y = f(a, b)
    upstream = np.ones(y.shape)
    y.backward(upstream)
    before = str(b.grad)
    a.grad[...] = -77
    assert str(b.grad) == before
    assert (upstream == 1).all()


@pytest.mark.parametrize("walk_back", [True, False], ids=["backward", "no backward"])
def test_a_deep_chain_needs_no_recursion(walk_back):
    x = leaf()
    y = x * 1.0001
    first = weakref.ref(y)
    for _ in range(9_999):
        y = y * 1.0001
    assert sys.getrecursionlimit() < 10_000
    assert first() is not None
    if walk_back:
        y.backward()
        np.testing.assert_allclose(x.grad, 1.0001**10_000, rtol=1e-9)
    del y
    assert first() is None


@pytest.fixture
def no_collector():
    """Memory is freed by reference counts only: what is in a cycle stays."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("walk_back", [True, False], ids=["backward", "no backward"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_op_lets_go_of_its_graph_and_keeps_float32(case, walk_back, no_collector):
    def check(example):
        inputs = [Tensor(x.astype(np.float32), requires_grad=True) * 1.0 for x in example.inputs]
        y = case.op(*inputs, **example.options)
        assert y.dtype == np.float32
        loss = y.sum()
        alive = [weakref.ref(o) for x in inputs for o in (x, x.data)] + [weakref.ref(y)]
        del inputs, y
        assert all(r() is not None for r in alive[::2]), "vacuous: until here the graph must keep its tensors"
        if walk_back:
            loss.backward()
            assert not any(r() is not None for r in alive), "backward() releases the graph, while the loss lives on"
        del loss
        assert not any(r() is not None for r in alive), "a cycle of references"

    for example in drawn(case.name):
        check(example)


# ---- what backward() refuses


def double(x, vjp=lambda g: 2 * g):
    """y = 2x as an op from outside the package, with any vjp."""
    return from_op(2 * x.data, (x, lambda g: vjp(g)))


def test_a_second_backward_raises_an_error_that_teaches():
    x = leaf(3)
    h = x * x
    loss = h.sum()
    loss.backward()
    before = x.grad.copy()
    for again in (loss, h, (h * 2.0).sum(), x.sum() + h.sum()):
        with pytest.raises(InputError, match=r"used already.*releases.*compute the forward pass again"):
            again.backward(np.ones(again.shape))
    assert (x.grad == before).all(), "nothing was added before the error"


@pytest.mark.parametrize(("loss", "upstream", "error", "message"), [
    (lambda x: x * 2.0, None, InputError, r"shape \(2, 3\).*\.sum\(\)"),
    (lambda x: x * 2.0, np.ones(3), TypeError, r"\(2, 3\), got float64 \(3,\)"),
    (lambda x: x * 2.0, np.ones((2, 3), np.float32), TypeError, r"float64 \(2, 3\), got float32"),
    (lambda x: x.detach().sum(), None, InputError, "nothing that requires a gradient"),
    (lambda x: Tensor(np.ones(())), None, InputError, "nothing that requires a gradient"),
], ids=["not a number", "wrong shape", "wrong dtype", "detached", "constant"])
def test_backward_refuses(loss, upstream, error, message):
    x = leaf(2, 3)
    with pytest.raises(error, match=message):
        loss(x).backward(upstream)
    assert x.grad is None


@pytest.mark.parametrize("wrong", [lambda g: g[0], lambda g: g[..., None], lambda g: g.sum(), np.float32, lambda g: None,
                                   lambda g: ..., lambda g: Tensor(g), list])
def test_a_vjp_of_the_wrong_shape_or_dtype_raises_an_error_that_names_the_op(wrong):
    with pytest.raises(TypeError, match=r"^double: expected a gradient .*, float64 \(2, 3\), got "):
        double(leaf(2, 3), wrong).sum().backward()
    with pytest.raises(TypeError, match=r"float64.*made float32"):  # and so does an op that does not keep the dtype
        from_op(np.ones(3, np.float32), (leaf(3), lambda g: g))


# ---- what needs no gradient costs none


@pytest.fixture
def calls(monkeypatch):
    """Counts the vjps that run: id(parent tensor) -> number of calls."""
    counter = Counter()

    def watch(tensor, vjp):
        return tensor, lambda g: counter.update([id(tensor)]) or vjp(g)

    for name, module in list(sys.modules.items()):
        if name.startswith("numgan.") and name != "numgan.tensor" and hasattr(module, "from_op"):
            monkeypatch.setattr(module, "from_op", lambda y, *inputs: from_op(y, *(watch(*pair) for pair in inputs)))
    return counter


def test_a_constant_gets_no_gradient_and_its_vjp_never_runs(calls):
    x, constant = leaf(3, 3), Tensor(np.ones((3, 3)))
    for op in (ng.add, ng.sub, ng.mul, ng.div, ng.matmul):
        op(x, constant).sum().backward()
        op(constant, x).sum().backward()
    assert constant.grad is None
    assert (calls[id(x)], calls[id(constant)]) == (10, 0)


def test_detach_and_no_grad_stop_the_gradient(calls):
    x = leaf(3)
    h = x * 3.0
    cut = h.detach()
    with no_grad():
        unrecorded = h * h
    assert (unrecorded.requires_grad, unrecorded.parents) == (False, ())
    (cut * x + unrecorded).sum().backward()
    assert (x.grad == h.data).all()
    assert (calls[id(x)], calls[id(h)], calls[id(cut)]) == (1, 0, 0)


def test_no_grad_nests_and_ends_with_an_exception_too():
    x = leaf(3)
    with no_grad():
        with no_grad():
            assert not (-x).requires_grad
        assert not (-x).requires_grad, "the end of the inner block must not end the outer one"
    assert (-x).requires_grad
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (-x).requires_grad
