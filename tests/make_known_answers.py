"""Makes the files of known answers that test_known_answers.py and test_known_pytorch.py compare numgan with:

    python tests/make_known_answers.py torch     torch_ops.npz, torch_dcgan.npz     needs PyTorch
    python tests/make_known_answers.py onnx      onnx.npz                           needs the package onnx

Nothing here imports numgan: what it computes, it computes with the other library. A file holds one record per case:
a NumPy structured array without axes, so that answers[case][name] is an array. Arrays are in numgan's layouts (images
NHWC, kernels (kh, kw, C, F)), except those of onnx.npz, which stay as they were published.
"""

import argparse
import importlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "known_answers"



def other_library(name):
    """The library that the answers come from. Only making the files anew needs it: no test does, and numgan does not."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SystemExit(f"expected the library that these answers come from: pip install {name}") from None


# ---- settings of the PyTorch cases

# image size, kernel, strides, numgan's padding, the same as PyTorch sees it: ((top, bottom), (left, right))
CONV = {
    "5x5 same": ((5, 6), (5, 5), (1, 1), "same", ((2, 2), (2, 2))),
    "3x2 valid": ((5, 4), (3, 2), (1, 1), "valid", ((0, 0), (0, 0))),
    "4x3 same, even kernel": ((4, 5), (4, 3), (1, 1), "same", ((1, 2), (1, 1))),
    "5x5 stride 2 same, even size": ((6, 8), (5, 5), (2, 2), "same", ((1, 2), (1, 2))),
    "3x5 stride 2 same, odd size": ((5, 7), (3, 5), (2, 2), "same", ((1, 1), (2, 2))),
    "2x3 strides 2x1 asymmetric": ((5, 4), (2, 3), (2, 1), ((0, 1), (2, 0)), ((0, 1), (2, 0))),
    "3x3 stride 1 asymmetric": ((4, 5), (3, 3), (1, 1), ((2, 0), (1, 3)), ((2, 0), (1, 3))),
    "2x2 stride 3 valid, pixels left over": ((7, 6), (2, 2), (3, 3), "valid", ((0, 0), (0, 0))),
}
# image size, kernel, strides, numgan's padding; PyTorch's output_padding, then what is cut off at each side
CONV_TRANSPOSE = {
    "4x4 stride 2 same": ((3, 2), (4, 4), (2, 2), "same", (0, 0), ((1, 1), (1, 1))),
    "5x5 stride 2 same, odd padding": ((2, 3), (5, 5), (2, 2), "same", (0, 0), ((1, 2), (1, 2))),
    "3x4 strides 2x3 same": ((3, 2), (3, 4), (2, 3), "same", (0, 0), ((0, 1), (0, 1))),
    "2x3 stride 3 same, gaps": ((2, 3), (2, 3), (3, 3), "same", (1, 0), ((0, 0), (0, 0))),
    "5x3 stride 2 valid": ((3, 2), (5, 3), (2, 2), "valid", (0, 0), ((0, 0), (0, 0))),
    "3x3 stride 1 same": ((4, 3), (3, 3), (1, 1), "same", (0, 0), ((1, 1), (1, 1))),
}
RESIZE = {"5x5": (5, 5), "3x3": (3, 3), "4x3": (4, 3)}
BATCH_NORM = {  # shape, numgan's momentum, eps
    "images, eps 1e-3": ((3, 2, 3, 4), 0.99, 1e-3),
    "vectors, eps 1e-5": ((6, 3), 0.8, 1e-5),
    "two rows, large eps": ((2, 5), 0.0, 0.5),
}
ADAM = {  # lr, beta1, beta2, eps
    "DCGAN's": (2e-4, 0.5, 0.999, 1e-8),
    "the paper's": (1e-3, 0.9, 0.999, 1e-8),
    "large eps, no first moment": (0.05, 0.0, 0.9, 0.1),
    "no eps": (0.1, 0.8, 0.95, 0.0),
}
SGD = {"plain": (0.1, 0.0), "momentum 0.9": (0.02, 0.9)}  # lr, momentum
HARD_LOGITS = [-1000.0, -100.0, -30.0, -1.0, -1e-3, 0.0, 0.25, 2.0, 30.0, 100.0, 1000.0]

# name of each parameter of the small DCGAN, its shape in numgan's layout, and the spread of its initial values
GENERATOR = {
    "dense.w": ((5, 16), 0.5), "dense.b": ((16,), 0.03), "norm1.gamma": ((16,), 0.3), "norm1.beta": ((16,), 0.3),
    "conv1.w": ((5, 5, 4, 2), 0.2), "conv1.b": ((2,), 0.2), "norm2.gamma": ((2,), 0.3), "norm2.beta": ((2,), 0.3),
    "conv2.w": ((5, 5, 2, 1), 0.2), "conv2.b": ((1,), 0.2),
}
STATISTICS = {"norm1": 16, "norm2": 2}
DISCRIMINATOR = {
    "conv1.w": ((5, 5, 1, 2), 0.3), "conv1.b": ((2,), 0.2), "conv2.w": ((5, 5, 2, 4), 0.3), "conv2.b": ((4,), 0.2),
    "dense.w": ((16, 1), 0.5), "dense.b": ((1,), 0.2),
}


def coarse(rng, shape, spread=1.0):
    """Random numbers with few digits: exact in binary and in decimal, and small in a compressed file."""
    return np.rint(rng.standard_normal(shape) * spread * 64) / 64


def bundle(**arrays):
    """One record that holds all these arrays, numbers and strings under their names."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    record = np.zeros((), [(name, array.dtype, array.shape) for name, array in arrays.items()])
    for name, array in arrays.items():
        record[name] = array
    return record


