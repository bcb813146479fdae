"""The instruments: figures have their values where these are known, depend neither on order nor on blocks, refuse nonsense."""

import math
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numgan import Adam, InputError, checkpoint, data, metrics, softmax_cross_entropy
from numgan.games import ACGAN, SGAN, VanillaGAN
from numgan.training import Batches, Run, load_game

from . import test_demos
from .test_demos import ROOT, contents, process

TRAIN, EVALUATE = ROOT / "demos" / "train_classifier.py", ROOT / "demos" / "evaluate.py"
SEEDS = st.integers(0, 2**32 - 1)
script, fails = test_demos.script, test_demos.fails


def gaussian(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def white(seed, n, d):
    """(n, d) with mean 0 and covariance 1, exactly."""
    x = gaussian(seed, n, d)
    return np.linalg.qr(x - x.mean(0))[0] * np.sqrt(n - 1)


def random_p(seed, n, k):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)


def refused(call, *arguments, mentions=(), **options):
    """The call raises InputError, in one line that says what was expected, what came, and `mentions`."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert [mention for mention in ("expected ", ", got ", *mentions) if mention not in message] == []
    assert "\n" not in message


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
    z = (sigma * math.sqrt(2 * math.pi))**d
    expected = [math.log(sum(math.exp(-math.dist(a, b)**2 / (2 * sigma**2)) for b in s) / (n * z)) for a in x]
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
        refused(one, wrong)
    for two in metrics.frechet_distance, metrics.nearest:
        refused(two, wrong, ROWS)
        refused(two, ROWS, wrong)
    for sigma in metrics.parzen_log_likelihood, metrics.modes_covered:
        refused(sigma, wrong, ROWS, 1.0)
        refused(sigma, ROWS, wrong, 1.0)


@pytest.mark.parametrize(("call", "arguments", "mentions"), [
    (metrics.frechet_distance, (ROWS, np.ones((3, 4))), ["(3, 2)", "(3, 4)"]),
    (metrics.frechet_distance, (ROWS, ROWS[:1]), ["n >= 2", "(1, 2)"]),
    (metrics.frechet_distance, (ROWS[:1], ROWS), ["n >= 2", "(1, 2)"]),
    (metrics.nearest, (np.ones((3, 2, 2)), np.ones((3, 4))), ["(3, 2, 2)", "(3, 4)"]),
    (metrics.diversity, (ROWS[:1],), ["n >= 2", "(1, 2)"]),
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
    refused(call, *arguments, mentions=mentions)


def test_blocks_are_positive():
    refused(metrics.nearest, ROWS, ROWS, block=0)
    refused(metrics.parzen_log_likelihood, ROWS, ROWS, 1.0, block=-1)


# --- The classifier


@pytest.fixture(scope="module")
def classifier():
    return metrics.load_classifier()


def test_the_classifier_knows_the_embedded_digits(classifier):
    images, labels = data.digits_10k()
    p = classifier.probabilities(data.to_images(images))
    assert p.shape == (10000, 10)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert (p.argmax(1) == labels).mean() > 0.998
    assert metrics.digit_score(p) > 9.8


def test_the_classifier_is_as_good_as_it_says_on_the_test_set(classifier):
    folder = os.environ.get("NUMGAN_DATA")
    if not folder:
        pytest.skip("no full MNIST: set NUMGAN_DATA to the folder of its files")
    images, labels = data.mnist("test", folder)
    accuracy = (classifier.probabilities(data.to_images(images)).argmax(1) == labels).mean()
    said = re.search(r"it gets (.*) %", (ROOT / "numgan" / "data" / "README.md").read_text(encoding="utf-8"))[1]
    assert accuracy * 100 == pytest.approx(float(said), abs=0.02)
    assert accuracy > 0.994


def test_features_and_probabilities_do_not_depend_on_the_chunks_and_belong_together(classifier):
    images = data.to_images(data.digits_10k()[0][::1000])
    features, p = classifier.features(images), classifier.probabilities(images)
    assert (features.shape, features.dtype) == ((10, 64), np.float32)
    assert features.min() == 0 < features.std()
    for chunk in (1, 3):
        other = metrics.Classifier(classifier.net, chunk)
        np.testing.assert_allclose(other.features(images), features, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(other.probabilities(images), p, rtol=1e-3, atol=1e-6)
    last = classifier.net.stack[-1]
    logits = features @ last.w.data + last.b.data
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), p, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("wrong", "mentions"), [
    (np.zeros((2, 28, 28, 1), np.uint8), ["uint8"]), (np.zeros((2, 28, 28)), ["(2, 28, 28)"]),
    (np.zeros((2, 32, 32, 1)), ["(2, 32, 32, 1)"]), (np.full((1, 28, 28, 1), 255.0), ["[-1, 1]", "255"]),
    (np.full((1, 28, 28, 1), -1.1), ["[-1, 1]", "-1.1"]), (np.full((1, 28, 28, 1), np.nan), ["nan"])])
def test_the_classifier_takes_images_only(classifier, wrong, mentions):
    refused(classifier.features, wrong, mentions=mentions)
    refused(classifier.probabilities, wrong, mentions=mentions)


def test_the_classifier_s_file_is_small_and_importing_numgan_does_not_need_it(tmp_path):
    assert (ROOT / "numgan" / "data" / "classifier.npz").stat().st_size <= 200_000
    code = "import sys, numgan, numgan.training, numgan.games; print('numgan.metrics' in sys.modules)"
    assert process("-c", code, cwd=tmp_path).stdout == "False\n"


# --- Training it


@pytest.fixture
def few_digits(monkeypatch):
    """400 embedded digits instead of 10,000."""
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::25], labels[::25]))
    return images[::25], labels[::25]


def test_the_training_script_writes_what_the_classifier_loads_and_says_how_good_it_is(script, few_digits, tmp_path):
    out = tmp_path / "new" / "classifier.npz"
    status, said, error = script(TRAIN, "--epochs", 8, "--out", out)
    assert status == 0
    assert error.count("\n") == 1 + 8  # a line per epoch where output is piped
    assert set(contents(tmp_path / "new")) == {"classifier.npz"}
    net = metrics.network(np.random.default_rng(9))
    with np.load(out) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype(np.float16)}
        net.load_state({name: archive[name].astype(np.float32) for name in archive.files})
    images, labels = few_digits
    right = metrics.Classifier(net).probabilities(data.to_images(images[::10])).argmax(1) == labels[::10]
    assert right.mean() > 0.3
    assert f"rounded to float16 {right.mean():.2%}\n" in said


def test_every_epoch_has_every_training_digit_once_in_another_order(script, monkeypatch, tmp_path):
    images = data.digits_10k()[0][::25]
    monkeypatch.setattr(data, "digits_10k", lambda: (images, np.arange(400) % 10))
    batches, loss = [], softmax_cross_entropy
    monkeypatch.setattr("numgan.softmax_cross_entropy", lambda y, labels: batches.append(labels) or loss(y, labels))
    assert script(TRAIN, "--epochs", 2, "--out", tmp_path / "x.npz")[0] == 0
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])  # of 120 digits each
    known = (np.arange(400) % 10)[np.arange(400) % 10 != 0]
    assert sorted(first) == sorted(second) == sorted(known)
    assert all((a != b).any() for a, b in ((first, second), (first, known), (second, known)))


def test_the_seed_decides_on_the_trained_classifier(script, monkeypatch, tmp_path):
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::250], labels[::250]))
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        assert script(TRAIN, "--epochs", 1, "--seed", seed, "--out", tmp_path / f"{name}.npz")[0] == 0
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c


def test_ctrl_c_leaves_the_old_classifier(script, few_digits, tmp_path, monkeypatch):
    out = tmp_path / "classifier.npz"
    out.write_text("precious")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("numgan.Adam.minimize", interrupt)
    status, said, error = script(TRAIN, "--out", out)
    assert (status, said) == (1, "")
    assert error.splitlines()[-1].startswith("interrupted")
    assert contents(tmp_path) == {"classifier.npz": b"precious"}


def test_an_interrupted_training_goes_on_after_its_last_whole_epoch(script, monkeypatch, tmp_path, fails):
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::50], labels[::50]))
    assert script(TRAIN, "--epochs", 3, "--out", tmp_path / "straight" / "a.npz")[0] == 0
    minimize, steps = Adam.minimize, iter(range(2))  # one in each epoch

    def interrupted(optimizer, loss):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        minimize(optimizer, loss)

    out = tmp_path / "broken" / "a.npz"
    with monkeypatch.context() as patch:
        patch.setattr("numgan.Adam.minimize", interrupted)
        assert script(TRAIN, "--epochs", 3, "--out", out)[0] == 1
    assert set(contents(out.parent)) == {"a.partial.npz"}
    fails(TRAIN, "--epochs", 4, "--out", out, mentions=[out.with_suffix(".partial.npz"), "'epochs': 4"])
    status, _, error = script(TRAIN, "--epochs", 3, "--out", out)
    assert (status, error.count("epoch ")) == (0, 1)
    assert contents(out.parent) == contents(tmp_path / "straight")


@pytest.mark.parametrize(("options", "mentions"), [
    (["--epochs", "0"], ["--epochs", "0"]), (["--seed", "-1"], ["--seed", "-1"]), (["--out", "x.npy"], [".npz", "x.npy"]),
    (["--data", "cifar"], ["cifar"]), (["--data-dir", "nowhere"], ["nowhere", "digits-10k"]),
    (["--data", "mnist", "--data-dir", "nowhere"], ["nowhere", "train-images-idx3-ubyte"]), (["extra"], ["extra"])])
def test_bad_options_for_training_fail_in_one_line(fails, options, mentions):
    out = [] if "--out" in options else ["--out", "out.npz"]
    fails(TRAIN, *options, *out, mentions=mentions)


def test_a_file_that_cannot_be_written_fails_before_training(script, few_digits, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("numgan.Adam.minimize", None)
    (tmp_path / "folder.npz").mkdir()
    for out in (Path("file", "x.npz"), "folder.npz", 250 * "x" + ".npz"):
        status, _, error = script(TRAIN, "--out", tmp_path / out)
        assert (status, error.count("\n")) == (1, 1)


# --- Evaluating


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The checkpoint of a game that nobody has played yet."""
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    run = Run(game, Batches(data.digits_10k()[0][:8], 4, np.random.default_rng(0)), tmp_path_factory.mktemp("run"))
    run.save()
    return run.path


