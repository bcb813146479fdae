"""How good are generated images: do they look real, are they diverse, are they new?

No figure means much on its own. Compare it with the figure for real images that the generator has not seen: demos/evaluate.py
prints both. Images are float arrays (n, ...), and distances between them depend on their range. Read doctor.py next.
"""

import numpy as np

from .errors import InputError, described
from .layers import BatchNorm, Conv2D, Dense, Flatten, ReLU
from .losses import softmax
from .network import Sequential, evaluate, through
from .tensor import no_grad

# ---- a digit classifier: for digits, what Inception is for photographs


def network(rng, dtype=np.float32, channels=1):
    """An untrained classifier of digits: (28, 28, channels) in [-1, 1] -> 64 features -> 10 logits."""
    def unit(layer, *sizes, **options):
        return layer(*sizes, use_bias=False, **options), BatchNorm(momentum=0.9), ReLU()

    return Sequential(
        *unit(Conv2D, 24, 5, strides=2), *unit(Conv2D, 32, 3), *unit(Conv2D, 48, 3, strides=2), *unit(Conv2D, 48, 3),
        *unit(Conv2D, 48, 3, strides=2, padding="valid"), Flatten(), *unit(Dense, 64), Dense(10),
        input_shape=(28, 28, channels), rng=rng, dtype=dtype)


class Classifier:
    """A trained `network`. Images are float, (n, *net.input_shape), in [-1, 1], else InputError."""

    def __init__(self, net):
        self.net = net
        net.eval()

    def features(self, images):
        """The input of the last layer, (n, 64)."""
        _rows("Classifier: images", images)
        low, high = images.min(), images.max()
        if images.shape[1:] != self.net.input_shape or low < -1 or high > 1:
            shape = ", ".join(map(str, self.net.input_shape))
            raise InputError(f"Classifier: expected images (n, {shape}) in [-1, 1], got {images.shape}, {low:g} … {high:g}")
        return evaluate(self.net, images.astype(self.net.dtype, copy=False), lambda x: through(self.net.stack[:-1], x))

    def probabilities(self, images):
        """p(digit | image), (n, 10)."""
        with no_grad():
            return softmax(self.net.stack[-1](self.features(images)).data.astype(np.float64)).data


def load_classifier(dtype=np.float32):
    """The Classifier in the package; `data/README.md` describes how it was trained and gives its accuracy."""
    from importlib.resources import files  # slow to import

    net = network(np.random.default_rng(0), dtype)
    with (files("numgan") / "data" / "classifier.npz").open("rb") as file, np.load(file) as archive:
        net.load_state({name: archive[name].astype(dtype) for name in archive.files})
    return Classifier(net)


# ---- what the classifier sees


def frechet_distance(a, b):
    """Squared Fréchet distance, >= 0, of the Gaussians N(μ, C) fitted to two feature sets (n, d) and (m, d), n, m >= 2.

        |μ_a - μ_b|² + tr(C_a + C_b - 2 (C_a C_b)^½)        (Dowson & Landau 1982; the FID of Heusel et al. 2017, eq. 6)

    No covariance has to be computed. With X = QR for centred features X, C = RᵀR / (n - 1). The eigenvalues of C_a C_b are
    the squares of the singular values of R_a R_bᵀ (each R divided by its √(n - 1)), so the trace of the root is the sum of
    these singular values.

    On a Classifier's features this is the *digit-FID*. It can be compared with other digit-FIDs of the same classifier, not
    with an FID from Inception. It is larger for small sets: compare at equal n.
    """
    a, b = _pair("frechet_distance", a, b, least=2, dtype=np.float64)
    (mean_a, a), (mean_b, b) = map(_gaussian, (a, b))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(((mean_a - mean_b)**2).sum() + (a * a).sum() + (b * b).sum() - 2 * root))


def _gaussian(x):
    """The mean, and a root R of the covariance RᵀR."""
    mean = x.mean(0)
    return mean, np.linalg.qr(x - mean, mode="r") / np.sqrt(len(x) - 1)


def digit_score(probabilities):
    """exp E[KL(p(y|x) || p(y))] of (n, k) probabilities, the inception score of Salimans et al. 2016, section 4; in [1, k].

    It is k if every image is classified with certainty and all digits are equally frequent; 1 if all images have the same p.
    With the entropy H, E[KL] = H(p(y)) - E[H(p(y|x))].
    """
    p = _probabilities(probabilities)
    return float(np.exp(_entropy(p.mean(0)) - _entropy(p).mean()))


