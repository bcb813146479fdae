"""What must hold for every op, each stated once: property(case, example) raises AssertionError if it does not.

test_ops.py applies all of them to all of cases.py; test_mutants.py demands that they reject every planted fault. A property
that says nothing about an example raises NotChecked, and one that is left without an example is no pass: see `demand`.
"""

from dataclasses import replace

import numpy as np
from hypothesis import settings

import numgan as ng
from numgan import Tensor

from . import reference as ref
from .edges import EDGES
from .registry import drawn
from .report import REPORT

COMPLEX_STEP = 1e-10  # tolerances, relative to the largest element, or to 0.001 if that is larger
DIFFERENCES = 1e-7
ALGEBRA = 1e-12
SINGLE = 2e-4
TINY = 24  # elements up to which the full Jacobian is compared
SMALL = 64  # and those up to which there is time for difference quotients, or for a reference in high precision


class NotChecked(Exception):
    """The property does not apply to this example, and so has not been checked."""


def demand(holds, case, enough=None):
    """The property holds for the case's examples that it applies to (or `enough` of them). Of fixed examples there are some."""
    checked = 0
    for example in drawn(case.name):
        try:
            holds(case, example.copy())
        except NotChecked:
            continue
        checked += 1
        if checked == enough:
            break
    fixed = settings().derandomize  # a few random examples may all be too large, or empty
    assert checked or not fixed, f"{holds.__name__} was not checked once for {case.name}"


def properties_of(case):
    """All but the dot-product identity, which is one of linear maps, and the edges of an op that has none."""
    applies = {dot_product_identity: case.linear, conventions_at_the_edges: edges_of(case)}
    return [holds for holds in PROPERTIES if applies.get(holds, True)]


def edges_of(case):
    """What edges.py says of this op."""
    return [edge for edge in EDGES if edge.op == case.name]


def forward_and_backward(case, example, upstream=None, wanted=None, dtype=np.float64):
    """(y, gradients, upstream) as arrays; `wanted` says which inputs require a gradient (all by default)."""
    wanted = [True] * len(example.inputs) if wanted is None else wanted
    leaves = [Tensor(x.astype(dtype, copy=False), requires_grad=flag)
              for x, flag in zip(example.inputs, wanted, strict=True)]
    y = case.op(*leaves, **options_in(dtype, example))
    if upstream is None:
        upstream = np.random.default_rng(example.seed + 1).standard_normal(y.shape)
    if y.requires_grad:
        y.backward(upstream.astype(dtype))
    return y.data, [leaf.grad for leaf in leaves], upstream


def options_in(dtype, example):
    """The options, arrays of floats (targets) in this dtype."""
    return {name: value.astype(dtype) if getattr(value, "dtype", None) == np.float64 else value
            for name, value in example.options.items()}


def assert_close(got, expected, tolerance, what):
    """Largest difference relative to the largest element, or to 0.001 if that is larger."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if expected.size:
        error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-3)
        assert error <= tolerance, f"{what}: relative error {error:.1e} > {tolerance:.0e}"
        return float(error)
    return 0.0


def forward_equals_naive_reference(case, example):
    """y is what the plain loops give."""
    y = case.op(*map(Tensor, example.inputs), **example.options)
    assert_close(y.data, np.asarray(case.reference(*example.inputs, **example.options)), ALGEBRA, "forward")


def vjp_equals_complex_step(case, example):
    """Every gradient is the derivative of the reference: all elements when tiny, random directions otherwise."""
    _, gradients, upstream = forward_and_backward(case, example)
    rng = np.random.default_rng(example.seed + 2)
    full = settings.default.max_examples > 100

    def f(*inputs):
        return case.reference(*inputs, **example.options)

    for i, (x, got) in enumerate(zip(example.inputs, gradients, strict=True)):
        if x.size <= TINY or (full and x.size <= SMALL):
            expected = ref.gradient(f, example.inputs, i, upstream)
        else:
            directions = rng.standard_normal((3, *x.shape))
            expected = np.array([np.sum(upstream * ref.derivative(f, example.inputs, i, d)) for d in directions])
            got = np.array([np.sum(got * d) for d in directions])
        error = assert_close(got, expected, COMPLEX_STEP, f"gradient of input {i}")
        REPORT.error(case.name, error, COMPLEX_STEP, str(example))
    if not any(np.any(g) for g in gradients):
        raise NotChecked  # 0 = 0: of a constant, or without elements


def gradcheck_agrees(case, example):
    """The package's own difference quotients agree: an independent check of both."""
    if sum(x.size for x in example.inputs) > SMALL:
        raise NotChecked
    ng.gradcheck(lambda *inputs: case.op(*inputs, **example.options), *example.inputs, tolerance=DIFFERENCES)