# ---- PyTorch


def torch_ops():
    """Every op with a counterpart in PyTorch, in float64: values, gradients for an upstream g, paths of optimisers."""
    torch = other_library("torch")
    F = torch.nn.functional
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    rng, answers = np.random.default_rng(1), {}

    def leaf(array):
        return torch.tensor(array, requires_grad=True)

    def nchw(images):
        return images.permute(0, 3, 1, 2)

    def nhwc(images):
        return images.permute(0, 2, 3, 1)

    def fchw(kernels):
        return kernels.permute(3, 2, 0, 1).contiguous()

    def record(case, y, inputs, **settings):
        """The case's inputs, output, and gradients for a random upstream."""
        g = coarse(rng, tuple(y.shape)) if y.ndim else np.ones(())
        y.backward(torch.tensor(g))
        arrays = {**settings, "y": y.detach().numpy(), "g": g}
        for name, tensor in inputs.items():
            arrays[name] = tensor.detach().numpy()
            if tensor.requires_grad:
                arrays["d" + name] = tensor.grad.numpy()
        answers[case] = bundle(**arrays)

    for name, (size, kernel, strides, padding, ((top, bottom), (left, right))) in CONV.items():
        x, w, b = leaf(coarse(rng, (2, *size, 2))), leaf(coarse(rng, (*kernel, 2, 3))), leaf(coarse(rng, 3))
        padded = F.pad(nchw(x), (left, right, top, bottom))
        y = nhwc(F.conv2d(padded, fchw(w), b, stride=strides))
        record(f"conv2d: {name}", y, {"x": x, "w": w, "b": b}, strides=strides, padding=padding)

    for name, (size, kernel, strides, padding, extra, ((top, bottom), (left, right))) in CONV_TRANSPOSE.items():
        x, w, b = leaf(coarse(rng, (2, *size, 3))), leaf(coarse(rng, (*kernel, 2, 3))), leaf(coarse(rng, 2))
        y = F.conv_transpose2d(nchw(x), fchw(w), b, stride=strides, output_padding=extra)
        y = nhwc(y[:, :, top:y.shape[2] - bottom, left:y.shape[3] - right])
        record(f"conv2d_transpose: {name}", y, {"x": x, "w": w, "b": b}, strides=strides, padding=padding)

    for name, kernel in RESIZE.items():
        x, w = leaf(coarse(rng, (2, 3, 2, 3))), leaf(coarse(rng, (*kernel, 3, 2)))
        large = F.interpolate(nchw(x), scale_factor=2, mode="nearest")
        kh, kw = kernel
        padded = F.pad(large, ((kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2))
        record(f"resize_conv2d: {name}", nhwc(F.conv2d(padded, fchw(w))), {"x": x, "w": w})

    for name, (shape, momentum, eps) in BATCH_NORM.items():
        c = shape[-1]
        for training in True, False:
            x = leaf(coarse(rng, shape, 2) + np.arange(c))
            gamma, beta = leaf(coarse(rng, c)), leaf(coarse(rng, c))
            mean, variance = torch.tensor(coarse(rng, c)), torch.tensor(1 + np.abs(coarse(rng, c)))
            before = {"mean": mean.numpy().copy(), "variance": variance.numpy().copy()}
            channels_second = x.movedim(-1, 1)
            y = F.batch_norm(channels_second, mean, variance, gamma, beta, training, 1 - momentum, eps).movedim(1, -1)
            record(f"batch_norm {'train' if training else 'eval'}: {name}", y,
                   {"x": x, "gamma": gamma, "beta": beta}, momentum=momentum, eps=eps,
                   new_mean=mean.numpy(), new_variance=variance.numpy(), **before)

    kinks = np.concatenate([coarse(rng, 8), [0.0, -40.0, 40.0, -1e-9]])
    for name, function in {"relu": F.relu, "leaky_relu 0.2": lambda x: F.leaky_relu(x, 0.2), "tanh": torch.tanh,
                           "leaky_relu 0.01": F.leaky_relu, "sigmoid": torch.sigmoid,
                           "softplus": lambda x: F.softplus(x, threshold=1000)}.items():
        x = leaf(kinks)
        record(f"activation: {name}", function(x), {"x": x})

    logits, targets = np.repeat(HARD_LOGITS, 3), np.tile([0.0, 1.0, 0.9], len(HARD_LOGITS))
    probabilities, certain = [1e-9, 1e-3, 0.25, 0.5, 0.875, 1 - 1e-6], np.repeat([0.0, 1.0, 0.3], 6)
    y, goal = coarse(rng, (4, 3)), coarse(rng, (4, 3))
    goal[0, 0] = y[0, 0]  # a tie, where l1 has its kink
    for name, function, x, t in [
        ("bce_with_logits: -1000 … 1000", F.binary_cross_entropy_with_logits, logits, targets),
        ("bce_with_logits: batch", F.binary_cross_entropy_with_logits, coarse(rng, (5, 1), 2), rng.random((5, 1))),
        ("bce: 1e-9 … 1 - 1e-6", F.binary_cross_entropy, np.tile(probabilities, 3), certain),
        ("bce: batch", F.binary_cross_entropy, rng.random((5, 1)), rng.random((5, 1))),
        ("l2: batch", F.mse_loss, y, goal), ("l1: with a tie", F.l1_loss, y, goal),
        ("softmax_cross_entropy: batch", F.cross_entropy, coarse(rng, (5, 4), 2), np.array([3, 0, 0, 2, 1])),
        ("softmax_cross_entropy: ±1000", F.cross_entropy, coarse(rng, (3, 4), 1000), np.array([0, 3, 1])),
    ]:
        x, t = leaf(x), torch.tensor(t)
        record(name, function(x, t), {"x": x, "t": t})

    def path(case, make_optimizer, steps, **settings):
        """The parameter after each step down Σ h (x - a)² / 2 + Σ noise x, with another noise at each step."""
        x, a, h, noise = leaf(coarse(rng, 6)), coarse(rng, 6), coarse(rng, 6) ** 2, coarse(rng, (steps, 6))
        h[0], noise[:, 0] = 0, 1e-6  # a gradient so small that Adam's eps counts
        start = x.detach().numpy().copy()
        optimizer, points = make_optimizer([x]), []
        for n in noise:
            optimizer.zero_grad()
            (torch.tensor(h) * (x - torch.tensor(a)) ** 2 / 2 + torch.tensor(n) * x).sum().backward()
            optimizer.step()
            points.append(x.detach().numpy().copy())
        moments = {key: value.numpy() for key, value in optimizer.state[x].items() if key.startswith("exp_avg")}
        answers[case] = bundle(**settings, **moments, x=start, a=a, h=h, noise=noise, path=points)

    for name, (lr, beta1, beta2, eps) in ADAM.items():
        path(f"Adam: {name}", lambda p: torch.optim.Adam(p, lr, (beta1, beta2), eps), 50,
             lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    for name, (lr, momentum) in SGD.items():
        path(f"SGD: {name}", lambda p: torch.optim.SGD(p, lr, momentum), 20, lr=lr, momentum=momentum)
    return answers


def torch_dcgan():
    """Three rounds of a small DCGAN without dropout: D's step, then G's with the same z; Adam (2e-4, β1 = 0.5) in both.

    For each round the losses and mean scores, and after it all parameters and G's running statistics; for the first
    one, D's gradients in D's step and G's in G's step.
    """
    torch = other_library("torch")
    F = torch.nn.functional
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    rng, answers = np.random.default_rng(8), {}
    g, d = ({name: torch.tensor(coarse(rng, shape, spread) + name.endswith("gamma"), requires_grad=True)
             for name, (shape, spread) in network.items()} for network in (GENERATOR, DISCRIMINATOR))
    means = {name: torch.tensor(coarse(rng, n, 0.2)) for name, n in STATISTICS.items()}
    variances = {name: torch.tensor(1 + np.abs(coarse(rng, n, 0.5))) for name, n in STATISTICS.items()}

    def normalize(x, name):
        return F.batch_norm(x, means[name], variances[name], g[f"{name}.gamma"], g[f"{name}.beta"], True, 0.01, 1e-3)

    def convolve(x, network, name, padding, stride):
        w = network[f"{name}.w"].permute(3, 2, 0, 1).contiguous()
        return F.conv2d(F.pad(x, padding), w, network[f"{name}.b"], stride)

    def generate(z):
        x = F.leaky_relu(z @ g["dense.w"] + g["dense.b"], 0.2)
        x = normalize(x, "norm1").reshape(-1, 2, 2, 4).permute(0, 3, 1, 2)
        x = convolve(F.interpolate(x, scale_factor=2), g, "conv1", (2, 2, 2, 2), 1)
        x = F.leaky_relu(normalize(x, "norm2"), 0.2)
        return torch.tanh(convolve(F.interpolate(x, scale_factor=2), g, "conv2", (2, 2, 2, 2), 1))

    def judge(x):
        for name in "conv1", "conv2":
            x = F.leaky_relu(convolve(x, d, name, (1, 2, 1, 2), 2), 0.2)
        return x.permute(0, 2, 3, 1).flatten(1) @ d["dense.w"] + d["dense.b"]

    def cross_entropy(logits, target):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def players():
        return {f"{player}.{name}": p for player, network in (("g", g), ("d", d)) for name, p in network.items()}

    def state():
        statistics = {f"g.{name}.{kind}": running[name] for name in STATISTICS
                      for kind, running in (("mean", means), ("variance", variances))}
        return bundle(**{name: value.detach().numpy() for name, value in {**players(), **statistics}.items()})

    answers["start"] = state()
    g_adam, d_adam = (torch.optim.Adam(list(network.values()), 2e-4, (0.5, 0.999)) for network in (g, d))
    images, codes = np.tanh(coarse(rng, (3, 3, 8, 8, 1))), coarse(rng, (3, 3, 5))
    # Opposite codes, and a seed such that every unit of G's first layer is on both sides of its kink: on one side only,
    # batch norm would let no gradient through to its bias, and Adam would scale up what rounding leaves there.
    codes[:, 1] = -codes[:, 0]
    first = codes @ g["dense.w"].detach().numpy() + g["dense.b"].detach().numpy()
    assert min(first.max(1).min(), -first.min(1).max()) > 0.05
    losses = []
    for i in range(3):
        real, fake = torch.tensor(images[i]).permute(0, 3, 1, 2), generate(torch.tensor(codes[i]))
        d_real, d_fake = judge(real), judge(fake.detach())
        d_loss = (cross_entropy(d_real, 1.0) + cross_entropy(d_fake, 0.0)) / 2
        d_adam.zero_grad()
        d_loss.backward()
        gradients = {f"d.{name}": p.grad.numpy().copy() for name, p in d.items()}  # G's step will add its own to them
        d_adam.step()
        g_loss = cross_entropy(judge(fake), 1.0)
        g_adam.zero_grad()
        g_loss.backward()
        gradients |= {f"g.{name}": p.grad.numpy().copy() for name, p in g.items()}
        g_adam.step()
        scores = [torch.sigmoid(logits).mean().item() for logits in (d_real, d_fake)]
        losses.append([d_loss.item(), g_loss.item(), *scores])
        answers[f"after {i + 1}"] = state()
        if i == 0:
            answers["gradients"] = bundle(**gradients)
    answers["rounds"] = bundle(images=images, codes=codes, losses=losses)  # losses: d_loss, g_loss, D(x), D(G(z))
    return answers


# ---- ONNX


# ONNX's folder of test cases, then its cases whose operator numgan has, too
ONNX = {
    "node": [
        "basic_conv_with_padding", "basic_conv_without_padding", "conv_with_autopad_same", "conv_with_strides_padding",
        "conv_with_strides_no_padding", "conv_with_strides_and_asymmetric_padding",
        "convtranspose", "convtranspose_autopad_same", "convtranspose_pad", "convtranspose_pads",
        "batchnorm_example", "batchnorm_epsilon", "batchnorm_example_training_mode", "batchnorm_epsilon_training_mode",
        "leakyrelu", "leakyrelu_example", "leakyrelu_default", "relu", "sigmoid", "sigmoid_example", "tanh",
        "tanh_example", "softplus", "softplus_example", "sce_mean", "depthtospace_example", "upsample_nearest",
        "gemm_default_vector_bias", "momentum",
    ],
    "pytorch-converted": [
        "Conv2d", "Conv2d_no_bias", "Conv2d_padding", "Conv2d_strided", "ConvTranspose2d", "ConvTranspose2d_no_bias",
        "BatchNorm2d_eval", "BatchNorm2d_momentum_eval", "LeakyReLU_with_negval", "Linear",
    ],
}


def onnx_cases():
    """The inputs (in the operator's order), attributes and outputs of the chosen cases of ONNX's backend tests."""
    onnx = other_library("onnx")

    def load(path):
        return onnx.numpy_helper.to_array(onnx.load_tensor(path))

    answers, root = {}, Path(onnx.__file__).parent / "backend" / "test" / "data"
    for folder, cases in ONNX.items():
        for case in cases:
            path = root / folder / f"test_{case}"
            model = onnx.load(path / "model.onnx")
            (node,) = model.graph.node
            weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
            data = path / "test_data_set_0"
            files = [data / f"input_{i}.pb" for i in range(len(node.input) - len(weights))]
            inputs = [*map(load, files), *weights.values()]
            outputs = [load(data / f"output_{i}.pb") for i in range(len(node.output))]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            answers[case] = bundle(**{f"x{i}": x for i, x in enumerate(inputs)},
                                   **{f"y{i}": y for i, y in enumerate(outputs)},
                                   **{name: value.decode() if isinstance(value, bytes) else value
                                      for name, value in attributes.items()})
    return answers


# ---- the command


def main():
    """Write the files of the chosen library."""
    parser = argparse.ArgumentParser(description="Make the files of known answers.")
    parser.add_argument("library", choices=("torch", "onnx"))
    makers = {"torch": (torch_ops, torch_dcgan), "onnx": (onnx_cases,)}[parser.parse_args().library]
    for make in makers:
        path = FOLDER / f"{make.__name__.replace('_cases', '')}.npz"
        answers = make()
        np.savez_compressed(path, **answers)
        print(f"{path}: {len(answers)} arrays, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
