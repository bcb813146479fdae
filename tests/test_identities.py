"""Algebra that must hold whatever the numbers are, and the documented conventions where a derivative does not exist."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numgan as ng
from numgan import InputError, Tensor, conv, resize

SEEDS = st.integers(0, 2**32 - 1)


def leaf(x):
    return Tensor(np.asarray(x, np.float64), requires_grad=True)


def close(a, b, tolerance=1e-12):
    assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-3)


# ---- convolution


@given(SEEDS, st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(1, 4), st.integers(1, 4))
def test_resize_conv_equals_upsampling_then_convolution(seed, kernel, h, w):
    rng = np.random.default_rng(seed)
    x, k = rng.standard_normal((2, h, w, 3)), rng.standard_normal((*kernel, 3, 2))
    results = []
    for f in (ng.resize_conv2d, lambda x, w: ng.conv2d(ng.upsample(x, 2), w)):
        X, W = leaf(x), leaf(k)
        y = f(X, W)
        y.backward(np.random.default_rng(1).standard_normal(y.shape))
        results.append((y.data, X.grad, W.grad))
    for a, b in zip(*results, strict=True):
        close(a, b)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_resize_conv_layer_equals_two_layers_values_and_all_three_gradients(kernel):
    rng = np.random.default_rng(kernel)
    x = rng.standard_normal((2, 5, 4, 3))
    one = ng.Sequential(ng.ResizeConv2D(4, kernel), input_shape=x.shape[1:], rng=rng, dtype=np.float64)
    two = ng.Sequential(ng.UpSampling2D(), ng.Conv2D(4, kernel), input_shape=x.shape[1:], rng=rng, dtype=np.float64)
    w, b = rng.standard_normal((kernel, kernel, 3, 4)), rng.standard_normal(4)
    upstream, results = rng.standard_normal((2, 10, 8, 4)), []
    for net in (one, two):
        for p, value in zip(net.parameters(), (w, b), strict=True):
            p.data[...] = value
        X = leaf(x)
        y = net(X)
        y.backward(upstream)
        results.append((y.data, X.grad, *(p.grad for p in net.parameters())))
    for a, b in zip(*results, strict=True):
        close(a, b)


def test_resize_conv_of_five_taps_multiplies_36_instead_of_100_times():
    kernels, padding = resize.phase_kernels(Tensor(np.ones((5, 5, 1, 1))))
    assert kernels.shape == (3, 3, 1, 4)
    assert padding == ((1, 1), (1, 1))


@given(SEEDS, st.integers(1, 2), st.integers(2, 4), st.integers(0, 2), st.integers(0, 2))
def test_convolution_commutes_with_shifts_inside(seed, stride, kernel, down, right):
    rng = np.random.default_rng(seed)
    x, w = np.zeros((1, 16, 16, 2)), rng.standard_normal((kernel, kernel, 2, 3))
    x[:, 6:9, 6:9] = rng.standard_normal((1, 3, 3, 2))
    y = ng.conv2d(Tensor(x), Tensor(w), strides=stride).data
    shifted = np.roll(x, (down * stride, right * stride), (1, 2))
    close(ng.conv2d(Tensor(shifted), Tensor(w), strides=stride).data, np.roll(y, (down, right), (1, 2)))


@given(SEEDS, st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_col2im_is_the_transpose_of_im2col(seed, kernel, strides):
    rng = np.random.default_rng(seed)
    x, padding = rng.standard_normal((2, 6, 5, 3)), ((1, 2), (0, 1))
    columns = conv.im2col(x, kernel, strides, padding)
    v = rng.standard_normal(columns.shape)
    close(np.sum(columns * v), np.sum(x * conv.col2im(v, (6, 5), kernel, strides, padding)))


@given(SEEDS, st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(1, 5), st.integers(1, 5))
def test_gathering_and_scattering_are_two_ways_to_the_same_numbers(seed, kernel, c, f):
    """The kernels choose by channel counts; both ways must agree, so exchange the roles of C and F."""
    rng = np.random.default_rng(seed)
    x, w, padding = rng.standard_normal((2, 5, 4, c)), rng.standard_normal((*kernel, c, f)), ((1, 0), (0, 1))
    padding = tuple((min(a, k - 1), min(b, k - 1)) for (a, b), k in zip(padding, kernel, strict=True))
    y = conv.correlate(x, w, (1, 1), padding)
    mirrored = conv.mirrored_padding(padding, kernel)
    close(y, conv.correlate_adjoint_x(x, conv.mirror(w), y.shape[1:3], (1, 1), mirrored))
    close(y, conv.rows_times(conv.im2col(x, kernel, (1, 1), padding), w.reshape(-1, f)))


@pytest.mark.parametrize(("call", "says"), [
    (lambda x, w: ng.conv2d(x, w[:, :, :1]), "conv2d"), (lambda x, w: ng.conv2d(x[0], w), "conv2d"),
    (lambda x, w: ng.conv2d(x, w[0]), "conv2d"), (lambda x, w: ng.conv2d_transpose(x[0], w), "conv2d_transpose"),
    (lambda x, w: ng.conv2d_transpose(x, w[0]), "conv2d_transpose"),
    *((lambda x, w, wrong=wrong: ng.conv2d(x, w, padding=wrong), "padding: expected")
      for wrong in ("full", 1, ((0, 0), (0, -1)), ((1, 1), (1,)), ((1, 1), (1, 0.5)), ((1, 1), (1, 1), (1, 1)), None)),
    (lambda x, w: ng.conv2d(x[:, :2], w, padding="valid"), "does not fit"),
    *((lambda x, w, op=op, wrong=wrong: op(x, w, strides=wrong), f"^{op.__name__}: .* as strides, got")
      for op in (ng.conv2d, ng.conv2d_transpose) for wrong in (0, 1.5, (1, 2, 3), (1, 0), None)),
    *((lambda x, w, wrong=wrong: ng.max_pool2d(x, wrong), "^max_pool2d: .* as pool_size") for wrong in (0, 1.5, (1, 2, 3))),
    (lambda x, w: ng.max_pool2d(x, 2, strides=1.5), "^max_pool2d: .* as strides, got"),
    (lambda x, w: ng.conv2d(x, w[:0]), "does not fit"), (lambda x, w: ng.conv2d_transpose(x, w[:, :0]), "does not fit"),
    (lambda x, w: ng.depth_to_space(x, 2), "depth_to_space: .* divisible by"),
    *((lambda x, w, op=op, wrong=wrong: op(x, wrong), f"^{op.__name__}: expected a positive integer as")
      for op in (ng.upsample, ng.depth_to_space) for wrong in (0, -1, 2.0)),
    *((lambda x, w, op=op: op(x[0]), f"^{op.__name__}: expected shape")
      for op in (ng.upsample, ng.depth_to_space, ng.max_pool2d)),
    *((lambda x, w, cut=cut: ng.resize_conv2d(*cut(x, w)), "^resize_conv2d: expected shapes")
      for cut in (lambda x, w: (x[0], w), lambda x, w: (x, w[0]), lambda x, w: (x, w[:0]), lambda x, w: (x, w[:, :, :2]))),
    (lambda x, w: ng.conv2d_transpose(x, w[:, :, :, :2]), "conv2d_transpose"),
    (lambda x, w: ng.conv2d_transpose(x, w, padding=((9, 9), (9, 9))), "does not fit")])
def test_convolutions_that_do_not_fit(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call(Tensor(np.ones((1, 4, 4, 3))), Tensor(np.ones((3, 3, 3, 3))))
    assert "\n" not in str(caught.value)


# ---- batch normalisation


@given(SEEDS, st.floats(-5, 5), st.floats(0.5, 5))
def test_batch_norm_ignores_shift_and_scale_of_a_channel(seed, shift, scale):
    rng = np.random.default_rng(seed)
    x, gamma, beta = rng.standard_normal((6, 3)), rng.standard_normal(3), rng.standard_normal(3)
    y, mean, variance = ng.batch_norm(Tensor(x), Tensor(gamma), Tensor(beta), eps=1e-14)
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(variance, x.var(0), rtol=1e-10)
    close(ng.batch_norm(Tensor(scale * x + shift), Tensor(gamma), Tensor(beta), eps=1e-14)[0].data, y.data, 1e-8)


@pytest.mark.parametrize("shapes", [((4, 3), (2,), (3,)), ((4, 3), (3,), (1,)), ((4, 3), (4, 3), (3,))])
def test_batch_norm_refuses_what_does_not_fit(shapes):
    with pytest.raises(InputError, match="batch_norm: expected shapes"):
        ng.batch_norm(*(np.ones(shape) for shape in shapes))


@given(SEEDS)
def test_batch_norm_gradient_has_no_part_along_one_and_xhat(seed):
    rng = np.random.default_rng(seed)
    x, gamma = leaf(rng.standard_normal((7, 3))), rng.standard_normal(3) + 2
    y, mean, variance = ng.batch_norm(x, Tensor(gamma), Tensor(np.zeros(3)), eps=1e-14)
    y.backward(rng.standard_normal(y.shape))
    scale = np.abs(x.grad).max()
    assert np.abs(x.grad.sum(0)).max() <= 1e-12 * scale
    assert np.abs((x.grad * (x.data - mean) / np.sqrt(variance)).sum(0)).max() <= 1e-10 * scale


# ---- losses


def test_losses_on_logits_stay_finite_and_right_at_a_thousand():
    for dtype in np.float32, np.float64:
        x = Tensor(np.array([1000.0, -1000.0, 1000.0, -1000.0], dtype), requires_grad=True)
        loss = ng.bce_with_logits(x, np.array([1.0, 0.0, 0.0, 1.0], dtype))
        loss.backward()
        assert loss.item() == 500
        np.testing.assert_array_equal(x.grad, np.array([0, 0, 0.25, -0.25], dtype))
        logits = Tensor(np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], dtype), requires_grad=True)
        loss = ng.softmax_cross_entropy(logits, np.array([0, 0]))
        loss.backward()
        assert loss.item() == 1000
        np.testing.assert_array_equal(logits.grad, np.array([[0, 0], [-0.5, 0.5]], dtype))


def test_saturated_probabilities_cost_much_but_not_infinitely_much():
    for dtype in np.float32, np.float64:
        p = Tensor(np.array([0.0, 1.0, 0.0, 1.0], dtype), requires_grad=True)
        loss = ng.bce(p, np.array([0.0, 1.0, 1.0, 0.0], dtype))
        loss.backward()
        assert 40 < loss.item() < 400
        assert np.isfinite(p.grad).all()


@given(SEEDS, st.sampled_from([0.0, 0.1, 0.9, 1.0]))
def test_bce_on_logits_equals_sigmoid_then_bce(seed, t):
    values, results = np.random.default_rng(seed).uniform(-8, 8, (5, 2)), []
    for loss in (lambda x: ng.bce_with_logits(x, t), lambda x: ng.bce(ng.sigmoid(x), t)):
        x = leaf(values)
        y = loss(x)
        y.backward()
        results.append((y.data, x.grad))
    close(results[1][0], results[0][0], 1e-11)
    close(results[1][1], results[0][1], 1e-11)
    close(results[0][1], (1 / (1 + np.exp(-values)) - t) / values.size)


def test_sigmoid_and_softplus_lose_no_digits_in_the_tails():
    x = np.array([-700.0, -40.0, 40.0, 700.0])
    np.testing.assert_allclose(ng.sigmoid(x).data, [np.exp(-700), np.exp(-40), 1, 1], rtol=1e-12)
    np.testing.assert_allclose(ng.softplus(x).data, [np.exp(-700), np.exp(-40), 40, 700], rtol=1e-12)


@pytest.mark.parametrize(("call", "says"), [
    (lambda: ng.bce(np.array([1.5]), 1.0), "probabilities"), (lambda: ng.bce(np.array([np.nan]), 1.0), "probabilities"),
    (lambda: ng.l2(np.ones(3), np.ones(2)), "l2"), (lambda: ng.bce_with_logits(np.ones((3, 1)), np.ones(3)), "bce_with_logits"),
    (lambda: ng.softmax_cross_entropy(np.ones((3, 2)), np.array([0, 1, 2])), "labels"),
    (lambda: ng.softmax_cross_entropy(np.ones((3, 2)), np.array([0, -1, 1])), "labels"),
    (lambda: ng.softmax_cross_entropy(np.ones((3, 2)), np.ones(3)), "integer"),
    (lambda: ng.softmax_cross_entropy(np.ones(3), np.array([0])), "logits")])
def test_losses_refuse_what_does_not_fit(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


# ---- conventions


@pytest.mark.parametrize(("op", "at_zero"), [(ng.relu, 0.0), (ng.leaky_relu, 0.2), (ng.abs, 0.0)])
def test_derivative_at_the_kink(op, at_zero):
    for zero in 0.0, -0.0:
        x = leaf([zero, 1.0])
        op(x).backward(np.array([3.0, 1.0]))
        assert np.array_equal(x.grad, [3 * at_zero, 1.0])


@pytest.mark.parametrize("call", [
    lambda: ng.power(np.ones(2), np.ones(2)), lambda: ng.matmul(np.ones((2, 3)), np.ones((2, 3))),
    lambda: ng.matmul(np.ones(3), np.ones((3, 2))), lambda: ng.leaky_relu(np.ones(2), 1.0),
    lambda: ng.leaky_relu(np.ones(2), -0.1)])
def test_ops_refuse_what_does_not_fit(call):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)


# ---- the checker is checked


def test_gradcheck_names_the_wrong_element():
    def wrong(x):
        y = ng.tanh(x)
        return ng.mul(y, Tensor(np.ones(3))) if x.requires_grad else y * np.array([1.0, 1.0, 1.1])

    with pytest.raises(AssertionError, match=r"input 0, element \(2,\)"):
        ng.gradcheck(wrong, np.array([0.1, 0.2, 0.3]))


def test_gradcheck_checks_nothing_without_a_word():
    net = ng.Sequential(ng.Dense(1), input_shape=(2,), rng=np.random.default_rng(0), dtype="float64")
    for f in (lambda a, b: a * 2.0, lambda a, b: a + ng.l2(net(np.ones((1, 2))), 0)):
        with pytest.raises(AssertionError, match="input 1: expected an input that f depends on"):
            ng.gradcheck(f, np.ones(2), net.parameters()[0].data)
    with pytest.raises(AssertionError, match="input 1, element"):
        ng.gradcheck(lambda a, b: a * b.detach(), np.ones(2), np.ones(2))
    assert ng.gradcheck(lambda a, b: a + b * 0.0, np.ones(2), np.ones(2)) < 1e-9


def test_numerical_gradient_wants_float64():
    with pytest.raises(InputError, match="float64"):
        ng.numerical_gradient(np.sum, np.ones(3, np.float32))
    x = np.array([3.0, -1.0])
    np.testing.assert_allclose(ng.numerical_gradient(lambda x: np.sum(x**2), x), [6, -2], rtol=1e-9)
    assert np.array_equal(x, [3, -1])