@pytest.fixture
def no_mnist(monkeypatch):
    monkeypatch.delenv("NUMGAN_DATA", raising=False)


def table(out):
    """Row name -> (generated, real) of what the script prints."""
    rows = [(line[:36].strip(), line[36:68].strip(), line[68:].strip()) for line in out.splitlines()]
    return {name: values for name, *values in rows}


def test_the_table_holds_the_figures_of_the_generator_s_and_of_real_digits(script, few_digits, generator, classifier, no_mnist):
    status, out, error = script(EVALUATE, generator, "--n", 30, "--seed", 4)
    assert (status, error) == (0, "")
    assert "30 digits; real: half of the embedded ones" in out.splitlines()[0]
    rows = table(out)
    images = load_game(generator).sample(30, np.random.default_rng(4))
    p = classifier.probabilities(images)
    assert rows["digit score, 1 to 10"][0] == f"{metrics.digit_score(p):.3f}"
    assert rows["diversity: RMS difference"][0] == f"{metrics.diversity(images):.3f}"
    counts = Counter(p.argmax(1))
    assert rows["0, 1, ... 9, %"][0].split() == [f"{counts[digit] / 0.3:.0f}" for digit in range(10)]
    for name in ("digit-FID", "KL to the reference's, nats", "distance to nearest reference digit"):
        noise, real = map(float, rows[name])
        assert 0 < real < noise
    assert "needs MNIST's test set" in out.splitlines()[-1]
    other = table(script(EVALUATE, generator, "--n", 30, "--seed", 5)[1])
    assert other["digit-FID"][0] != rows["digit-FID"][0]
    assert other["digit-FID"][1] == rows["digit-FID"][1]