def zero_upstream_gives_exact_zero(case, example):
    """No gradient comes from nowhere."""
    y = case.op(*map(Tensor, example.inputs), **example.options)
    _, gradients, _ = forward_and_backward(case, example, np.zeros(y.shape))
    assert not any(np.any(g) for g in gradients)


def linear_in_upstream(case, example):
    """vjp(2u - 3v) = 2 vjp(u) - 3 vjp(v)."""
    _, from_u, u = forward_and_backward(case, example)
    v = np.random.default_rng(example.seed + 3).standard_normal(u.shape)
    _, from_v, _ = forward_and_backward(case, example, v)
    _, both, _ = forward_and_backward(case, example, 2 * u - 3 * v)
    for i, (a, b, c) in enumerate(zip(from_u, from_v, both, strict=True)):
        scale = max(np.abs(a).max(), np.abs(b).max(), 1e-3) if a.size else 1
        assert_close(c / scale, (2 * a - 3 * b) / scale, ALGEBRA, f"gradient of input {i}")


def same_graph_gives_same_bits(case, example):
    """Two backward passes on two equal graphs."""
    first, second = forward_and_backward(case, example), forward_and_backward(case, example)
    assert np.array_equal(first[0], second[0])
    assert all(np.array_equal(a, b) for a, b in zip(first[1], second[1], strict=True))


def gradients_have_shape_and_dtype_of_inputs(case, example):
    """For float64 and float32; and the result keeps the dtype."""
    for dtype in np.float64, np.float32:
        y, gradients, _ = forward_and_backward(case, example, dtype=dtype)
        assert y.dtype == dtype
        for x, g in zip(example.inputs, gradients, strict=True):
            assert isinstance(g, np.ndarray)
            assert (g.shape, g.dtype) == (x.shape, dtype)


def nothing_is_mutated_or_shared(case, example):
    """Inputs and upstream stay as they are, and no gradient is a view of them or of another."""
    before = [x.copy() for x in example.inputs]
    _, gradients, upstream = forward_and_backward(case, example)
    kept = upstream.copy()
    forward_and_backward(case, example, upstream)
    assert np.array_equal(upstream, kept)
    assert all(np.array_equal(x, b) for x, b in zip(example.inputs, before, strict=True))
    for i, g in enumerate(gradients):
        assert not any(np.may_share_memory(g, other) for other in (*example.inputs, upstream, *gradients[:i]))
    y = case.op(*(Tensor(x, requires_grad=True) for x in example.inputs), **example.options)
    for _, vjp in y.parents:
        vjp(_read_only(upstream))  # NumPy refuses to change it


def layout_does_not_matter(case, example):
    """C, Fortran, reversed, read-only: the same numbers give the same result."""
    y, gradients, upstream = forward_and_backward(case, example)
    layouts = [lambda x: np.array(x, order="F"), lambda x: x[::-1].copy()[::-1] if x.ndim else x, _read_only]
    rng = np.random.default_rng(example.seed + 4)
    changed = example.with_inputs([layouts[rng.integers(3)](x) for x in example.inputs])
    other, others, _ = forward_and_backward(case, changed, layouts[rng.integers(3)](upstream))
    assert_close(other, y, ALGEBRA, "forward")
    for i, (a, b) in enumerate(zip(others, gradients, strict=True)):
        assert_close(a, b, ALGEBRA, f"gradient of input {i}")


def _read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def frozen_inputs_get_none_and_change_nothing(case, example):
    """Whatever is frozen has no gradient, and the others' are the same bits."""
    y, gradients, upstream = forward_and_backward(case, example)
    for i in range(len(example.inputs)):
        wanted = [j != i for j in range(len(example.inputs))]
        other, others, _ = forward_and_backward(case, example, upstream, wanted)
        assert np.array_equal(other, y)
        for j, (a, b) in enumerate(zip(others, gradients, strict=True)):
            assert a is None if j == i else np.array_equal(a, b)