def digit_histogram(probabilities):
    """For each digit, how many images most probably show it: (n, k) -> integers (k,)."""
    p = _probabilities(probabilities)
    return np.bincount(p.argmax(1), minlength=p.shape[1])


def histogram_kl(histogram, reference=None):
    """KL(h || r) = Σ h ln(h / r) in nats, from counts or shares h (k,) to those of a reference r, by default all equal.

    A digit that never occurs adds nothing (0 ln 0 = 0). For equal r, the sum is at most ln k: when only one digit occurs.
    It is infinite if a digit has r = 0 < h.
    """
    h = _shares("histogram_kl", histogram)
    r = _shares("histogram_kl, reference", np.ones(len(h)) if reference is None else reference)
    if len(h) != len(r):
        raise InputError(f"histogram_kl: expected a reference of {len(h)} counts, got {len(r)}")
    seen = h > 0
    with np.errstate(divide="ignore"):
        return float((h[seen] * np.log(h[seen] / r[seen])).sum())


def confidence(probabilities):
    """From (n, k) probabilities: the mean of each image's largest p, and the share of images whose largest p is above 0.9."""
    largest = _probabilities(probabilities).max(1)
    return float(largest.mean()), float((largest > 0.9).mean())


def _entropy(p):
    """-Σ p ln p along the last axis, with 0 ln 0 = 0."""
    return -(p * np.log(p + (p == 0))).sum(-1)


# ---- how near is an image to the one that it should be


def psnr(images, originals, peak=2):
    """Peak signal-to-noise ratio of each image, 10 log₁₀(peak² / mean squared error) in dB, (n,): infinite if they are equal.

    peak is the width of the pixels' range: 2 for images (n, ...) in [-1, 1].
    """
    _positive("psnr", peak)
    x, y = _pair("psnr", images, originals, dtype=np.float64, equal=True)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(peak**2 / ((x - y)**2).mean(1))


def ssim(images, originals):
    """Structural similarity of each image (n, H, W, C) in [-1, 1] to its original, (n,), at most 1; H, W >= 11.

    In every 11 × 11 window, with weights of a Gaussian with σ = 1.5: means μ, variances σ² and the covariance σ_xy (Wang et
    al. 2004, eq. 13); then the mean over windows inside the image, and channels. Pixels are taken as 0 … 1, so that C₁ = 0.01²
    and C₂ = 0.03².

        (2 μ_x μ_y + C₁) (2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁) (σ_x² + σ_y² + C₂))
    """
    _pair("ssim", images, originals, equal=True)
    if images.ndim != 4 or min(images.shape[1:3]) < 11:
        raise InputError(f"ssim: expected images (n, H, W, C), H, W >= 11, got {described(images)}")
    x, y = ((a.astype(np.float64) + 1) / 2 for a in (images, originals))
    weights = np.exp(-np.arange(-5, 6)**2 / (2 * 1.5**2))
    weights /= weights.sum()

    def local_mean(a):
        a = sum(weight * a[:, i:a.shape[1] - 10 + i] for i, weight in enumerate(weights))
        return sum(weight * a[:, :, i:a.shape[2] - 10 + i] for i, weight in enumerate(weights))

    mean_x, mean_y, c1, c2 = local_mean(x), local_mean(y), 0.01**2, 0.03**2
    variances = local_mean(x * x) - mean_x**2 + local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return similar.mean((1, 2, 3))


# ---- distances between images


def diversity(images):
    """Root mean squared difference between images (n, ...), over all pairs and pixels; n >= 2.

    It is 0.73 for MNIST's digits in [-1, 1], and 0 if all images are the same. E (x - y)² = 2 Var x makes it O(n).
    """
    return float(np.sqrt(2 * _rows("diversity", images, least=2).var(0, ddof=1, dtype=np.float64).mean()))


def nearest(images, training, *, block=256):
    """For each image (n, ...), the nearest of the training images (m, ...): Euclidean distances (n,), indices (n,).

    If a generator memorises, its images are nearer to the training images than other real images are. `block` images are
    compared at a time.
    """
    x, y = _pair("nearest", images, training)
    middle = y.mean(0)  # subtracted, or the squares' digits would be spent on what all images share
    indices = np.concatenate([distances.argmin(1) for distances in _squared_distances(x - middle, y - middle, block)])
    return np.linalg.norm(x - y[indices], axis=1), indices  # not from the squares, which lose digits where |x|² cancels


