"""How a Tensor meets NumPy, and the errors of everyday use."""

import ast
import functools
import inspect
import operator

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, Tensor, ops
from numgan.tensor import from_op


def leaf(*shape, dtype=np.float64, seed=0):
    return Tensor(np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, shape), dtype), requires_grad=True)


def double(x, vjp=lambda g: 2 * g):
    """y = 2x as an op from outside the package, with any vjp."""
    return from_op(2 * x.data, (x, lambda g: vjp(g)))


@pytest.mark.parametrize("other", [np.arange(1.0, 10).reshape(3, 3), np.float64(2.5), np.array(2.5), 2.5, 3], ids=repr)
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul])
def test_operators_reach_the_tensor_from_both_sides(op, other):
    if op is operator.matmul:
        other = np.ones((3, 3)) * other
    for swap in (lambda a, b: (a, b)), (lambda a, b: (b, a)):
        x = leaf(3, 3)
        y = op(*swap(x, other))
        assert isinstance(y, Tensor)
        np.testing.assert_allclose(y.data, op(*swap(x.data, other)), rtol=1e-14)
        y.sum().backward()
        assert np.abs(x.grad).min() > 0


def test_editors_are_told_of_the_operators_and_methods_that_there_are():
    """Under `if TYPE_CHECKING` in tensor.py, names stand beside the ops that ops.py gives to Tensor under these names."""
    source = ast.parse(inspect.getsource(Tensor)).body[0].body
    block = next(node for node in source if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING").body
    told = {name.id: op.attr for line in block if isinstance(line, ast.Assign)
            for name, op in zip(line.targets[0].elts, line.value.elts, strict=True)}
    given = {name: function for name, function in vars(Tensor).items() if getattr(function, "__module__", "") == ops.__name__}
    assert told.keys() == given.keys()
    for name, op in told.items():
        reverse = name.startswith("__r") and told[name.replace("__r", "__", 1)] == op
        assert reverse or given[name] is getattr(ops, op)


@pytest.mark.parametrize("op", [ng.add, ng.sub, ng.mul, ng.div, ng.matmul])
def test_mixed_dtypes_are_refused_but_plain_numbers_adapt(op):
    x = leaf(2, 2, dtype=np.float32)
    for wrong in (leaf(2, 2), np.ones((2, 2)), np.ones((2, 2), int)):
        for pair in ((x, wrong), (wrong, x)):
            with pytest.raises(InputError, match=r"float32.*float64|float64.*float32|got int"):
                op(*pair)
    if op is not ng.matmul:
        assert {op(x, n).dtype for n in (2, 2.5, np.float64(2.5), np.array(2.5))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("data", [[1, 2], np.arange(3), np.ones(2, bool), np.ones(2, complex), ["a"], np.ones(2, np.float16)],
                         ids=repr)
def test_only_floats_of_32_bits_and_more_make_a_tensor(data):
    with pytest.raises(InputError, match="expected floating-point data of 32 bits or more, got"):
        Tensor(data)


def test_a_mistyped_attribute_is_an_error():
    for t in (leaf(2), leaf(2) * 2.0, ng.Parameter(np.ones(2))):
        with pytest.raises(AttributeError):
            t.gard = np.ones(2)


def test_repr_shows_value_dtype_and_origin():
    assert repr(Tensor(np.float32([1, 2.5]))) == "Tensor([1. , 2.5], float32)"
    assert repr(leaf(2)).endswith("float64, requires_grad=True)")
    assert repr(ng.exp(leaf(4, 50))) == "Tensor(shape (4, 50), float64, from exp)"
    y = double(leaf(2))
    y.sum().backward()
    assert repr(y).startswith("Tensor(["), "also when its graph is gone"


def test_first_nonfinite_names_the_op_or_the_parameter_where_it_began():
    x, p = leaf(3), ng.Parameter(np.array([1.0, np.nan]), name="2_Dense.w")
    with np.errstate(divide="ignore", invalid="ignore"):
        assert ng.log(x).sum().first_nonfinite() == ""
        assert (ng.exp(ng.log(x - x)) + (0.0 / (x - x))).sum().first_nonfinite() == "log of shape (3,)"
        assert (ng.exp(p) * 2.0).sum().first_nonfinite() == "2_Dense.w of shape (2,)"


# ---- what Python and NumPy would do without a word


@pytest.mark.parametrize("change", [operator.iadd, operator.isub, operator.imul, operator.itruediv])
def test_a_leaf_that_learns_cannot_be_replaced_by_an_assignment(change):
    p = ng.Parameter(np.ones(2), "w")
    for x in leaf(2), p:
        with ng.no_grad(), pytest.raises(InputError, match=r"p\.moved\(\)"):
            change(x, 2.0)
        with pytest.raises(InputError, match=r"p\.moved\(\)"):
            change(x, leaf(2))
    p.requires_grad = False
    with pytest.raises(InputError):
        change(p, 2.0)
    used = leaf(2) * 1.0
    used.sum().backward()
    for x in leaf(2) * 1.0, used, Tensor(np.ones(2)):
        before = x.data.copy()
        y = change(x, leaf(2, seed=1))
        assert y is not x
        np.testing.assert_array_equal(x.data, before)
        np.testing.assert_allclose(y.data, change(before, leaf(2, seed=1).data), rtol=1e-15)


def test_a_tensor_equals_only_itself():
    x, other = leaf(2), leaf(2)
    assert x == x
    assert x != other
    assert {x: 1}[x] == 1
    assert x in [other, x]
    for value in x.data, 3.0, None, "x":
        with pytest.raises(TypeError, match=r"use x\.data"):
            assert x == value
        with pytest.raises(TypeError, match=r"use x\.data"):
            assert x != value
    with pytest.raises(TypeError):
        assert 1.0 in x


def test_a_tensor_is_walked_through_row_by_row_and_a_number_not_at_all():
    x = leaf(3, 2)
    np.testing.assert_array_equal([row.data for row in x], x.data)
    with pytest.raises(TypeError):
        sum(leaf())


@pytest.mark.parametrize("function", [np.asarray, np.array, Tensor])
def test_numpy_makes_no_array_of_a_tensor(function):
    with pytest.raises(TypeError, match=r"use x\.data"):
        function(leaf(3, 3))


@pytest.mark.parametrize(("function", "name"), [
    (np.exp, "exp"), (np.isfinite, "isfinite"), (np.mean, "mean"), (np.sum, "sum"), (np.stack, "stack"),
    (np.zeros_like, "zeros_like"), (lambda x: np.maximum(x, 0), "maximum"), (lambda x: np.dot(x, x), "dot"),
    (lambda x: np.where(x.data > 1, x, 0), "where"), (lambda x: x.data > x, "greater"), (lambda x: x.data ** x, "power"),
    (np.add.reduce, "add"), (lambda x: np.add.outer(x.data, x), "add"), (lambda x: np.add(x, x.data), "add"),
    (lambda x: np.multiply(x.data, x, out=np.ones((3, 3))), "multiply"),
    (lambda x: np.multiply(x.data, x, where=x.data > 1), "multiply"), (lambda x: operator.iadd(np.ones((3, 3)), x), "add")])
def test_a_function_of_numpy_says_that_it_does_not_take_tensors(function, name):
    with pytest.raises(TypeError, match=rf"np\.{name} does not take Tensors: .*x\.data"):
        function(leaf(3, 3))


def test_big_endian_arrays_are_turned_round():
    x = Tensor(np.array([1.0, 2.0], ">f4"), requires_grad=True)
    assert x.dtype == np.dtype("float32")
    assert x.dtype.isnative
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 4])


def test_a_vjp_may_be_any_callable():
    x = leaf(2)
    y = from_op(2 * x.data, (x, functools.partial(np.multiply, 2)))
    assert y.op == "partial"
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


@pytest.mark.parametrize("axis", [0, -1, None])
@pytest.mark.parametrize("reduce", [ng.sum, ng.mean, ng.max])
def test_a_number_can_be_reduced(reduce, axis):
    x = leaf()
    reduce(x, axis).backward()
    assert x.grad == 1


def test_a_vjp_that_changes_what_others_hold_ends_in_an_error():
    def in_place(g):
        g[:1] = 0
        return g

    a, b = leaf(2), leaf(2)
    y = (double(a * 1.0, in_place) + b * 1.0) * 2.0  # both terms get the same array
    with pytest.raises(ValueError, match="read-only"):
        y.sum().backward()
    assert a.grad is b.grad is None
