"""gradcheck, networks and optimisers do what their docstrings say, in corners where other tests do not look."""

import copy

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, Tensor, layers
from numgan.network import evaluate
from numgan.tensor import from_op

from .errors import refused


def test_a_dozen_numbers_are_printed_and_no_more():
    assert "11." in repr(Tensor(np.arange(12.0)))
    assert repr(Tensor(np.arange(13.0))) == "Tensor(shape (13,), float64)"


@pytest.mark.parametrize("function", [copy.copy, copy.deepcopy])
def test_a_value_whose_graph_is_used_up_is_no_leaf_either(function):
    x = Tensor(np.ones(2), requires_grad=True)
    y = (x * 2.0).sum()
    y.backward()
    with pytest.raises(InputError, match="history"):
        function(y)


def scaled(x, slope, derivative):
    """slope · x, with a derivative of your choice."""
    return from_op(x.data * slope, (x, lambda g: g * derivative))


def test_gradcheck_does_not_take_nan_for_right():
    with pytest.raises(AssertionError, match="gradcheck: input 0"):
        ng.gradcheck(lambda x: scaled(x, 2.0, np.nan), np.ones(3))


def test_gradcheck_s_errors_are_relative_to_the_gradient_or_a_hundredth():
    assert ng.gradcheck(lambda x: ng.tanh(x) * 1e-9 + 1.0, np.ones(3)) < 1e-8
    with pytest.raises(AssertionError, match="gradcheck"):
        ng.gradcheck(lambda x: scaled(x, 0.05, 0.05 * (1 + 1e-5)), np.ones(3))


def test_gradcheck_s_upstream_gradient_is_random_and_follows_its_seed():
    seen = []
    f = lambda x: from_op(x.data * 1.0, (x, lambda g: seen.append(g.copy()) or g))
    for seed in 0, 1, 1:
        ng.gradcheck(f, np.ones(3), seed=seed)
    assert len(np.unique(seen[0])) == 3
    assert (seen[0] != seen[1]).all()
    np.testing.assert_array_equal(seen[1], seen[2])
    with pytest.raises(AssertionError, match="gradcheck"):
        ng.gradcheck(lambda x: from_op(x.data[::-1].copy(), (x, lambda g: g)), np.ones(3))


def test_gradcheck_returns_the_largest_error_of_all_inputs():
    f = lambda a, b: scaled(a, 2.0, 2 * (1 + 1e-4)) + b * 1.0
    assert ng.gradcheck(f, np.ones(3), np.ones(3), tolerance=1e-2) == pytest.approx(1e-4, rel=1e-3)


def test_gradcheck_takes_differences_as_wide_as_it_is_told():
    assert ng.gradcheck(lambda x: x * x * x, np.ones(3)) < 1e-8
    with pytest.raises(AssertionError, match="gradcheck"):  # the difference quotient of x³ is 3 x² + eps²
        ng.gradcheck(lambda x: x * x * x, np.ones(3), eps=0.1)


def test_evaluation_records_no_graph_and_of_no_rows_there_are_none():
    network = ng.Sequential(ng.Dense(2), input_shape=(3,), rng=np.random.default_rng(0))
    recorded = []
    y = evaluate(network, np.zeros((0, 3), np.float32), lambda x: recorded.append(network(x)) or recorded[-1])
    assert y.shape == (0, 2)
    assert not recorded[0].requires_grad


def test_what_is_left_over_from_the_last_pack_is_refused_or_evaluated():
    def halves(x):
        if len(x) % 2:
            raise InputError("odd")
        return x[::2]

    network = ng.Sequential(ng.Dense(2), input_shape=(3,), rng=np.random.default_rng(0))
    with refused("odd"):
        evaluate(network, np.zeros((2001, 3), np.float32), halves, 2)


def test_parameters_are_named_by_the_network_built_last():
    layer = ng.Dense(2)
    ng.Sequential(layer, input_shape=(2,), rng=np.random.default_rng(0))
    assert layer.w.name == "0_Dense.w"
    ng.Sequential(ng.Dense(2), layer, input_shape=(2,), rng=np.random.default_rng(0))
    assert layer.w.name == "1_Dense.w"


def test_a_summary_is_the_same_while_frozen():
    network = ng.Sequential(ng.Dense(2), input_shape=(2,), rng=np.random.default_rng(0))
    expected = network.summary()
    with network.frozen():
        assert network.summary() == expected


def test_a_printed_network_counts_what_is_trained():
    network = ng.Sequential(layers.BatchNorm(), input_shape=(3,), rng=np.random.default_rng(0))
    assert "6 parameters" in repr(network)


def test_a_third_parameter_of_one_name_has_a_state_of_its_own():
    parameters = [ng.Parameter(np.zeros(1), "w") for _ in range(3)]
    assert ng.SGD(parameters).state().keys() == {"t", "w.moment1", "w#2.moment1", "w#3.moment1"}


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_schedule_that_leaves_the_range_is_refused_before_anything_moves(wrong):
    p = ng.Parameter(np.ones(2), "w")
    optimizer = ng.SGD([p], lambda t: 0.1 if t < 1 else wrong)
    optimizer.minimize((p * p).sum())
    before = p.data.copy()
    with refused("SGD", "lr"):
        optimizer.minimize((p * p).sum())
    np.testing.assert_array_equal(p.data, before)
    assert optimizer.t == 1


def test_a_file_of_another_kind_of_network_is_refused_even_if_its_arrays_fit(tmp_path):
    class Other(ng.Sequential):
        pass

    made = dict(input_shape=(2,), rng=np.random.default_rng(0))
    ng.Sequential(ng.Dense(2), **made).save(tmp_path / "net.npz")
    with refused("expected a saved Other, got 'Sequential'"):
        Other(ng.Dense(2), **made).load(tmp_path / "net.npz")
