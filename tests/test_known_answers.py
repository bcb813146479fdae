"""numgan against numbers that others published: Stanford's CS231n and ONNX. PyTorch's are in test_known_pytorch.py.

known_answers/README.md says where each file comes from; make_known_answers.py made them. ONNX is not needed to run this.
Where its conventions are not numgan's, a comment beside the mapping says so.
"""

import numpy as np
import pytest

import numgan as ng

from .published import agree, agree_as_printed, batch_norm_layer, load, parameter

ONNX = load("onnx.npz")

# ---- CS231n: numbers printed in the assignments' notebooks


def cs231n_ramp(low, high, *shape):
    """The notebooks' inputs: evenly spaced numbers."""
    return np.linspace(low, high, num=int(np.prod(shape))).reshape(shape)


def test_conv2d_equals_cs231n_conv_forward_naive():
    x, w = cs231n_ramp(-0.1, 0.5, 2, 3, 4, 4), cs231n_ramp(-0.2, 0.3, 3, 3, 4, 4)
    b = np.linspace(-0.1, 0.2, num=3)
    # images NCHW -> NHWC, kernels (F, C, kh, kw) -> (kh, kw, C, F)
    y = ng.conv2d(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0), strides=2, padding=((1, 1), (1, 1))) + b
    agree_as_printed(y.data.transpose(0, 3, 1, 2), [
        [[[-0.08759809, -0.10987781], [-0.18387192, -0.21092160]],
         [[+0.21027089, +0.21661097], [+0.22847626, +0.23004637]],
         [[+0.50813986, +0.54309974], [+0.64082444, +0.67101435]]],
        [[[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
         [[+0.69108355, +0.66880383], [+0.59480972, +0.56776003]],
         [[+2.36270298, +2.36904306], [+2.38090835, +2.38247847]]]])


def test_matmul_equals_cs231n_affine_forward():
    x, w = cs231n_ramp(-0.1, 0.5, 2, 4, 5, 6), cs231n_ramp(-0.2, 0.3, 120, 3)
    y = ng.Tensor(x).reshape(2, 120) @ w + np.linspace(-0.3, 0.1, num=3)
    agree_as_printed(y, [[1.49834967, 1.70660132, 1.91485297], [3.25553199, 3.51413270, 3.77273342]])


def test_relu_equals_cs231n_relu_forward():
    agree_as_printed(ng.relu(cs231n_ramp(-0.5, 0.5, 3, 4)), [
        [0, 0, 0, 0], [0, 0, 0.04545455, 0.13636364], [0.22727273, 0.31818182, 0.40909091, 0.5]])


def test_dense_relu_dense_cross_entropy_equal_cs231n_two_layer_net():
    network = ng.Sequential(ng.Dense(50), ng.ReLU(), ng.Dense(7), input_shape=(5,), rng=np.random.default_rng(0),
                            dtype="float64")
    w1, b1, w2, b2 = network.parameters()
    w1.data[...], b1.data[...] = cs231n_ramp(-0.7, 0.3, 5, 50), np.linspace(-0.1, 0.9, num=50)
    w2.data[...], b2.data[...] = cs231n_ramp(-0.3, 0.4, 50, 7), np.linspace(-0.9, 0.1, num=7)
    scores = network(cs231n_ramp(-5.5, 4.5, 5, 3).T)
    agree_as_printed(scores, [
        [11.53165108, 12.29173440, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096],
        [12.05769098, 12.74614105, 13.43459113, 14.12304120, 14.81149128, 15.49994135, 16.18839143],
        [12.58373087, 13.20054771, 13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.28463190]])
    loss = ng.softmax_cross_entropy(scores, np.array([0, 5, 1]))
    agree_as_printed(loss, 3.4702243556, digits=10)
    penalty = (w1 * w1).sum() + (w2 * w2).sum()  # CS231n's regularisation has a factor 1/2
    agree_as_printed(loss + penalty * 0.5, 26.5948426952, digits=10)


def test_adam_equals_cs231n_adam():
    w = parameter(cs231n_ramp(-0.4, 0.6, 4, 5), "w")
    optimizer = ng.Adam([w], 1e-2, beta1=0.9, beta2=0.999, eps=1e-8)
    state = optimizer.state()
    state["w.moment1"][...], state["w.moment2"][...] = cs231n_ramp(0.6, 0.9, 4, 5), cs231n_ramp(0.7, 0.5, 4, 5)
    state["t"][...] = 5  # CS231n, too, increases t before it uses it
    w.grad = cs231n_ramp(-0.6, 0.4, 4, 5)
    optimizer.step()
    agree_as_printed(w, [
        [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977],
        [-0.13802740, -0.08544591, -0.03286534, +0.01971428, +0.07229290],
        [+0.12487050, +0.17744702, +0.23002243, +0.28259667, +0.33516969],
        [+0.38774145, +0.44031188, +0.49288093, +0.54544852, +0.59801459]])
    agree_as_printed(state["w.moment2"], [
        [0.69966000, 0.68908382, 0.67851319, 0.66794809, 0.65738853],
        [0.64683452, 0.63628604, 0.62574310, 0.61520571, 0.60467385],
        [0.59414753, 0.58362676, 0.57311152, 0.56260183, 0.55209767],
        [0.54159906, 0.53110598, 0.52061845, 0.51013645, 0.49966000]])
    agree_as_printed(state["w.moment1"], [
        [0.48000000, 0.49947368, 0.51894737, 0.53842105, 0.55789474],
        [0.57736842, 0.59684211, 0.61631579, 0.63578947, 0.65526316],
        [0.67473684, 0.69421053, 0.71368421, 0.73315789, 0.75263158],
        [0.77210526, 0.79157895, 0.81105263, 0.83052632, 0.85000000]])


def test_sgd_equals_cs231n_sgd_momentum():
    w, lr = parameter(cs231n_ramp(-0.4, 0.6, 4, 5), "w"), 1e-3
    optimizer = ng.SGD([w], lr, momentum=0.9)
    velocity = optimizer.state()["w.moment1"]
    velocity[...] = cs231n_ramp(0.6, 0.9, 4, 5) / -lr  # CS231n's velocity is what is added to w: ours times -lr
    w.grad = cs231n_ramp(-0.6, 0.4, 4, 5)
    optimizer.step()
    agree_as_printed(w, [
        [0.14060000, 0.20738947, 0.27417895, 0.34096842, 0.40775789],
        [0.47454737, 0.54133684, 0.60812632, 0.67491579, 0.74170526],
        [0.80849474, 0.87528421, 0.94207368, 1.00886316, 1.07565263],
        [1.14244211, 1.20923158, 1.27602105, 1.34281053, 1.40960000]])
    agree_as_printed(velocity * -lr, [
        [0.54060000, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
        [0.61138947, 0.62554737, 0.63970526, 0.65386316, 0.66802105],
        [0.68217895, 0.69633684, 0.71049474, 0.72465263, 0.73881053],
        [0.75296842, 0.76712632, 0.78128421, 0.79544211, 0.80960000]])


def test_batch_norm_in_training_equals_cs231n_batchnorm_forward():
    random = np.random.RandomState(231)
    x, w1, w2 = random.randn(200, 50), random.randn(50, 60), random.randn(60, 3)
    features = np.maximum(0, x @ w1) @ w2
    agree_as_printed(features.mean(0), [-2.38145980, -13.18038246, 1.91780462])
    y, _, _ = ng.batch_norm(features, np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0]), eps=1e-5)
    agree_as_printed(y.data.mean(0), [11, 12, 13])
    agree_as_printed(y.data.std(0), [0.99999999, 1.99999999, 2.99999999])


def test_batch_norm_after_training_equals_cs231n_batchnorm_forward():
    random = np.random.RandomState(231)
    w1, w2 = random.randn(50, 60), random.randn(60, 3)
    layer = batch_norm_layer(3, gamma=1, beta=0, mean=0, variance=0, momentum=0.9, eps=1e-5)
    for _ in range(50):
        layer(np.maximum(0, random.randn(200, 50) @ w1) @ w2)
    layer.variance *= 199 / 200  # CS231n averages the biased variances
    layer.eval()
    y = layer(np.maximum(0, random.randn(200, 50) @ w1) @ w2)
    agree_as_printed(y.data.mean(0), [-0.03927354, -0.04349152, -0.10452688])
    agree_as_printed(y.data.std(0), [1.01531428, 1.01238373, 0.97819988])


# ---- ONNX: its backend's test cases, float32

ONNX_CONV = ["basic_conv_with_padding", "basic_conv_without_padding", "conv_with_autopad_same",
             "conv_with_strides_padding", "conv_with_strides_no_padding", "conv_with_strides_and_asymmetric_padding",
             "Conv2d", "Conv2d_no_bias", "Conv2d_padding", "Conv2d_strided"]
ONNX_CONV_TRANSPOSE = ["convtranspose", "convtranspose_autopad_same", "convtranspose_pad", "convtranspose_pads",
                       "ConvTranspose2d", "ConvTranspose2d_no_bias"]
ONNX_BATCH_NORM_EVAL = ["batchnorm_example", "batchnorm_epsilon", "BatchNorm2d_eval", "BatchNorm2d_momentum_eval"]
ONNX_BATCH_NORM_TRAIN = ["batchnorm_example_training_mode", "batchnorm_epsilon_training_mode"]
ONNX_ACTIVATION = {
    "relu": ng.relu, "sigmoid": ng.sigmoid, "sigmoid_example": ng.sigmoid, "tanh": ng.tanh, "tanh_example": ng.tanh,
    "softplus": ng.softplus, "softplus_example": ng.softplus,
    "leakyrelu": lambda x: ng.leaky_relu(x, 0.1), "leakyrelu_example": lambda x: ng.leaky_relu(x, 0.1),
    "leakyrelu_default": lambda x: ng.leaky_relu(x, 0.01), "LeakyReLU_with_negval": lambda x: ng.leaky_relu(x, 0.5),
}
ONNX_DENSE = ["gemm_default_vector_bias", "Linear"]
ONNX_OTHER = ["sce_mean", "depthtospace_example", "upsample_nearest", "momentum"]


def test_every_onnx_case_of_the_file_is_compared():
    compared = [*ONNX_CONV, *ONNX_CONV_TRANSPOSE, *ONNX_BATCH_NORM_EVAL, *ONNX_BATCH_NORM_TRAIN, *ONNX_ACTIVATION,
                *ONNX_DENSE, *ONNX_OTHER]
    assert sorted(compared) == sorted(ONNX)


def agree_with_onnx(ours, reference, what="value"):
    """In float32, to a few of its units of rounding."""
    assert ours.dtype == reference.dtype == np.float32
    agree(ours, reference, rtol=3e-6, what=what)


def attribute(record, name, default):
    """An attribute of the node as Python numbers, or ONNX's default."""
    return record[name].tolist() if name in record.dtype.names else default


def nhwc(images):
    """ONNX's (N, C, H, W) as numgan's (N, H, W, C)."""
    return np.moveaxis(images, 1, -1)


def onnx_kernels(record):
    """(F, C, kh, kw) -> (kh, kw, C, F); F is what comes out of a convolution and what enters a transposed one."""
    return record["x1"].transpose(2, 3, 1, 0)


def onnx_bias(record):
    """The bias, or 0."""
    return record["x2"] if "x2" in record.dtype.names else np.float32(0)


@pytest.mark.parametrize("case", ONNX_CONV)
def test_conv2d_equals_onnx(case):
    record = ONNX[case]
    top, left, bottom, right = attribute(record, "pads", (0, 0, 0, 0))  # ONNX lists both beginnings first
    padding = ((top, bottom), (left, right))
    if "auto_pad" in record.dtype.names:
        padding = "same"  # SAME_LOWER differs from numgan's only for an odd number of pixels; here it is even
    y = ng.conv2d(nhwc(record["x0"]), onnx_kernels(record), strides=attribute(record, "strides", 1), padding=padding)
    agree_with_onnx(y + onnx_bias(record), nhwc(record["y0"]))


@pytest.mark.parametrize("case", ONNX_CONV_TRANSPOSE)
def test_conv2d_transpose_equals_onnx(case):
    record = ONNX[case]
    padding = "same" if "auto_pad" in record.dtype.names else "valid"
    y = ng.conv2d_transpose(nhwc(record["x0"]), onnx_kernels(record), strides=attribute(record, "strides", 1),
                            padding=padding).data
    # ONNX's output_padding appends pixels that no tap reaches, and then its pads cut the borders off
    more_rows, more_columns = attribute(record, "output_padding", (0, 0))
    top, left, bottom, right = attribute(record, "pads", (0, 0, 0, 0))
    y = np.pad(y, ((0, 0), (0, more_rows), (0, more_columns), (0, 0)))
    y = y[:, top:y.shape[1] - bottom, left:y.shape[2] - right]
    agree_with_onnx(y + onnx_bias(record), nhwc(record["y0"]))


def onnx_batch_norm_layer(record):
    """The layer with the case's parameters, statistics and eps."""
    gamma, beta, mean, variance = (record[f"x{i}"] for i in (1, 2, 3, 4))
    return batch_norm_layer(len(gamma), "float32", gamma=gamma, beta=beta, mean=mean, variance=variance,
                            momentum=0.9, eps=attribute(record, "epsilon", 1e-5))


@pytest.mark.parametrize("case", ONNX_BATCH_NORM_EVAL)
def test_batch_norm_in_eval_mode_equals_onnx(case):
    layer = onnx_batch_norm_layer(ONNX[case])
    layer.eval()
    agree_with_onnx(layer(nhwc(ONNX[case]["x0"])), nhwc(ONNX[case]["y0"]))


@pytest.mark.parametrize("case", ONNX_BATCH_NORM_TRAIN)
def test_batch_norm_in_training_equals_onnx(case):
    record, layer = ONNX[case], onnx_batch_norm_layer(ONNX[case])
    agree_with_onnx(layer(nhwc(record["x0"])), nhwc(record["y0"]))
    agree_with_onnx(layer.mean, record["y1"], "running mean")
    count = record["x0"].size // len(record["y1"])
    kept = np.float32(0.9) * record["x4"]
    unbiased = (record["y2"] - kept) * np.float32(count / (count - 1))  # ONNX averages the biased variance
    agree_with_onnx(layer.variance, kept + unbiased, "running variance")


@pytest.mark.parametrize("case", ONNX_ACTIVATION)
def test_activation_equals_onnx(case):
    agree_with_onnx(ONNX_ACTIVATION[case](ONNX[case]["x0"]), ONNX[case]["y0"])


@pytest.mark.parametrize("case", ONNX_DENSE)
def test_dense_equals_onnx(case):
    record = ONNX[case]
    w = record["x1"].T if attribute(record, "transB", 0) else record["x1"]
    layer = ng.Dense(w.shape[1])
    ng.Sequential(layer, input_shape=w.shape[:1], rng=np.random.default_rng(0))
    layer.w.data[...], layer.b.data[...] = w, record["x2"].reshape(-1)
    agree_with_onnx(layer(record["x0"]), record["y0"])


def test_softmax_cross_entropy_equals_onnx():
    record = ONNX["sce_mean"]
    agree_with_onnx(ng.softmax_cross_entropy(record["x0"], record["x1"]), record["y0"])


def test_depth_to_space_equals_onnx():
    record = ONNX["depthtospace_example"]
    assert record["mode"] == "DCR"  # channel = (row, column, c) in this order, as in numgan
    y = ng.depth_to_space(ng.Tensor(nhwc(record["x0"])), int(record["blocksize"]))
    agree_with_onnx(y, nhwc(record["y0"]))


def test_upsample_equals_onnx():
    record = ONNX["upsample_nearest"]
    assert record["x1"].tolist() == [1, 1, 2, 3]
    y = ng.upsample(nhwc(record["x0"]), 6)[:, ::3, ::2]  # factors 2 and 3 are every third and second of 6 equal pixels
    agree_with_onnx(y, nhwc(record["y0"]))


def test_sgd_equals_onnx_momentum():
    record = ONNX["momentum"]
    lr, t, x, g, v = (record[f"x{i}"] for i in range(5))
    assert t == 0  # at ONNX's step 0 its factor beta of the gradient does not count
    w = parameter(x, "w")
    optimizer = ng.SGD([w], float(lr), momentum=float(record["alpha"]))
    optimizer.state()["w.moment1"][...] = v
    w.grad = g + np.float32(record["norm_coefficient"]) * x  # its weight decay
    optimizer.step()
    agree_with_onnx(w.data, record["y0"])
    agree_with_onnx(optimizer.state()["w.moment1"], record["y1"], "velocity")
