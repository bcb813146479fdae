"""What must never be silently wrong, continued: optimisers, copies, networks within networks, flags and modes of blocks."""

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan import SGD, Adam, InputError, LinearDecay, MovingAverage, Parameter, Tensor, no_grad

from .small import batch, leaf, net, states

# ---- optimisers


@pytest.mark.parametrize("make", [lambda p: Adam(p, 0.1), lambda p: SGD(p, 0.1, momentum=0.9)], ids=["Adam", "SGD"])
def test_moments_of_fortran_ordered_parameters_are_kept(make):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 4)), rng.standard_normal((5, 3, 4))
    results = []
    for order in "CF":
        p = Parameter(np.array(start, order=order), "w")
        optimizer = make([p])
        for g in gradients:
            p.grad = g
            optimizer.step()
        results.append(p.data)
        assert all(m.any() for m in optimizer.state().values())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(("gradient", "error"), [
    (None, InputError), (np.ones((2, 1)), InputError), (np.ones(3), InputError), (np.ones(2, np.float32), InputError),
    (np.array([1.0, np.nan]), FloatingPointError), (np.array([-np.inf, 1.0]), FloatingPointError)], ids=repr)
def test_a_gradient_that_does_not_fit_is_named_before_anything_moves(gradient, error):
    a, b = Parameter(np.ones(2), "a"), Parameter(np.ones(2), "1_Dense.b")
    optimizer = Adam([a, b], 0.1)
    a.grad, b.grad = np.ones(2), gradient
    with pytest.raises(error, match=r"1_Dense\.b"):
        optimizer.step()
    assert (a.data == 1).all()
    assert optimizer.t == 0
    assert not any(m.any() for m in optimizer.state().values())


@pytest.mark.filterwarnings("error")
def test_large_finite_gradients_are_finite():
    p = Parameter(np.ones(2, np.float32), "p")
    p.grad = np.array([1e30, -3e38], np.float32)
    SGD([p], 1e-38).step()
    assert np.isfinite(p.data).all()


def test_a_schedule_sets_the_rate_of_each_step_and_lr_stays_what_the_user_set():
    schedule, p = LinearDecay(0.5, 4), Parameter(np.zeros(1), "p")
    optimizer, rates = SGD([p], schedule), []
    for _ in range(6):
        rates.append(optimizer.rate)
        before = p.data.copy()
        optimizer.minimize(p.sum())
        np.testing.assert_array_equal(before - p.data, rates[-1])
    assert rates == [0.5, 0.5, 0.5, 0.25, 0, 0]
    assert optimizer.lr is schedule
    assert Adam([p], 0.25).rate == 0.25
    assert [LinearDecay(1.0, 2, hold=0)(t) for t in (0, 1, 2)] == [1, 0.5, 0]


@pytest.mark.parametrize("make", [
    lambda: LinearDecay(0.1, 0), lambda: LinearDecay(0.1, 5, hold=1), lambda: LinearDecay(0.1, 5, hold=-0.1),
    lambda: MovingAverage(net(ng.Dense(1)), 1), lambda: MovingAverage(net(ng.Dense(1)), 0.0),
    lambda: Adam([Parameter(np.ones(1))], LinearDecay(-1.0, 5))])
def test_options_out_of_range(make):
    with pytest.raises(InputError, match="expected"):
        make()


def test_a_moving_average_follows_parameters_and_buffers_and_leaves_the_network_alone():
    network = net(ng.Dense(2), ng.BatchNorm(), dtype=np.float64)
    average = MovingAverage(network, 0.75)
    expected, optimizer = states(network), SGD(network.parameters(), 0.1)
    average.t[...] = 23  # two updates more in which fewer than 0.75 are kept
    for k, share in enumerate((25 / 34, 26 / 35, 0.75, 0.75)):
        optimizer.minimize(ng.l2(network(batch(dtype=np.float64, seed=k)), 1.0))
        now = states(network)
        average.update()
        expected = {name: share * mean + (1 - share) * now[name] for name, mean in expected.items()}
        assert all(np.array_equal(now[name], a) for name, a in network.state().items())
    assert average.state().pop("t") == 27
    for name, mean in average.network.state().items():
        np.testing.assert_allclose(mean, expected[name], rtol=1e-12, atol=1e-15)


# ---- copies