def test_with_mnist_the_reference_is_its_training_set_and_the_table_ends_with_parzen(
        script, few_digits, generator, classifier, tmp_path, monkeypatch):
    images, labels = few_digits
    training, test = (np.concatenate([images[::2]] * 8), np.concatenate([labels[::2]] * 8)), (images[1::2], labels[1::2])
    monkeypatch.setattr(data, "mnist", lambda split, folder: {"train": training, "test": test}[split])
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    status, out, error = script(EVALUATE, generator)
    assert (status, error) == (0, "")
    assert re.match("200 digits; real: of MNIST's test set; reference: its 1,600", out)
    rows = table(out)
    samples = load_game(generator).sample(200, np.random.default_rng(0))
    counts = metrics.digit_histogram(classifier.probabilities(samples))
    kl = metrics.histogram_kl(counts, np.bincount(training[1]))
    assert rows["KL to the reference's, nats"][0] == f"{kl:.4f}"
    noise, real = (list(map(float, re.fullmatch(r"(\S+) ± (\S+) \(σ = (\S+)\)", said).groups()))
                   for said in rows["Parzen log-likelihood of test digits"])
    sigma = min(np.logspace(-1, 0, 41), key=lambda s: abs(s - noise[2]))
    nats = metrics.parzen_log_likelihood((samples.reshape(200, -1) + 1) / 2, test[0].reshape(200, -1) / 255, sigma)
    assert noise[:2] == [round(nats.mean(), 1), round(nats.std() / np.sqrt(200), 1)]
    assert real[0] > noise[0]
    assert real[2] < noise[2]


