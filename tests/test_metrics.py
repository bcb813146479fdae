"""The instruments: figures have their values where these are known, depend neither on order nor on blocks, refuse nonsense.

The classifier and the scripts around it: test_evaluate.py.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numgan import data, metrics

from .errors import refused

SEEDS = st.integers(0, 2**32 - 1)


def gaussian(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def white(seed, n, d):
    """(n, d) with mean 0 and covariance 1, exactly."""
    x = gaussian(seed, n, d)
    return np.linalg.qr(x - x.mean(0))[0] * np.sqrt(n - 1)


def random_p(seed, n, k):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)


def fits_not(call, *arguments, mentions=(), **options):
    """The call is refused in one line that says what was expected, what came, and `mentions`."""
    with refused("expected ", ", got ", *mentions):
        call(*arguments, **options)


# --- Fréchet distance


@given(seed=SEEDS, d=st.integers(1, 5), data=st.data())
def test_frechet_distance_of_diagonal_gaussians_is_that_of_means_and_deviations(seed, d, data):
    numbers = st.lists(st.floats(0, 10), min_size=d, max_size=d).map(np.array)
    mean_a, mean_b, std_a, std_b = (data.draw(numbers) for _ in range(4))
    a, b = white(seed, 20, d) * std_a + mean_a, white(seed + 1, 30, d) * std_b + mean_b
    expected = ((mean_a - mean_b)**2).sum() + ((std_a - std_b)**2).sum()
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, atol=1e-11)


def root(c):
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@given(seed=SEEDS, d=st.integers(1, 6), n=st.integers(2, 12), m=st.integers(2, 12))
def test_frechet_distance_is_the_formula_with_symmetric_roots(seed, d, n, m):
    a, b = gaussian(seed, n, d) @ gaussian(seed + 1, d, d), gaussian(seed + 2, m, d) @ gaussian(seed + 3, d, d) + 1
    c_a, c_b = (np.cov(x.T).reshape(d, d) for x in (a, b))
    cross = root(root(c_a) @ c_b @ root(c_a))
    expected = ((a.mean(0) - b.mean(0))**2).sum() + np.trace(c_a + c_b - 2 * cross)
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, atol=1e-5)  # of a root of rounding errors
    np.testing.assert_allclose(metrics.frechet_distance(b, a), metrics.frechet_distance(a, b), atol=1e-11)


def test_frechet_distance_by_hand():
    two, ten = np.array([[0.0], [2.0]]), np.array([[10.0], [10.0]])  # N(1, 2) and N(10, 0)
    assert metrics.frechet_distance(two, ten) == pytest.approx(83)
    x = gaussian(0, 50, 4)
    assert 0 <= metrics.frechet_distance(x, x) < 1e-12
    moved = (x + np.array([3, 0, 4, 0])).astype(np.float32)
    assert metrics.frechet_distance(x, moved) == pytest.approx(25, abs=1e-5)


def test_frechet_distance_of_float32_features_is_computed_in_float64():
    a, b = gaussian(0, 50, 4).astype(np.float32) + 30, gaussian(1, 60, 4).astype(np.float32) + 30
    expected = metrics.frechet_distance(a.astype(np.float64), b.astype(np.float64))
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


# --- What the classifier sees


def test_digit_score_is_10_at_best_and_1_at_worst():
    assert metrics.digit_score(np.eye(10)) == pytest.approx(10, abs=1e-12)
    assert metrics.digit_score(np.repeat(np.eye(10), 7, axis=0)) == pytest.approx(10, abs=1e-12)
    assert metrics.digit_score(np.full((5, 10), 0.1)) == pytest.approx(1, abs=1e-12)
    assert metrics.digit_score(np.eye(10)[[3, 3, 3]]) == pytest.approx(1, abs=1e-12)  # mode collapse
    assert metrics.digit_score(np.eye(10)[[3, 8]]) == pytest.approx(2, abs=1e-12)


@given(seed=SEEDS, n=st.integers(1, 8), k=st.integers(2, 10))
def test_digit_score_is_its_definition_and_lies_between_1_and_k(seed, n, k):
    p = random_p(seed, n, k)
    marginal = [sum(row[j] for row in p) / n for j in range(k)]
    divergences = [sum(q * math.log(q / marginal[j]) for j, q in enumerate(row) if q > 0) for row in p]
    score = metrics.digit_score(p)
    np.testing.assert_allclose(score, math.exp(sum(divergences) / n), rtol=1e-10)
    assert 1 - 1e-9 <= score <= k + 1e-9


def test_histogram_and_confidence_count_the_largest_probabilities():
    p = np.array([[0.95, 0.05, 0, 0], [0.91, 0, 0.09, 0], [0.1, 0.1, 0.8, 0], [0.89, 0.11, 0, 0]])
    np.testing.assert_array_equal(metrics.digit_histogram(p), [3, 0, 1, 0])
    mean, sure = metrics.confidence(p)
    assert mean == pytest.approx((0.95 + 0.91 + 0.8 + 0.89) / 4)
    assert sure == 0.5


def test_histogram_kl_by_hand():
    assert metrics.histogram_kl([5, 5, 5]) == pytest.approx(0, abs=1e-15)
    assert metrics.histogram_kl([0, 7, 0, 0]) == pytest.approx(math.log(4))
    assert metrics.histogram_kl([3, 1], [1, 1]) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert metrics.histogram_kl([1, 1], [3, 1]) == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    assert metrics.histogram_kl([1, 0], [4, 0]) == 0
    assert metrics.histogram_kl([1, 1], [4, 0]) == math.inf


@given(h=st.lists(st.integers(0, 50), min_size=1, max_size=10), r=st.lists(st.integers(1, 50), min_size=10, max_size=10),
       scale=st.floats(0.01, 100))
def test_histogram_kl_is_never_negative_and_takes_counts_and_shares(h, r, scale):
    assume(sum(h) > 0)
    kl = metrics.histogram_kl(h, r[:len(h)])
    assert kl >= -1e-12
    np.testing.assert_allclose(metrics.histogram_kl(np.array(h) * scale, np.array(r[:len(h)]) / scale), kl, atol=1e-12)


# --- Distances


@given(seed=SEEDS, n=st.integers(2, 9), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_diversity_is_the_root_mean_square_over_all_pairs(seed, n, shape):
    x = gaussian(seed, n, *shape)
    squares = [((x[i] - x[j])**2).mean() for i in range(n) for j in range(i)]
    np.testing.assert_allclose(metrics.diversity(x), math.sqrt(sum(squares) / len(squares)), rtol=1e-10)
    assert metrics.diversity(x.astype(np.float32)) == pytest.approx(metrics.diversity(x), rel=1e-5)


def test_diversity_of_the_digits_is_the_documented_one_and_falls_with_fewer_modes():
    images, labels = data.digits_10k()
    x = data.to_images(images[::10])
    assert round(metrics.diversity(x), 2) == 0.73
    assert metrics.diversity(x[labels[::10] == 1]) < 0.5
    assert metrics.diversity(np.repeat(x[:1], 5, axis=0)) == 0


@given(seed=SEEDS, n=st.integers(1, 9), m=st.integers(1, 9), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
       block=st.integers(1, 10), dtype=st.sampled_from([np.float32, np.float64]))
def test_nearest_is_what_a_loop_finds_whatever_the_blocks(seed, n, m, shape, block, dtype):
    x, t = gaussian(seed, n, *shape).astype(dtype), gaussian(seed + 1, m, *shape)
    table = np.array([[math.dist(a.ravel(), b.ravel()) for b in t] for a in x])
    distances, indices = metrics.nearest(x, t, block=block)
    np.testing.assert_array_equal(indices, table.argmin(1))
    np.testing.assert_allclose(distances, table.min(1), rtol=1e-10)


def test_a_memorised_image_is_at_distance_0_exactly():
    training = data.to_images(data.digits_10k()[0][::50])
    distances, indices = metrics.nearest(training[::-1], training)
    np.testing.assert_array_equal(indices, np.arange(200)[::-1])
    np.testing.assert_array_equal(distances, 0)


def test_points_far_from_0_find_themselves():
    x = gaussian(0, 200, 2).astype(np.float32) + np.float32(3000)
    distances, indices = metrics.nearest(x, x, block=64)
    assert np.array_equal(x[indices], x)
    assert not distances.any()
    assert metrics.modes_covered(x[:8], x[:8], 1e-3) == (8, 1.0)


@given(seed=SEEDS, n=st.integers(1, 9), m=st.integers(1, 9))
def test_one_nn_error_is_what_a_loop_finds(seed, n, m):
    x, t = gaussian(seed, n, 3), gaussian(seed + 1, m, 3)
    labels, test_labels = (np.random.default_rng(seed).integers(0, 3, size).astype(np.uint8) for size in (n, m))
    wrong = [labels[min(range(n), key=lambda i: math.dist(x[i], point))] != label
             for point, label in zip(t, test_labels, strict=True)]
    assert metrics.one_nn_error(x, labels, t, test_labels) == pytest.approx(sum(wrong) / m)


def test_modes_covered_by_hand():
    centres = np.array([[0.0, 0], [4, 0], [0, 4]])
    points = np.array([[0.29, 0], [0, -0.3], [4, 0.31], [0.1, 4.1], [0, 4], [2, 2]])
    assert metrics.modes_covered(points, centres, 0.1) == (2, pytest.approx(4 / 6))
    assert metrics.modes_covered(points, centres, 0.11) == (3, pytest.approx(5 / 6))
    assert metrics.modes_covered(points[-1:], centres, 0.1) == (0, 0)


@given(seed=SEEDS, covered=st.integers(1, 8), outliers=st.integers(0, 20))
def test_modes_covered_of_a_ring_are_those_with_samples(seed, covered, outliers):
    angles = 2 * np.pi * np.arange(8) / 8
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = np.repeat(ring[:covered], 10, axis=0) + np.random.default_rng(seed).uniform(-0.02, 0.02, (10 * covered, 2))
    points = np.concatenate([inside, np.full((outliers, 2), 5.0)])
    modes, share = metrics.modes_covered(points, ring, 0.01)
    assert modes == covered
    assert share == pytest.approx(len(inside) / len(points))


# --- Parzen windows


@given(seed=SEEDS, n=st.integers(1, 9), m=st.integers(1, 9), d=st.integers(1, 5), sigma=st.floats(0.1, 10),
       block=st.integers(1, 10))
def test_parzen_is_the_log_of_a_sum_of_gaussians_whatever_the_blocks(seed, n, m, d, sigma, block):
    s, x = gaussian(seed, n, d), gaussian(seed + 1, m, d)
    powers = [[-math.dist(a, b)**2 / (2 * sigma**2) for b in s] for a in x]
    z = n * (sigma * math.sqrt(2 * math.pi))**d
    expected = [max(row) + math.log(sum(math.exp(power - max(row)) for power in row) / z) for row in powers]
    np.testing.assert_allclose(metrics.parzen_log_likelihood(s, x, sigma, block=block), expected, rtol=1e-8, atol=1e-8)


def test_parzen_of_a_point_that_all_samples_are_far_from_is_finite():
    samples, point = np.zeros((3, 1), np.float32), np.full((1, 1), 100, np.float32)
    got = metrics.parzen_log_likelihood(samples, point, 1.0)
    np.testing.assert_allclose(got, -5000 - math.log(math.sqrt(2 * math.pi)), rtol=1e-12)


def test_parzen_integrates_to_one():
    line = np.linspace(-9, 9, 2001)[:, np.newaxis]
    density = np.exp(metrics.parzen_log_likelihood(np.array([[-1.0], [0.5], [2.0]]), line, 0.3))
    assert density.sum() * (line[1, 0] - line[0, 0]) == pytest.approx(1, abs=1e-6)


def test_the_chosen_sigma_is_the_likeliest():
    samples, corners = np.array([[0.0, 0], [99, 99]]), np.array([[1.0, 1], [-1, 1], [1, -1], [-1, -1]])
    candidates = [0.25, 0.5, 1.0, 2.0]  # for points at distance √d from a sample in d dimensions, ln p is largest at 1
    assert metrics.choose_sigma(samples, corners, candidates) == 1
    assert metrics.choose_sigma(samples, corners / 2, candidates[::-1]) == 0.5


# --- All of them


@given(seed=SEEDS)
def test_no_figure_depends_on_the_order_of_the_images(seed):
    rng = np.random.default_rng(seed)
    x, t, p = gaussian(seed, 7, 3), gaussian(seed + 1, 8, 3), random_p(seed, 7, 4)
    labels, test_labels = rng.integers(0, 3, 7), rng.integers(0, 3, 8)
    mine, other = rng.permutation(7), rng.permutation(8)

    def figures(mine, other):
        x_, t_, p_ = x[mine], t[other], p[mine]
        distances, indices = metrics.nearest(t_, x_)
        return [metrics.frechet_distance(x_, t_), metrics.digit_score(p_), *metrics.digit_histogram(p_),
                *metrics.confidence(p_), metrics.diversity(x_), *distances[np.argsort(other)],
                *mine[indices][np.argsort(other)], *metrics.parzen_log_likelihood(x_, t_, 0.5)[np.argsort(other)],
                metrics.one_nn_error(x_, labels[mine], t_, test_labels[other]), *metrics.modes_covered(t_, x_, 0.3)]

    np.testing.assert_allclose(figures(mine, other), figures(np.arange(7), np.arange(8)), rtol=1e-9, atol=1e-9)


ROWS = np.ones((3, 2))
NAN = np.array([[0.0, np.nan], [1, 2]])
NO_ROWS = [None, [[0.5, 0.5]], np.ones((3, 2), int), np.ones(3), np.ones((0, 2)), np.ones((3, 0)), np.ones((3, 2), complex)]


@pytest.mark.parametrize("wrong", [*NO_ROWS, NAN, np.array([[np.inf, 0]])])
def test_only_finite_floats_are_measured(wrong):
    for one in metrics.digit_score, metrics.digit_histogram, metrics.confidence, metrics.diversity:
        fits_not(one, wrong)
    for two in metrics.frechet_distance, metrics.nearest:
        fits_not(two, wrong, ROWS)
        fits_not(two, ROWS, wrong)
    for sigma in metrics.parzen_log_likelihood, metrics.modes_covered:
        fits_not(sigma, wrong, ROWS, 1.0)
        fits_not(sigma, ROWS, wrong, 1.0)


@pytest.mark.parametrize(("call", "arguments", "mentions"), [
    (metrics.frechet_distance, (ROWS, np.ones((3, 4))), ["(3, 2)", "(3, 4)"]),
    (metrics.frechet_distance, (ROWS, ROWS[:1]), ["n >= 2", "(1, 2)"]),
    (metrics.frechet_distance, (ROWS[:1], ROWS), ["n >= 2", "(1, 2)"]),
    (metrics.nearest, (np.ones((3, 2, 2)), np.ones((3, 4))), ["(3, 2, 2)", "(3, 4)"]),
    (metrics.diversity, (ROWS[:1],), ["n >= 2", "(1, 2)"]),
    (metrics.psnr, (ROWS, ROWS[:1]), ["equally many", "(3, 2)", "(1, 2)"]),
    (metrics.ssim, (np.ones((3, 12, 12, 1)), np.ones((1, 12, 12, 1))), ["equally many"]),
    (metrics.digit_score, (ROWS,), ["2"]), (metrics.digit_score, (np.array([[1.5, -0.5]]),), ["-0.5"]),
    (metrics.digit_histogram, (ROWS / 3,), ["0.66"]), (metrics.confidence, (ROWS * 0.0,), ["0"]),
    (metrics.histogram_kl, ([0, 0],), ["[0, 0]"]), (metrics.histogram_kl, ([2, -1],), ["-1"]),
    (metrics.histogram_kl, ([1, np.nan],), ["nan"]), (metrics.histogram_kl, ([1, np.inf],), ["inf"]),
    (metrics.histogram_kl, ([[1, 2]],), ["[[1, 2]]"]),
    (metrics.histogram_kl, ([1, 2], [1, 2, 3]), ["2", "3"]), (metrics.histogram_kl, ([1, 2], [0, 0]), ["reference"]),
    *((metrics.parzen_log_likelihood, (ROWS, ROWS, sigma), [str(sigma)]) for sigma in (0, -1.0, np.nan, np.inf)),
    *((metrics.modes_covered, (ROWS, ROWS, sigma), [str(sigma)]) for sigma in (0, -1.0, np.nan)),
    (metrics.one_nn_error, (ROWS, [1, 2], ROWS, [1, 2, 3]), ["3 images"]),
    (metrics.one_nn_error, (ROWS, [1, 2, 3], ROWS, [1, 2]), ["3 images"]),
    (metrics.one_nn_error, (ROWS, np.ones(3), ROWS, [1, 2, 3]), ["integer", "float64 (3,)"])])
def test_what_does_not_fit_is_refused(call, arguments, mentions):
    fits_not(call, *arguments, mentions=mentions)


def test_blocks_are_positive():
    fits_not(metrics.nearest, ROWS, ROWS, block=0)
    fits_not(metrics.parzen_log_likelihood, ROWS, ROWS, 1.0, block=-1)
