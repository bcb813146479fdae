"""What is random, against its law: Dropout, GaussianNoise and the first weights, by quantiles, moments and independence.

The reference of a random layer takes the layer's own mask, and so proves nothing about it. Here no comparison would fail
more than once in a million times for numbers that obey the law, and there are so many that 5 % in a scale or a rate show.
"""

import math

import numpy as np

import numgan as ng
from numgan.layers import glorot_uniform, normal, unit_length

SIGMAS = 5  # of a normal number: exceeded with probability 6e-7
KOLMOGOROV = 2.75  # of √n times the largest distance of two distribution functions: exceeded with probability 5e-7
SHAPE = (400, 10, 25, 2)


def layer_at(layer, seed=0, shape=SHAPE):
    """The layer built, in training, with a random generator of its own."""
    layer.build(shape[1:], np.random.default_rng(seed), np.float32)
    layer.train(True)
    return layer


def assert_distribution(x, distribution, what):
    """The share of numbers <= x is distribution(x), at every x (Kolmogorov & Smirnov's test)."""
    x = np.sort(np.ravel(x).astype(np.float64))
    steps = np.arange(len(x) + 1) / len(x)
    expected = distribution(x)
    distance = max(np.abs(steps[1:] - expected).max(), np.abs(steps[:-1] - expected).max())
    assert distance * math.sqrt(len(x)) <= KOLMOGOROV, f"{what}: {distance:.4f} from its law with {len(x)} numbers"


def assert_mean(x, expected, deviation, what):
    """The mean is as expected of numbers with this standard deviation."""
    error = abs(np.mean(x, dtype=np.float64) - expected) / (deviation / math.sqrt(np.size(x)))
    assert error <= SIGMAS, f"{what}: {np.mean(x, dtype=np.float64):.5f}, not {expected:.5f}: {error:.0f} standard errors"


def assert_independent(a, b, what):
    """Not correlated: nor are their sizes."""
    for f in (lambda x: x, np.abs):
        a_, b_ = (np.ravel(f(x - np.mean(x, dtype=np.float64))) for x in (a, b))
        products = (a_ - a_.mean()) * (b_ - b_.mean())
        assert_mean(products, 0, products.std() + 1e-30, f"{what}: correlation")


def assert_white(draw):
    """Numbers are independent of their neighbours along every axis, and of the same layer's next numbers."""
    x, then = draw(), draw()
    assert not np.array_equal(x, then), "the same numbers in every call"
    assert_independent(x, then, "two calls")
    for axis in range(x.ndim):
        first, second = (np.take(x, range(start, x.shape[axis], 2), axis) for start in (0, 1))
        n = min(first.shape[axis], second.shape[axis])
        assert_independent(np.take(first, range(n), axis), np.take(second, range(n), axis), f"neighbours on axis {axis}")


def gaussian(std):
    """The distribution function of N(0, std²)."""
    erf = np.vectorize(math.erf, otypes=[float])
    return lambda x: 0.5 * (1 + erf(x / (std * math.sqrt(2))))


def uniform(limit):
    """That of numbers between -limit and limit."""
    return lambda x: np.clip((x + limit) / (2 * limit), 0, 1)


def noise_is_gaussian_with_its_std_and_white():
    """For stds below, at and above 1."""
    for std in 0.1, 1.0, 3.0:
        layer = layer_at(ng.GaussianNoise(std))
        zeros = np.zeros(SHAPE, np.float32)
        x = layer(zeros).data
        assert_distribution(x[::2], gaussian(std), f"GaussianNoise({std})")
        assert_mean(x**2 / std**2, 1, math.sqrt(2), f"GaussianNoise({std}), variance")
        assert_white(lambda layer=layer, zeros=zeros: layer(zeros).data)


def dropout_drops_its_share_keeps_the_mean_and_is_white():
    """Zeros at the rate, everything else divided by 1 - rate."""
    for rate in 0.05, 0.3, 0.5, 0.9:
        layer = layer_at(ng.Dropout(rate))
        ones = np.ones(SHAPE, np.float32)
        y = layer(ones).data
        assert_mean(y == 0, rate, math.sqrt(rate * (1 - rate)) + 2**-17 * math.sqrt(y.size), f"Dropout({rate}), zeros")
        np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=2**-16 / (1 - rate))
        in_float64 = layer(np.ones(100)).data
        np.testing.assert_allclose(in_float64[in_float64 != 0], 1 / (1 - layer.threshold / 2**16), rtol=1e-15)
        assert_white(lambda layer=layer, ones=ones: layer(ones).data)


def layers_with_generators_of_their_own_differ():
    """And equal ones agree."""
    for make in (lambda: ng.Dropout(0.5), lambda: ng.GaussianNoise(1.0)):
        a, b, again = (layer_at(make(), seed)(np.ones(SHAPE, np.float32)).data for seed in (1, 2, 1))
        assert np.array_equal(a, again)
        assert_independent(a, b, "two seeds")


def first_weights_obey_their_laws():
    """normal(std), and Glorot's uniform law for matrices and kernels, whose taps all count."""
    rng = np.random.default_rng(0)
    for std in 0.02, 2.0:
        assert_distribution(normal(std)((400, 250), rng), gaussian(std), f"normal({std})")
    for shape in (400, 250), (250, 400), (100, 700), (5, 5, 40, 100), (3, 4, 90, 90):
        *taps, inputs, outputs = shape
        limit = math.sqrt(6 / (math.prod(taps) * (inputs + outputs)))
        w = glorot_uniform(shape, rng)
        assert_distribution(w, uniform(limit), f"glorot_uniform{shape}")
        assert_white(lambda shape=shape: glorot_uniform(shape, rng))


def unit_lengths_point_everywhere():
    """In three dimensions each coordinate of a random direction is uniform in ±1 (Archimedes), and no two are correlated."""
    w = unit_length((3, 100_000), np.random.default_rng(0))
    np.testing.assert_allclose((w * w).sum(0), 1, rtol=1e-12)
    for i in range(3):
        assert_distribution(w[i], uniform(1), "a coordinate")
        products = w[i] * w[i - 1]
        assert_mean(products, 0, products.std(), "two coordinates")
    kernels = unit_length((5, 3, 4, 20), np.random.default_rng(0))
    np.testing.assert_allclose((kernels * kernels).sum((0, 1, 2)), 1, rtol=1e-12)
    rng = np.random.default_rng(1)
    assert_white(lambda: unit_length((40, 2000), rng))


RANDOM = {"Dropout", "GaussianNoise"}  # the layers whose laws stand here
PROPERTIES = [noise_is_gaussian_with_its_std_and_white, dropout_drops_its_share_keeps_the_mean_and_is_white,
              layers_with_generators_of_their_own_differ, first_weights_obey_their_laws, unit_lengths_point_everywhere]