def float32_agrees_with_float64(case, example):
    """Same formulas, fewer digits."""
    y, gradients, upstream = forward_and_backward(case, example)
    single, singles, _ = forward_and_backward(case, example, upstream, dtype=np.float32)
    assert_close(single, y, SINGLE, "forward")
    compared = [i for i, b in enumerate(gradients) if b.size and np.abs(b).max() > 1e-2]  # nothing is left of what cancels
    for i in compared:
        assert_close(singles[i], gradients[i], SINGLE, f"gradient of input {i}")
    if not compared:
        raise NotChecked


def gradients_belong_to_their_leaves(case, example):
    """A leaf's gradient is the user's own array: it can be changed, each element for itself, and nothing else changes."""
    leaves = [Tensor(x, requires_grad=True) for x in example.inputs]
    y = case.op(*leaves, **example.options)
    upstream = np.random.default_rng(example.seed + 1).standard_normal(y.shape)
    others = [*example.inputs, y.data, upstream]
    y.backward(upstream)
    for i, leaf in enumerate(leaves):
        assert leaf.grad.flags.writeable, f"the gradient of input {i} is read-only"
        rest = others + [other.grad for other in leaves if other is not leaf]
        before = [array.copy() for array in rest]
        numbers = np.arange(1.0, leaf.size + 1).reshape(leaf.shape)
        leaf.grad[...] = numbers
        assert np.array_equal(leaf.grad, numbers), f"elements of the gradient of input {i} share their memory"
        assert all(map(np.array_equal, rest, before)), f"the gradient of input {i} is part of another array"


def siblings_keep_their_gradients(case, example):
    """Inputs that are used elsewhere too, before or after: contributions add up, and nobody else's gradient is touched.

    s = h + o hands the same array to both its inputs. If what the op gives to h is then added to it in place, o's gradient
    is wrong; and if s's part is added in place to what the op gave to h, that of another input or of y may be.
    """
    _, alone, upstream = forward_and_backward(case, example)
    rng = np.random.default_rng(example.seed + 6)
    weights = [rng.standard_normal(x.shape) for x in example.inputs]
    for op_first in True, False:
        leaves, other_leaves = ([Tensor(x, requires_grad=True) for x in example.inputs] for _ in range(2))
        hidden, others = ([leaf * 1.0 for leaf in each] for each in (leaves, other_leaves))
        sums = [] if op_first else [h + o for h, o in zip(hidden, others, strict=True)]
        y = case.op(*hidden, **example.options)
        sums = sums or [h + o for h, o in zip(hidden, others, strict=True)]
        loss = (y * upstream).sum()
        for s, weight in zip(sums, weights, strict=True):
            loss = loss + (s * weight).sum()
        loss.backward()
        for i, (leaf, other, g, weight) in enumerate(zip(leaves, other_leaves, alone, weights, strict=True)):
            assert_close(leaf.grad, g + weight, ALGEBRA, f"gradient of input {i}, used twice")
            assert np.array_equal(other.grad, weight), f"gradient of input {i}'s sibling"


def dot_product_identity(case, example):
    """<A u, v> = <u, Aᵀ v> where the op is linear: the gradient is the transpose."""
    y, gradients, v = forward_and_backward(case, example)
    for i in case.linear:
        terms = y * v
        left, right = terms.sum(), (example.inputs[i] * gradients[i]).sum()
        if case.name == "batch_norm":  # linear in gamma only up to beta
            left -= (np.broadcast_to(example.inputs[2], y.shape) * v).sum()
        assert abs(left - right) <= ALGEBRA * max(np.abs(terms).sum(), 1), f"input {i}: {left} against {right}"


MOVES = 3  # places per example
SLACK = 32  # times what is unavoidable
NUDGE = 1e-9