def one_nn_error(images, labels, test_images, test_labels):
    """Share of the test images, in [0, 1], whose nearest image among `images` has a different label (Radford et al. 2016)."""
    for one, many in (labels, images), (test_labels, test_images):
        if np.shape(one) != np.shape(many)[:1] or np.asarray(one).dtype.kind not in "iu":
            raise InputError(f"one_nn_error: expected an integer label for each of {len(many)} images, got {described(one)}")
    _, indices = nearest(test_images, images)
    return float((np.asarray(labels)[indices] != test_labels).mean())


def modes_covered(points, centres, sigma):
    """(modes covered, share of high-quality points) of points (n, d), for a mixture with these centres (k, d).

    A point is of high quality if it lies within 3 sigma of the nearest centre; it then covers that mode (Srivastava et al.
    2017, Lin et al. 2018).
    """
    _positive("modes_covered", sigma)
    distances, modes = nearest(points, centres)
    good = distances <= 3 * sigma
    return len(np.unique(modes[good])), float(good.mean())


def parzen_log_likelihood(samples, points, sigma, *, block=256):
    """ln p of each point (m, ...) in nats, (m,), where p is the mean of Gaussians N(s, σ² I) around the samples s (n, ...).

    The protocol of Goodfellow et al. 2014 (section 5, and their code) for MNIST: pixels in [0, 1], that is (images + 1) / 2;
    10,000 samples; σ from `choose_sigma` with 1,000 digits outside the test set; mean and standard error over the 10,000 test
    digits. This is a weak measure: it follows neither the true likelihood nor how good samples look (Theis et al. 2016).
    """
    _positive("parzen_log_likelihood", sigma)
    y, x = _pair("parzen_log_likelihood", samples, points, dtype=np.float64)
    likelihoods = []
    for exponents in _squared_distances(x, y, block):
        exponents /= -2 * sigma**2
        top = exponents.max(1, keepdims=True)  # so that the largest exponential is 1, and not all are 0
        exponents -= top
        likelihoods.append(top[:, 0] + np.log(np.exp(exponents, out=exponents).mean(1)))
    return np.concatenate(likelihoods) - x.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def choose_sigma(samples, validation, candidates):
    """The candidate σ that gives the validation points the largest mean log-likelihood."""
    return max(candidates, key=lambda sigma: parzen_log_likelihood(samples, validation, sigma).mean())


def _squared_distances(x, y, block):
    """|x - y|² = |x|² - 2 x·y + |y|² of all pairs, as arrays (up to `block`, len(y)): one matrix product each."""
    _positive("block", block)
    squares = np.einsum("ij,ij->i", y, y)
    for i in range(0, len(x), block):
        rows = x[i:i + block]
        products = rows @ y.T
        products *= -2
        products += squares
        products += np.einsum("ij,ij->i", rows, rows)[:, np.newaxis]
        yield products


# ---- checks


def _rows(name, x, least=1):
    """x as (n, d), if it is a finite float array (n, ...) with n >= least; else InputError."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.ndim < 2 or len(x) < least or not x.size:
        raise InputError(f"{name}: expected a float array (n, ...), n >= {least}, got {described(x)}")
    if not np.isfinite(x).all():
        raise InputError(f"{name}: expected finite numbers, got {x[~np.isfinite(x)][0]}")
    return x.reshape(len(x), -1)


def _pair(name, a, b, least=1, dtype=np.float32, equal=False):
    """Two such arrays with rows of the same shape, as (n, d) and (m, d) of the same dtype: `dtype` or a wider one.

    equal: n must be m.
    """
    rows = _rows(name, a, least), _rows(name, b, least)
    if a.shape[1:] != b.shape[1:] or (equal and len(a) != len(b)):
        raise InputError(f"{name}: expected rows of one shape{', equally many' * equal}, got {a.shape} and {b.shape}")
    return [x.astype(np.result_type(a, b, dtype), copy=False) for x in rows]


def _probabilities(p):
    p = _rows("probabilities", p).astype(np.float64)
    if p.min() < 0 or abs(p.sum(1) - 1).max() > 1e-3:
        raise InputError(f"probabilities: expected rows >= 0 that add up to 1, got numbers from {p.min():g} "
                         f"and sums {p.sum(1).min():g} … {p.sum(1).max():g}")
    return p


def _shares(name, counts):
    """Counts (k,) divided by their sum."""
    h = np.asarray(counts, np.float64)
    if h.ndim != 1 or not ((h >= 0).all() and 0 < h.sum() < np.inf):
        raise InputError(f"{name}: expected counts (k,), none negative, not all 0, got {counts!r:.80}")
    return h / h.sum()


def _positive(name, value):
    if not 0 < value < np.inf:
        raise InputError(f"{name}: expected a number > 0, got {value!r}")