def test_a_parameter_from_another_process_is_born_when_it_arrives():
    code = ("import sys, pickle, numpy as np, numgan as ng\n"
            "for _ in range(5000): p = ng.Parameter(np.arange(3.0), 'w')\n"
            "sys.stdout.buffer.write(pickle.dumps(p))")
    root = str(Path(ng.__file__).parents[1])
    p = pickle.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=root).stdout)
    assert (p.name, p.requires_grad, p.grad) == ("w", True, None)
    (p * 2.0).sum().backward()
    np.testing.assert_array_equal(p.grad, [2, 2, 2])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=["deepcopy", "copy", "pickle"])
def test_a_copy_of_a_leaf_is_a_new_leaf(duplicate):
    for x in (Parameter(np.ones(2), "w"), leaf(1.0, 1.0), Tensor(np.ones(2))):
        if x.requires_grad:
            x.sum().backward()
        y = duplicate(x)
        assert type(y) is type(x)
        assert (y.requires_grad, getattr(y, "name", ""), y.grad) == (x.requires_grad, getattr(x, "name", ""), None)
        assert y.born > x.born
        y.data += 1
        assert (x.data == 1).all()
    p = Parameter(np.ones(2), "w")
    p.requires_grad = False
    assert not duplicate(p).requires_grad
    with pytest.raises(InputError, match=r"detach\(\)"):
        duplicate(leaf(1.0) * 2.0)


def test_a_network_copied_inside_frozen_is_not_frozen_for_ever():
    network = net(ng.Dense(2), ng.BatchNorm())
    with network.frozen():
        duplicate = copy.deepcopy(network)
        assert not any(p.requires_grad for p in network.parameters())
    assert all(p.requires_grad for p in [*network.parameters(), *duplicate.parameters()])
    assert [p.name for p in duplicate.parameters()] == [p.name for p in network.parameters()]
    SGD(duplicate.parameters(), 0.1).minimize((duplicate(batch()) * 2.0 + 1.0).mean())


# ---- networks within networks


def test_a_built_network_keeps_its_parameters_in_another():
    inner = net(ng.Dense(4), ng.BatchNorm(), ng.Dropout(0.5), ng.Reshape(2, 2), ng.Flatten())
    inner.stack[1].mean += 1
    before, parameters = states(inner), inner.parameters()
    outer = net(inner, ng.Dense(2), seed=7)
    assert all(np.array_equal(before[name], a) for name, a in inner.state().items())
    assert outer.parameters()[:len(parameters)] == parameters
    SGD(outer.parameters(), 0.1).minimize(outer(batch()).sum())
    assert not np.array_equal(inner.state()["0_Dense.w"], before["0_Dense.w"]), "the weights are shared"
    layer = inner.stack[0]
    assert net(layer, ng.Dense(1), seed=8).stack[0].w is layer.w


def test_a_built_network_makes_no_draws_in_another():
    inner, rng = net(ng.Dense(4), ng.Dense(5)), np.random.default_rng(3)
    outer = ng.Sequential(inner, ng.Dense(2), input_shape=(3,), rng=rng)
    np.testing.assert_array_equal(outer.stack[1].w.data, net(ng.Dense(2), shape=(5,), seed=3).stack[0].w.data)


@pytest.mark.parametrize(("layers", "shape"), [
    ([ng.Dense(4)], (5,)), ([ng.Dense(4)], (3, 3, 2)), ([ng.BatchNorm()], (5,)), ([ng.BatchNorm()], (1,)),
    ([ng.Dense(6), ng.Reshape(3, 2)], (4,))], ids=str)
def test_a_built_layer_that_does_not_fit_is_refused(layers, shape):
    built = net(*layers)
    for part in (built, built.stack[-1]):
        with pytest.raises(InputError, match="layer 0"):
            net(part, shape=shape)
    with pytest.raises(InputError, match="layer 0"):
        net(net(ng.Dense(4)), dtype=np.float64)


def test_layers_of_a_network_that_could_not_be_built_are_still_new():
    dense = ng.Dense(4)
    with pytest.raises(InputError):
        net(ng.Sequential(dense), ng.Conv2D(2, 3))
    assert net(dense, shape=(7,)).state()["0_Dense.w"].shape == (7, 4)