def keeps_its_digits(case, example):
    """Whatever the inputs' size and offset: no error beyond what rounding the inputs would do, in float32 and float64.

    What exceeds that is the formula's fault: ln(1 + x) for a small x, a variance as E x² - (E x)², an exponential that
    overflows on the way to a small number.
    """
    if not all(x.size for x in example.inputs) or sum(x.size for x in example.inputs) > SMALL:
        raise NotChecked
    rng = np.random.default_rng([example.seed, 5, *(n for x in example.inputs for n in x.shape)])
    options = {name: option.astype(np.float32).astype(np.float64) if getattr(option, "dtype", None) == np.float64 else option
               for name, option in example.options.items()}  # targets, say: as float32 has them
    for _ in range(MOVES):
        inputs = [case.moved(rng, x).astype(np.float32).astype(np.longdouble) for x in example.inputs]
        moved = replace(example, inputs=inputs, options=options)
        y = np.asarray(case.reference(*moved.inputs, **example.options))
        if not y.size:
            raise NotChecked
        upstream = rng.standard_normal(y.shape).astype(np.float32).astype(np.longdouble)
        directions = [rng.standard_normal((2, *x.shape)) for x in moved.inputs]
        truth, condition = truth_and_condition(case, moved, upstream, directions, rng)
        where = f"at {np.ravel(moved.inputs[0])[0]:.3g}"
        for dtype in (np.float32, np.float64) if np.finfo(np.longdouble).eps < 1e-18 else (np.float32,):
            try:
                with np.errstate(over="raise", invalid="raise", divide="raise"):
                    y, gradients, _ = forward_and_backward(case, moved, upstream, dtype=dtype)
            except FloatingPointError as error:
                raise AssertionError(f"{error} in {dtype.__name__} {where}") from error
            got = [y, *([np.sum(g * d) for d in pair] for g, pair in zip(gradients, directions, strict=True))]
            sizes = [np.abs(y).max(), *(np.abs(g).max() * g.size for g in gradients)]
            units = [case.unit[0]] + [case.unit[1] * np.abs(upstream).max()] * len(gradients)
            for k, what in enumerate(["forward", *(f"gradient of input {i}" for i in range(len(gradients)))]):
                error = np.abs(np.subtract(got[k], truth[k])).max()
                bound = SLACK * np.finfo(dtype).eps * (sizes[k] + condition[k] + units[k]) + np.finfo(dtype).tiny
                assert error <= bound, f"{what} in {dtype.__name__} {where}: error {error:.1e} > {bound:.1e}"


def truth_and_condition(case, example, upstream, directions, rng):
    """y and, for each input, the derivatives of <upstream, y> in its directions; and how much rounding can do to each.

    The truth is the reference and its complex step in long double. What rounding does to it is found by trying: inputs and
    upstream get relative errors of ±NUDGE, with alternating signs or with random ones, and whatever then changes by c·NUDGE
    changes by c·eps if they are rounded to eps. The largest c is the condition.
    """
    def f(*inputs):
        return np.asarray(case.reference(*inputs, **example.options))

    def everything(inputs, upstream):
        return [f(*inputs), *([np.sum(upstream * ref.derivative(f, inputs, i, d)) for d in pair]
                              for i, pair in enumerate(directions))]

    def nudged(x, alternating):  # equal signs would leave differences, such as those from a mean, as they are
        return x * (1 + NUDGE * (1 - 2 * (np.indices(x.shape).sum(0) % 2) if alternating else rng.choice([-1, 1], x.shape)))

    truth = everything(example.inputs, upstream)
    tried = [everything([nudged(x, mine) for x in example.inputs], nudged(upstream, its))
             for mine, its in ((True, False), (False, True), (False, False), (False, False))]
    return truth, [max(np.abs(np.subtract(t[k], truth[k])).max() for t in tried) / NUDGE for k in range(len(truth))]


def conventions_at_the_edges(case, example):
    """What the docstrings promise at kinks and ties, of 0⁰, and of arrays of one element or none; whatever the example."""
    for edge in edges_of(case):
        edge.holds()


PROPERTIES = [forward_equals_naive_reference, vjp_equals_complex_step, gradcheck_agrees, zero_upstream_gives_exact_zero,
              linear_in_upstream, same_graph_gives_same_bits, gradients_have_shape_and_dtype_of_inputs,
              nothing_is_mutated_or_shared, layout_does_not_matter, frozen_inputs_get_none_and_change_nothing,
              float32_agrees_with_float64, gradients_belong_to_their_leaves, siblings_keep_their_gradients,
              conventions_at_the_edges, keeps_its_digits, dot_product_identity]
