"""Numbers that numgan did not make, from known_answers/, and what agreeing with them means."""

from pathlib import Path

import numpy as np

import numgan as ng

FOLDER = Path(__file__).parent / "known_answers"


def load(name):
    """Case -> record, a structured array without axes: record[name] is an array."""
    with np.load(FOLDER / name, allow_pickle=False) as file:
        return {case: file[case] for case in file.files}


def worst(ours, reference, bound, what):
    """Fail with the worst element unless |ours - reference| <= bound everywhere; the reference must not be ≈ 0."""
    ours = np.asarray(ours.data if isinstance(ours, ng.Tensor) else ours)
    assert ours.shape == reference.shape, f"{what}: shape {ours.shape}, expected {reference.shape}"
    assert np.isfinite(reference).all(), f"{what}: the reference is not finite"
    assert np.abs(reference).max() > 1e-6, f"{what}: the reference is ≈ 0, so this would compare nothing"
    excess = np.nan_to_num(np.abs(ours - reference) / bound, nan=np.inf)
    at = np.unravel_index(excess.argmax(), excess.shape)
    assert excess[at] <= 1, (f"{what}: the worst element {tuple(map(int, at))} is {ours[at]!r}, expected "
                             f"{reference[at]!r}; the error is {excess[at]:.3g} times the tolerance")


def agree(ours, reference, rtol=1e-10, what="value"):
    """Every element within rtol of the reference's, or within a tenth of that of the largest one."""
    reference = np.asarray(reference)
    worst(ours, reference, rtol * (np.abs(reference) + 0.1 * np.abs(reference).max()), what)


def agree_as_printed(ours, published, digits=8):
    """Every element rounds to the published digits after the point (and 2 % for the rounding of halves)."""
    worst(ours, np.asarray(published), 0.51 * 10.0**-digits, f"published with {digits} digits")


def parameter(array, name="parameter"):
    """A trainable copy: what an op changes or keeps cannot touch the file's array."""
    return ng.Parameter(np.array(array), name)


def batch_norm_layer(features, dtype="float64", *, gamma, beta, mean, variance, **options):
    """A BatchNorm layer with the given state."""
    layer = ng.BatchNorm(**options)
    ng.Sequential(layer, input_shape=(features,), rng=np.random.default_rng(0), dtype=dtype)
    layer.gamma.data[...], layer.beta.data[...], layer.mean[...], layer.variance[...] = gamma, beta, mean, variance
    return layer
