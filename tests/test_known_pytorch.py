"""numgan against PyTorch: every op and loss with its gradients, the optimisers, and whole rounds of a DCGAN.

known_answers/README.md says where the files come from; make_known_answers.py made them. PyTorch is not needed to run this.
Where its conventions are not numgan's, a comment beside the mapping says so.
"""

import numpy as np
import pytest

import numgan as ng
from numgan.games import DCGAN

from .published import agree, batch_norm_layer, load, parameter

TORCH, TORCH_DCGAN = load("torch_ops.npz"), load("torch_dcgan.npz")


def torch_cases(*kinds):
    """The parametrisation over all PyTorch cases "kind: ..."."""
    return pytest.mark.parametrize("case", [case for case in TORCH if case.partition(":")[0] in kinds])


# ---- PyTorch: values and gradients in float64


def test_every_pytorch_case_of_the_file_is_compared():
    kinds = {case.partition(":")[0] for case in TORCH}
    assert kinds == {"conv2d", "conv2d_transpose", "resize_conv2d", "batch_norm train", "batch_norm eval", "activation",
                     "bce_with_logits", "bce", "l2", "l1", "softmax_cross_entropy", "Adam", "SGD"}


def agree_with_gradients(y, record, **inputs):
    """y and, for the record's upstream g, the gradient of each input."""
    agree(y, record["y"], what="y")
    y.backward(np.array(record["g"]))
    for name, tensor in inputs.items():
        agree(tensor.grad, record["d" + name], what=f"d{name}")


def conv_options(record):
    """Strides and padding, a word or numbers."""
    return {"strides": tuple(record["strides"].tolist()), "padding": record["padding"].tolist()}


@torch_cases("conv2d")
def test_conv2d_and_its_gradients_equal_pytorch(case):
    record = TORCH[case]
    x, w, b = (parameter(record[name]) for name in "xwb")
    agree_with_gradients(ng.conv2d(x, w, **conv_options(record)) + b, record, x=x, w=w, b=b)


@torch_cases("conv2d_transpose")
def test_conv2d_transpose_and_its_gradients_equal_pytorch(case):
    record = TORCH[case]
    x, w, b = (parameter(record[name]) for name in "xwb")
    agree_with_gradients(ng.conv2d_transpose(x, w, **conv_options(record)) + b, record, x=x, w=w, b=b)


@torch_cases("resize_conv2d")
def test_resize_conv2d_and_its_gradients_equal_pytorch_interpolate_and_conv2d(case):
    record = TORCH[case]
    x, w = parameter(record["x"]), parameter(record["w"])
    agree_with_gradients(ng.resize_conv2d(x, w), record, x=x, w=w)


@torch_cases("resize_conv2d")
def test_upsample_then_conv2d_and_gradients_equal_pytorch_interpolate_and_conv2d(case):
    record = TORCH[case]
    x, w = parameter(record["x"]), parameter(record["w"])
    agree_with_gradients(ng.conv2d(ng.upsample(x, 2), w), record, x=x, w=w)


@torch_cases("batch_norm train", "batch_norm eval")
def test_batch_norm_its_gradients_and_statistics_equal_pytorch(case):
    record = TORCH[case]
    layer = batch_norm_layer(len(record["gamma"]), momentum=float(record["momentum"]), eps=float(record["eps"]),
                             **{name: record[name] for name in ("gamma", "beta", "mean", "variance")})
    layer.train("train" in case)
    x = parameter(record["x"])
    agree_with_gradients(layer(x), record, x=x, gamma=layer.gamma, beta=layer.beta)
    agree(layer.mean, record["new_mean"], what="running mean")  # the maker used 1 - momentum, which is PyTorch's
    agree(layer.variance, record["new_variance"], what="running variance")


@torch_cases("activation")
def test_activation_and_its_gradient_equal_pytorch(case):
    record, (name, *slope) = TORCH[case], case.partition(": ")[2].split()
    x = parameter(record["x"])
    agree_with_gradients(getattr(ng, name)(x, *map(float, slope)), record, x=x)


@torch_cases("bce_with_logits", "bce", "l1", "l2", "softmax_cross_entropy")
def test_loss_and_its_gradient_equal_pytorch(case):
    record = TORCH[case]
    x = parameter(record["x"])
    agree_with_gradients(getattr(ng, case.partition(":")[0])(x, record["t"]), record, x=x)


def walk(optimizer, x, record):
    """x after each step down Σ h (x - a)² / 2 + Σ noise x, whose noise changes from step to step."""
    for noise in record["noise"]:
        optimizer.minimize((record["h"] * (x - record["a"]) ** 2).sum() * 0.5 + (noise * x).sum())
        yield x.data.copy()


