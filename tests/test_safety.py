"""What must never be silently wrong: stale values, shared memory, lost state, modes and flags left behind, wrong arguments.

Nearly every test here has failed once, while all the gradients that the proof checks were right; the others guard the repairs
against going too far.
"""

import copy
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan import SGD, Adam, InputError, LinearDecay, MovingAverage, Parameter, Tensor, no_grad, ops
from numgan.tensor import from_op


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def net(*layers, shape=(3,), seed=0, **options):
    return ng.Sequential(*layers, input_shape=shape, rng=np.random.default_rng(seed), **options)


def batch(n=4, d=3, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def states(network):
    return {name: array.copy() for name, array in network.state().items()}


# ---- graphs that have gone stale


def step(parameters):
    """An optimiser moves the parameters, in place."""
    for p in parameters:
        p.grad = np.ones(p.shape, p.dtype)
    SGD(parameters, 0.5).step()


def test_a_graph_through_a_frozen_network_is_refused_after_that_network_moved():
    d, x = net(ng.Dense(4), ng.Tanh(), ng.Dense(1)), Parameter(batch(), "images")
    with d.frozen():
        loss = d(x).sum()
    step(d.parameters())
    with pytest.raises(InputError, match=r"was computed before an optimiser moved .*_Dense\."):
        loss.backward()
    assert x.grad is None
    with d.frozen():
        d(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("view", [
    lambda w: w.reshape(9).reshape(3, 3), lambda w: w.transpose(), lambda w: w[:, ::-1], lambda w: w.detach(),
    lambda w: w.reshape(9).detach().reshape(3, 3)])
@pytest.mark.parametrize("how", ["frozen", "no_grad", "recorded"])
def test_a_view_of_a_parameter_is_as_stale_as_the_parameter(view, how):
    w, x = Parameter(np.eye(3), "w"), leaf([1.0, 2.0, 3.0])
    w.requires_grad = how != "frozen"
    if how == "no_grad":
        with no_grad():
            seen = view(w)
    else:
        seen = view(w)
    loss = (x @ seen).sum()
    w.requires_grad = True
    step([w])
    with pytest.raises(InputError, match="moved w"):
        loss.backward()
    assert x.grad is None


def test_what_was_computed_from_a_frozen_parameter_into_new_memory_stays_usable():
    w, x = Parameter(np.eye(2), "w"), leaf([1.0, 2.0])
    w.requires_grad = False
    loss = (x @ (w * 2.0)).sum()
    w.requires_grad = True
    step([w])
    loss.backward()
    np.testing.assert_array_equal(x.grad, [[2, 2]])


def test_loading_a_state_makes_older_graphs_stale():
    network = net(ng.Dense(2), ng.Dense(1))
    x, state = Parameter(batch(), "images"), states(network)
    loss = network(x).sum()
    network.load_state({name: 2 * a for name, a in state.items()})
    with pytest.raises(InputError, match="moved"):
        loss.backward()


def test_a_moving_average_makes_older_graphs_through_it_stale():
    network, x = net(ng.Dense(1)), Parameter(batch(), "images")
    average = MovingAverage(network, 0.5)
    loss = average.network(x).sum()
    average.update()
    with pytest.raises(InputError, match="moved"):
        loss.backward()


def test_the_check_for_stale_parameters_keeps_no_graph_alive_and_no_parameter_frozen():
    w, x = Parameter(np.ones((2, 2)), "w"), leaf([1.0, 2.0])
    w.requires_grad = False
    h = x @ w
    assert h.captured == (w,)
    h.sum().backward()
    assert h.captured == ()
    assert (x @ Tensor(np.ones((2, 2)))).captured == ()


# ---- arrays that their owner changes after the forward pass


@pytest.mark.parametrize("f", [
    lambda x, a: x * a, lambda x, a: a * x, lambda x, a: x / a, lambda x, a: a / x, lambda x, a: x @ a.reshape(3, 1),
    lambda x, a: ng.l2(x, a), lambda x, a: ng.l1(x * 1.0, a), lambda x, a: ng.bce_with_logits(x, a),
    lambda x, a: ng.bce(ng.sigmoid(x), a), lambda x, a: x * ng.tanh(x + a), lambda x, a: ng.max(x * a)], ids=range(11))
def test_an_array_may_change_once_an_op_has_seen_it(f):
    gradients = []
    for change in (False, True):
        x, a = leaf([0.2, -0.3, 0.4]), np.array([[0.5, 0.25, 0.75]])
        loss = f(x, a).sum()
        if change:
            a[...] = -7
        loss.backward()
        gradients.append(x.grad)
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("index", [np.array([0, 2]), np.array([True, False, True]), [0, 2], (np.array([0, 2]),)], ids=repr)
def test_an_index_may_change_once_it_has_been_used(index):
    x = leaf(1.0, 2.0, 3.0)
    loss = x[index].sum()
    for part in index if isinstance(index, tuple) else (index,):
        part[0] = part[1]
    loss.backward()
    np.testing.assert_array_equal(x.grad, [1, 0, 1])


def test_labels_may_change_once_the_loss_is_computed():
    x, labels = leaf([1.0, 2.0], [3.0, 5.0]), np.array([0, 1])
    loss = ng.softmax_cross_entropy(x, labels)
    labels[...] = 0
    loss.backward()
    assert max(x.grad[0, 0], x.grad[1, 1]) < 0


def test_batch_statistics_may_move_between_an_evaluation_and_its_backward():
    network = net(ng.BatchNorm(momentum=0.0), dtype=np.float64)
    x = Tensor(batch(dtype=np.float64), requires_grad=True)
    with network.evaluating():
        loss = (network(x) * 2.0).sum()
    network(5 + 3 * batch(dtype=np.float64))
    loss.backward()
    np.testing.assert_allclose(network.parameters()[0].grad, 2 * x.data.sum(0) / np.sqrt(1.001), rtol=1e-12)


def test_a_padding_may_change_once_a_convolution_has_used_it():
    x, w, padding = leaf(np.ones((3, 3, 2))), Tensor(np.ones((2, 2, 2, 1))), [[1, 0], [0, 1]]
    loss = ng.conv2d(x, w, padding=padding).sum()
    padding[0].reverse()
    loss.backward()
    np.testing.assert_array_equal(x.grad[0, :, :, 0], [[2, 4, 4], [2, 4, 4], [1, 2, 2]])


# ---- the gradients of leaves


@pytest.mark.parametrize("f", [
    lambda a, b: a.mean(), lambda a, b: a.sum(), lambda a, b: (a + b).mean(), lambda a, b: ng.broadcast_to(a, (5, 2, 2)).mean(),
    lambda a, b: ng.concatenate([a, b]).mean(), lambda a, b: a.transpose().mean(), lambda a, b: a[:, :1].mean(),
    lambda a, b: ng.max(a), lambda a, b: a.reshape(4).sum(), lambda a, b: ng.pad(a, ((1, 1), (0, 0))).sum()], ids=range(10))
def test_a_leafs_gradient_is_its_own_writable_array(f):
    a, b = leaf([1.0, 2.0], [3.0, 4.0]), leaf([5.0, 6.0], [7.0, 8.0])
    f(a, b).backward()
    before = np.array(b.grad)
    a.grad *= 2
    a.grad[0] = 9
    np.testing.assert_array_equal(np.array(b.grad), before)


def test_a_loss_that_is_a_leaf_itself():
    x, upstream = leaf(3.0), np.array([2.0])
    x.backward(upstream)
    x.grad *= 5
    assert upstream == 2


def test_an_exception_in_a_vjp_leaves_no_gradients_behind():
    x = leaf(1.0)
    broken = [True]

    def vjp(g):
        if broken[0]:
            raise RuntimeError
        return g

    h = x * 2.0
    y = from_op(h.data, (h, vjp)) + x
    with pytest.raises(RuntimeError):
        y.backward()
    assert (x.grad, h.grad, y.grad) == (None,) * 3
    broken[0] = False
    (h * 1.0).backward()
    assert x.grad == 2


# ---- targets


def test_l1_and_l2_pass_their_gradient_to_a_target_that_wants_it():
    for loss in ng.l1, ng.l2:
        y, t, number = leaf(1.0, 2.0, 3.0), leaf(0.0, 3.0, 1.0), Tensor(np.array(0.5), requires_grad=True)
        loss(y, t).backward()
        np.testing.assert_array_equal(t.grad, -y.grad)
        loss(y, number).backward()
        loss(number, 0.25).backward()
        assert number.grad.shape == ()
        ng.gradcheck(loss, np.array([1.0, 2.0]), np.array([0.0, 3.0]))
        ng.gradcheck(loss, np.array([1.0, 2.0]), np.array(0.3))


@pytest.mark.parametrize("loss", [ng.bce, ng.bce_with_logits, ng.softmax_cross_entropy])
def test_cross_entropies_refuse_a_target_that_requires_a_gradient(loss):
    with pytest.raises(InputError, match=rf"^{loss.__name__}: .*detach\(\)"):
        loss(leaf([0.5, 0.5]), leaf([0.5, 0.5]))


@pytest.mark.parametrize("loss", [ng.l1, ng.l2, ng.bce, ng.bce_with_logits])
@pytest.mark.parametrize("target", [None, "1", 1j, Tensor(np.float32(1.0))], ids=repr)
def test_targets_that_are_no_real_numbers_of_the_same_dtype_are_refused(loss, target):
    with pytest.raises(InputError):
        loss(leaf(0.5, 0.5), target)


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
    for k in range(3):
        optimizer.minimize(ng.l2(network(batch(dtype=np.float64, seed=k)), 1.0))
        now = states(network)
        average.update()
        expected = {name: 0.75 * mean + 0.25 * now[name] for name, mean in expected.items()}
        assert all(np.array_equal(now[name], a) for name, a in network.state().items())
    assert list(average.state()) == list(expected)
    for name, mean in average.state().items():
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


# ---- arguments, and what Python asks of a value


@pytest.mark.parametrize("wrong", [None, "3", 1j, np.array("a"), np.array(None), object(), {}, np.complex64(1)], ids=repr)
def test_what_is_no_number_is_no_operand(wrong):
    x = leaf(1.0, 2.0)
    for call in (lambda: x * wrong, lambda: wrong + x, lambda: ng.div(x, wrong), lambda: ops.exp(wrong)):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize("number", [2, 2.0, 10**30, True, np.int8(2), np.float32(2), np.array(2), np.bool_(True)], ids=repr)
def test_real_numbers_take_the_tensors_dtype(number):
    y = leaf(1.5, dtype=np.float32) * number
    assert y.dtype == np.float32
    assert y.item() == np.float32(1.5) * np.float32(number)


def test_concatenate_refuses_mixed_dtypes_and_nothing_at_all():
    with pytest.raises(InputError, match=r"concatenate: .*float64.*float32"):
        ng.concatenate([leaf(1.0), leaf(1.0, dtype=np.float32)])
    with pytest.raises(InputError, match="concatenate"):
        ng.concatenate([])


def test_python_takes_one_element_as_a_number():
    assert (bool(Tensor(np.array(0.0))), bool(Tensor(np.array([[2.0]]))), bool(Tensor(np.zeros(1)))) == (False, True, False)
    assert (float(Tensor(np.array(2.5))), float(Tensor(np.array([[2.5]])))) == (2.5, 2.5)
    assert len(Tensor(np.ones((3, 2)))) == 3
    for shape in ((2,), (0,)):
        with pytest.raises(ValueError, match="array of size 1"):
            bool(Tensor(np.ones(shape)))
    with pytest.raises(TypeError, match="unsized"):
        len(Tensor(np.array(1.0)))


# ---- edges


def test_division_by_small_numbers_has_the_right_gradient():
    a, b = leaf(1e-30, dtype=np.float32), leaf(1e-25, dtype=np.float32)
    (a / b).backward(np.ones(1, np.float32))
    np.testing.assert_allclose(b.grad, -1e20, rtol=1e-5)


@pytest.mark.parametrize(("p", "value", "slope"), [(0, 1, 0), (1, 0, 1), (2, 0, 0), (3.5, 0, 0), (0.0, 1, 0)])
def test_powers_at_zero(p, value, slope):
    x = leaf(0.0)
    y = x**p
    y.backward()
    assert (y.item(), x.grad.item()) == (value, slope)


@pytest.mark.parametrize("axis", [-1, -2, -3, (-1, 0), (-3, -1)])
def test_negative_axes_count_from_the_end(axis):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for op in ops.sum, ops.mean, ops.max:
        for keepdims in (False, True):
            ng.gradcheck(lambda x, op=op, k=keepdims: op(x, axis, k), x)
    if isinstance(axis, int):
        ng.gradcheck(lambda a, b: ops.concatenate([a, b], axis), x, x[:, :, :])
        np.testing.assert_array_equal(ops.concatenate([x, x], axis).data, np.concatenate([x, x], axis))


def test_losses_of_one_element_of_any_shape_start_a_backward_pass():
    for shape in ((), (1,), (1, 1)):
        x = Tensor(np.full(shape, 3.0), requires_grad=True)
        (x * x).backward()
        assert (x.grad.shape, x.grad.item()) == (shape, 6)


def test_saturated_probabilities_have_finite_losses_and_gradients():
    for dtype in np.float32, np.float64:
        tiny = np.finfo(dtype).tiny
        p = Tensor(np.array([0.0, tiny / 4, 1.0, 1.0, 0.0], dtype), requires_grad=True)
        loss = ng.bce(p, np.array([1.0, 1.0, 0.0, 1.0, 0.0], dtype))
        loss.backward()
        assert np.isfinite(loss.item())
        assert np.isfinite(p.grad).all()