@pytest.mark.parametrize("kind", [ACGAN, SGAN])
def test_of_a_game_that_knows_classes_the_table_tells_how_well_it_does(
        script, few_digits, classifier, tmp_path, kind, no_mnist, monkeypatch):
    game = kind(width=4, rng=np.random.default_rng(0))
    images, labels = few_digits
    own = np.where(np.arange(len(labels)) % 2, labels.astype(int), -1) if kind is SGAN else labels
    run = Run(game, Batches(images, 4, np.random.default_rng(0), own), tmp_path)
    run.save()
    status, out, error = script(EVALUATE, run.path, "--n", 40, "--seed", 4)
    assert (status, error) == (0, "")
    rows = table(out)
    order = np.random.default_rng(0).permutation(len(images))
    (reference, known), (real, real_labels) = ((data.to_images(images[i]), labels[i])
                                               for i in (order[:len(order) // 2], order[len(order) // 2:][:40]))
    assert rows["D reads rightly, %"][1] == f"{100 * (game.classify(real) == real_labels).mean():.2f}"
    assert ("read as asked, as labelled, %" in rows) == (kind is ACGAN)
    if kind is ACGAN:
        codes = game.latent(len(reference), np.random.default_rng(4))
        read = classifier.probabilities(game.generate(codes)).argmax(1)[:40] == game.asked(codes)[:40]
        right = classifier.probabilities(real).argmax(1) == real_labels
        assert rows["read as asked, as labelled, %"] == [f"{100 * r.mean():.2f}" for r in (read, right)]
        errors = [metrics.one_nn_error(x, y, real, real_labels)
                  for x, y in ((game.generate(codes), game.asked(codes)), (reference, known))]
        assert rows[f"1-NN error by {len(reference):,} of them, %"] == [f"{100 * e:.2f}" for e in errors]
        assert errors[1] < errors[0]


def test_evaluating_in_a_process_of_its_own(generator, tmp_path):
    shutil.copy(generator, tmp_path / "checkpoint.npz")
    said = process(EVALUATE, "checkpoint.npz", "--n", "2", "--data", "digits-10k", cwd=tmp_path)
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) == 11
    assert set(contents(tmp_path)) == {"checkpoint.npz"}


@pytest.mark.parametrize(("options", "mentions"), [
    (["--n", "1"], ["--n", "1"]), (["--n", "5001"], ["5000", "5001"]), (["--n", "few"], ["few"]),
    (["--seed", "-1"], ["--seed", "-1"]), (["--data", "cifar"], ["cifar"]),
    (["--data-dir", "nowhere"], ["nowhere", "train-images-idx3-ubyte"]),
    (["--data", "digits-10k", "--data-dir", "nowhere"], ["nowhere", "digits-10k"])])
def test_bad_options_for_evaluating_fail_in_one_line(fails, generator, no_mnist, options, mentions):
    fails(EVALUATE, generator, *options, mentions=mentions)


def test_checkpoints_that_cannot_be_evaluated_fail_in_one_line(fails, generator, tmp_path, no_mnist):
    fails(EVALUATE, mentions=["CHECKPOINT"])
    fails(EVALUATE, "nowhere.npz", mentions=["nowhere.npz"])
    (tmp_path / "bad.npz").write_bytes(generator.read_bytes()[:-1000])
    fails(EVALUATE, tmp_path / "bad.npz", mentions=["bad.npz"])
    about, arrays = checkpoint.load(generator)
    checkpoint.save(tmp_path / "nan.npz", about, {name: array * np.nan for name, array in arrays.items()})
    fails(EVALUATE, tmp_path / "nan.npz", "--n", 2, mentions=[])