@torch_cases("Adam")
def test_50_steps_of_adam_equal_pytorch(case):
    record = TORCH[case]
    x = parameter(record["x"], "x")
    optimizer = ng.Adam([x], **{name: float(record[name]) for name in ("lr", "beta1", "beta2", "eps")})
    path = np.array(list(walk(optimizer, x, record)))
    assert len(path) == 50
    agree(path - record["x"], record["path"] - record["x"], rtol=1e-9, what="(step, element) of the way")
    agree(optimizer.state()["x.moment1"], record["exp_avg"], what="first moment")
    agree(optimizer.state()["x.moment2"], record["exp_avg_sq"], what="second moment")


@torch_cases("SGD")
def test_20_steps_of_sgd_equal_pytorch(case):
    record = TORCH[case]
    x = parameter(record["x"])
    path = np.array(list(walk(ng.SGD([x], float(record["lr"]), momentum=float(record["momentum"])), x, record)))
    assert len(path) == 20
    agree(path - record["x"], record["path"] - record["x"], rtol=1e-9, what="(step, element) of the way")


# ---- PyTorch: whole rounds of a DCGAN

STATE = TORCH_DCGAN["start"].dtype.names
GRADIENTS = TORCH_DCGAN["gradients"].dtype.names
BEFORE_BATCH_NORM = "g.conv1.b"  # whatever this bias is, batch normalisation subtracts it again


def named_arrays(game):
    """The maker's names -> arrays of the players' parameters, in their order, then of G's batch statistics."""
    norms = [layer for layer in game.generator.stack if isinstance(layer, ng.BatchNorm)]
    arrays = [p.data for p in (*game.generator.parameters(), *game.discriminator.parameters())]
    return dict(zip(STATE, arrays + [a for layer in norms for a in (layer.mean, layer.variance)], strict=True))


@pytest.fixture(scope="module")
def played():
    """What numgan makes of the same three rounds: metrics and states per round, gradients of the first."""
    game = DCGAN(size=8, width=2, latent_dim=5, categories=0, lr=2e-4, dtype="float64", rng=np.random.default_rng(0))
    for layer in game.discriminator.stack:
        if isinstance(layer, ng.Dropout):
            layer.threshold = 0  # two engines' random masks differ: no dropout in either
    for name, array in named_arrays(game).items():
        assert array.shape == TORCH_DCGAN["start"][name].shape
        array[...] = TORCH_DCGAN["start"][name]
    codes = iter(TORCH_DCGAN["rounds"]["codes"])  # one for each round: G's step takes D's z, or the next round lacks its
    game.latent = lambda n, rng=None: next(codes)
    metrics, states, gradients = [], [], None
    for images in TORCH_DCGAN["rounds"]["images"]:
        metrics.append(game.step(images))
        states.append({name: array.copy() for name, array in named_arrays(game).items()})
        if gradients is None:
            parameters = game.discriminator.parameters() + game.generator.parameters()
            gradients = dict(zip(GRADIENTS, (p.grad for p in parameters), strict=True))
    return metrics, states, gradients


@pytest.mark.parametrize("i", range(3))
def test_dcgan_losses_and_scores_equal_pytorch(played, i):
    names = ("d_loss", "g_loss", "d_real", "d_fake")
    for name, reference in zip(names, TORCH_DCGAN["rounds"]["losses"][i], strict=True):
        agree(played[0][i][name], reference, what=name)


@pytest.mark.parametrize("name", [name for name in GRADIENTS if name != BEFORE_BATCH_NORM])
def test_dcgan_gradient_equals_pytorch(played, name):
    agree(played[2][name], TORCH_DCGAN["gradients"][name], what=name)


def test_dcgan_gradient_of_a_bias_before_batch_norm_vanishes_as_in_pytorch(played):
    for gradient in played[2][BEFORE_BATCH_NORM], TORCH_DCGAN["gradients"][BEFORE_BATCH_NORM]:
        assert gradient.shape == (2,)
        assert np.abs(gradient).max() < 1e-14


@pytest.mark.parametrize("name", [name for name in STATE if name != BEFORE_BATCH_NORM])
@pytest.mark.parametrize("i", range(3))
def test_dcgan_change_of_parameters_and_statistics_equals_pytorch(played, i, name):
    start, after = TORCH_DCGAN["start"][name], TORCH_DCGAN[f"after {i + 1}"][name]
    agree(played[1][i][name] - start, after - start, rtol=1e-9, what=name)
