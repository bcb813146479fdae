"""Optimisers against their papers' formulas, one number at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numgan import SGD, Adam, InputError, Parameter, Tensor, log, optim

from .proof.optimisers import (
    ADAM,
    adam_equals_scalar_loop,
    adam_s_corrections_never_end,
    run,
    sgd_equals_scalar_loop,
)


@given(st.integers(0, 2**32 - 1), st.fixed_dictionaries(ADAM))
def test_adam_equals_scalar_loop(seed, options):
    adam_equals_scalar_loop(seed, options)


def test_adam_s_corrections_never_end():
    adam_s_corrections_never_end()


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 1.0]), st.sampled_from([0.0, 0.5, 0.9]))
def test_sgd_equals_scalar_loop(seed, lr, momentum):
    sgd_equals_scalar_loop(seed, lr, momentum)


@pytest.mark.parametrize("make", [Adam, lambda p: SGD(p, 0.1, momentum=0.9)], ids=["Adam", "SGD"])
def test_blocks_do_not_show(make, monkeypatch):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(100), rng.standard_normal((3, 1, 100))
    results = []
    for block in (7, 10**6):
        monkeypatch.setattr(optim, "BLOCK", block)
        p = Parameter(start.copy())
        run(make([p]), gradients)
        results.append(p.data)
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], start)


@pytest.mark.parametrize("make", [Adam, SGD], ids=["Adam", "SGD"])
@pytest.mark.parametrize("layout", [lambda x: x.T, lambda x: x[:, ::-1]], ids=["transposed", "reversed"])
def test_parameters_of_any_layout_move(make, layout):
    p = Parameter(layout(np.arange(6.0).reshape(2, 3)))
    before = p.data.copy()
    run(make([p], 0.1), [[np.ones(p.shape)]])
    assert (p.data < before).all()


def test_minimize_reaches_the_minimum_of_a_bowl():
    p = Parameter(np.array([3.0, -2.0]))
    optimizer = Adam([p], 0.1)
    for _ in range(300):
        optimizer.minimize(((p - np.array([1.0, 0.5])) ** 2).sum())
    np.testing.assert_allclose(p.data, [1.0, 0.5], atol=1e-2)


def test_minimize_forgets_old_gradients():
    p = Parameter(np.array(1.0))
    optimizer = SGD([p], 0.0)
    for _ in range(2):
        optimizer.minimize(p * 3.0)
        assert p.grad == 3.0


def test_float32_parameters_stay_float32():
    p = Parameter(np.ones(3, np.float32))
    optimizer = Adam([p])
    optimizer.minimize((p * p).sum())
    assert {p.data.dtype, p.grad.dtype, *(m.dtype for m in optimizer.state().values())} == {
        np.dtype("float32"), np.dtype("int64")}


def test_no_state_is_lost_to_a_shared_name():
    p, q, r = (Parameter(np.ones(n), name) for n, name in ((2, "w"), (3, "w"), (4, "b")))
    optimizer = SGD([p, q, r], momentum=0.5)
    optimizer.minimize((p * 2.0).sum() + (q * 3.0).sum() + r.sum())
    assert {name: array.tolist() for name, array in optimizer.state().items()} == {
        "t": 1, "w.moment1": [2, 2], "w#2.moment1": [3, 3, 3], "b.moment1": [1, 1, 1, 1]}


def test_missing_gradient_is_named_and_nothing_moves():
    a, b = Parameter(np.ones(2), "a"), Parameter(np.ones(2), "b.w")
    with pytest.raises(InputError, match=r"b\.w"):
        Adam([a, b]).minimize(a.sum())
    assert (a.data == 1).all()


def test_loss_that_is_not_finite_is_traced_and_nothing_moves():
    p = Parameter(np.array([1.0, -1.0]), "w")
    with pytest.raises(FloatingPointError, match="log of shape"), np.errstate(invalid="ignore"):
        Adam([p]).minimize((log(p) * 2.0).sum())
    assert (p.data == [1, -1]).all()
    assert p.grad is None


@pytest.mark.parametrize(("make", "name"), [
    (lambda p: Adam(p, -1.0), "lr"), (lambda p: Adam(p, beta1=1.0), "beta1"), (lambda p: Adam(p, beta2=-0.1), "beta2"),
    (lambda p: Adam(p, eps=-1e-8), "eps"), (lambda p: SGD(p, float("nan")), "lr"), (lambda p: SGD(p, momentum=1), "momentum"),
    (lambda p: Adam([]), "parameter"), (lambda p: Adam(p + p), "each once")])
def test_options_out_of_range(make, name):
    with pytest.raises(InputError, match=name):
        make([Parameter(np.ones(1))])


def test_constant_inputs_are_no_parameters():
    p = Parameter(np.ones(1))
    Adam([p]).minimize((p * Tensor(np.ones(1))).sum())
    assert p.data[0] < 1


def test_a_graph_from_before_the_step_is_refused():
    w, x = Parameter(np.ones((2, 1)), "w"), Tensor(np.ones((1, 2)), requires_grad=True)
    early = (x @ w).sum()
    SGD([w], 0.5).minimize((w * w).sum())
    with pytest.raises(InputError, match="matmul was computed before an optimiser moved w"):
        early.backward()
    assert x.grad is None