def test_building_leaves_modes_as_they_were():
    inner = net(ng.Dense(4), ng.Dropout(0.5), ng.Dropout(0.5))
    inner.stack[1].eval()
    outer = net(inner, ng.Dropout(0.5))
    assert [layer.training for layer in inner.stack] == [True, False, True]
    assert outer.stack[1].training


# ---- blocks


def test_evaluating_restores_every_layers_own_mode_also_after_an_exception():
    network = net(ng.Dense(4), ng.Dropout(0.5), ng.Sequential(ng.Dropout(0.5), ng.BatchNorm()))
    network.stack[1].eval()
    network.stack[2].stack[1].eval()
    before = [layer.training for layer in network.all_layers()]

    def fail():
        with network.stack[2].evaluating():
            network.train()
            raise KeyError

    with network.evaluating() as same:
        assert same is network
        assert not any(layer.training for layer in network.all_layers())
        with pytest.raises(KeyError):
            fail()
    assert [layer.training for layer in network.all_layers()] == before != [True] * 6


def test_frozen_blocks_may_overlap():
    network = net(ng.Dense(4))
    first, second = network.frozen(), network.frozen()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not any(p.requires_grad for p in network.parameters())
    second.__exit__(None, None, None)
    assert all(p.requires_grad for p in network.parameters())


def test_a_flag_set_by_hand_survives_a_frozen_block():
    network = net(ng.Dense(4))
    w, b = network.parameters()
    w.requires_grad = False
    with network.frozen():
        b.requires_grad = False
        w.requires_grad = True
        assert (w.requires_grad, b.requires_grad) == (False, False)
    assert (w.requires_grad, b.requires_grad) == (True, False)


def test_no_grad_is_each_threads_own_and_its_blocks_may_overlap():
    x, inside, leave, seen = leaf(1.0), threading.Event(), threading.Event(), []

    def other():
        with no_grad():
            inside.set()
            leave.wait(10)
            seen.append((x * 2.0).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert (x * 2.0).requires_grad
    leave.set()
    thread.join()
    assert seen == [False]
    first, second = no_grad(), no_grad()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not (x * 2.0).requires_grad
    second.__exit__(None, None, None)
    assert (x * 2.0).requires_grad


# ---- names, keys, copies


@pytest.mark.parametrize("alike", [{1: Parameter(np.ones(1)), "1": Parameter(np.ones(1))},
                                   {"a": {"b": Parameter(np.ones(1))}, "a.b": Parameter(np.ones(1))}])
def test_two_parameters_of_one_name_are_refused(alike):
    class Keyed(ng.Layer):
        def __init__(self):
            self.parts = alike

    with pytest.raises(InputError, match=r"expected one array called parts\.(1|a\.b), got several"):
        Keyed().state()


def test_layers_that_are_equal_are_still_two():
    @dataclasses.dataclass
    class Scale(ng.Layer):
        factor: float

        def forward(self, x):
            return x * self.factor

    twice = ng.Sequential(Scale(3.0), Scale(3.0), input_shape=(1,), rng=np.random.default_rng(0))
    assert twice(np.ones((1, 1), np.float32)).item() == 9


def test_the_summary_counts_what_is_trained():
    network = net(ng.Dense(2))
    network.parameters()[1].requires_grad = False
    total, frozen = (sum(p.size for p in network.parameters()), network.parameters()[1].size)
    assert network.summary().endswith(f"total {total}, trainable {total - frozen}, non-trainable {frozen}")


def test_gradcheck_leaves_the_gradients_of_a_network_in_f():
    network = ng.Sequential(ng.Dense(2), input_shape=(3,), rng=np.random.default_rng(0), dtype="float64")
    w, b = network.parameters()
    w.grad = np.full(w.shape, 7.0)
    ng.gradcheck(network, np.ones((2, 3)))
    assert (w.grad == 7).all()
    assert b.grad is None


def test_parameters_that_share_or_lock_their_memory_are_moved_all_the_same():
    locked = np.ones(2)
    locked.flags.writeable = False
    parameters = [Parameter(np.ones(2), "a"), Parameter(locked, "b"), Parameter(np.broadcast_to(np.ones(1), 2), "c")]
    for p in parameters:
        p.grad = np.ones(2)
    SGD(parameters, 0.5).step()
    for p in parameters:
        np.testing.assert_array_equal(p.data, [0.5, 0.5])
