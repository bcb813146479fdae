"""What must hold for what is shown of a run, for its minibatches, and for the way back to a code. For game_mutants.py."""

import tempfile

import numpy as np

from numgan import data, doctor, metrics, pictures, plotting, resample
from numgan.batches import HalfLabelledBatches
from numgan.games import DCGAN
from numgan.latent import descend


def curves_of(history, panels, references):
    """The axes that save_curves draws, without writing a file."""
    from matplotlib.figure import Figure
    original, figures = Figure.savefig, []
    Figure.savefig = lambda figure, *args, **options: figures.append(figure) or open(args[0], "wb").close()
    try:
        with tempfile.TemporaryDirectory() as folder:
            plotting.save_curves(f"{folder}/curves.png", history, panels, references)
    finally:
        Figure.savefig = original
    return figures[0].axes


def a_smoothed_curve_is_the_mean_up_to_each_step():
    """Its value at a step is the mean of the values of that step and those before it, a fiftieth of the run in all."""
    rng = np.random.default_rng(0)
    for n, window in ((1, 1), (60, 1), (100, 2), (175, 3)):
        history = {"step": np.arange(1, n + 1) * 1.0, "d_loss": rng.standard_normal(n)}
        (axes,) = curves_of(history, {"loss": ("d_loss",)}, {"d_loss": 0.5})
        raw, smooth, reference = axes.get_lines()
        np.testing.assert_array_equal(raw.get_xydata().T, [history["step"], history["d_loss"]])
        assert len(smooth.get_xdata()) == n - window + 1
        for step, value in smooth.get_xydata():
            own = history["d_loss"][int(step) - window:int(step)]
            assert len(own) == window
            assert abs(value - own.mean()) < 1e-12
        assert set(reference.get_ydata()) == {0.5}


class Readable:
    """A run of batches of 100; the spread of its samples, and that of the data, are given."""

    image_shape, size, draws = (28, 28, 1), 100, True

    def __init__(self, step, spread, real):
        self.game = self.batches = self
        self.step, self.spread, self.real, self.history = step, spread, real, [{}] * step

    def sample(self, n, rng):
        images = np.zeros((n, 28, 28, 1), np.float32)
        images[::2] = self.spread
        return images

    def examples(self, n):
        images = np.zeros((n, 28, 28, 1), np.float32)
        images[::2] = self.real
        return images


class Blind:
    """In the classifier's place, where the counts are given."""

    def probabilities(self, images):
        return None


def remarks_on(*snapshots, real=1.0):
    """What a doctor says of each snapshot (step, counts, spread) of one run, as texts."""
    saved, classifier, asked = metrics.digit_histogram, metrics.load_classifier, doctor.Doctor()
    metrics.load_classifier = Blind
    texts = []
    try:
        for step, counts, spread in snapshots:
            metrics.digit_histogram = lambda p, counts=counts: np.array(counts)
            texts.append(" ".join(asked(Readable(step, spread, real))))
    finally:
        metrics.digit_histogram, metrics.load_classifier = saved, classifier
    return texts


def warnings_come_at_their_thresholds():
    """Less than an eighth of its share of any digit, or less than half of the data's diversity."""
    even = [20] * 10
    for counts, spread, real, warning in ((even, 1.0, 1.0, ""), ([3, 37, *even[2:]], 1.0, 1.0, ""), (even, 0.51, 1.0, ""),
                                          (even, 1.0, 0.0, ""), ([2, 38, *even[2:]], 1.0, 1.0, "collapse: few of 0"),
                                          (even, 0.49, 1.0, "collapse: samples are alike")):
        *first, last = remarks_on(*((step, counts, spread) for step in (400, 500, 600)), real=real)
        for text in first:
            assert text.startswith("  200 samples classified as 0 … 9: " + " ".join(map(str, counts)))
            assert "collapse" not in text
        assert warning in last
        assert ("collapse" in last) == bool(warning)


def warnings_come_when_they_are_due():
    """Not before the run has seen 30,000 images, not at the first signs, only for what lasts, not while digits are won."""
    even, one, two, many = [20] * 10, [0, 40, *[20] * 8], [40, 0, *[20] * 8], [0, 0, 60, *[20] * 7]

    def warned(*snapshots):
        return ["collapse" in text for text in remarks_on(*((step, counts, 1.0) for step, counts in snapshots))]

    assert warned((0, one), (100, one), (200, one), (299, one), (300, one), (400, one), (500, one)) == [False] * 6 + [True]
    assert warned((300, one), (400, even), (500, one), (600, one), (700, one)) == [False] * 4 + [True]
    assert warned((300, one), (400, two), (500, two), (600, two)) == [False] * 3 + [True]
    assert warned((300, many), (400, many), (500, one), (600, one), (700, one)) == [False] * 4 + [True]
    assert warned((300, one), (400, one), (500, many)) == [False] * 2 + [True]
    assert "few of 0" in remarks_on((300, one, 0.1), (400, one, 0.1), (500, one, 1.0))[-1]


def half_of_a_batch_is_labelled():
    """size // 2 of it, so that of an odd size the unlabelled half has one more."""
    images, own = np.arange(90, dtype=np.uint8).reshape(10, 3, 3), np.arange(-5, 5)
    for size in 4, 5, 7:
        x, labels = next(HalfLabelledBatches(images, size, np.random.default_rng(0), own))
        assert (labels >= 0).sum() == size // 2
        assert (labels[:size // 2] >= 0).all()
        which = data.to_pixels(x)[:, 0, 0] // 9
        assert np.array_equal(labels[:size // 2], own[which[:size // 2]])


def few_labels_are_drawn_as_documented():
    """Ten turns decide who gets one more, where 10 does not divide n."""
    labels = np.arange(200) % 10
    for n in (10, 13, 99):
        counts = np.bincount(data.few_labels(labels, n, np.random.default_rng(n)) + 1, minlength=11)[1:]
        rng = np.random.default_rng(n)
        rng.permutation(200)
        assert np.array_equal(counts, n // 10 + (rng.permutation(10) < n % 10))


def descent_goes_through_the_drawing_network():
    """What draws the samples is what is inverted, here an average that has nothing in common with G."""
    settings = dict(size=8, width=2, latent_dim=5, categories=2, average=0.5, dtype="float64")
    game, other = (DCGAN(**settings, rng=np.random.default_rng(seed)) for seed in (0, 1))
    game.g_average.network.load_state(other.generator.state())
    z, wanted = game.latent(8), game.generate(game.latent(8))
    at_first = np.mean((game.generate(z) - wanted) ** 2, (1, 2, 3))
    _, errors = descend(game, z, wanted, steps=60, lr=0.1)
    assert errors.mean() < 0.05 * at_first.mean()


def pictures_of_another_size_have_exact_weights():
    """An area's mean; Keys's published weights at a quarter of a pixel; bytes that are rounded and never overflow.

    `weights` keeps what it made, so only sizes that a fault cannot have reached are resampled here.
    """
    np.testing.assert_allclose(resample.area(5, 3), [[.6, .4, 0, 0, 0], [0, .2, .6, .2, 0], [0, 0, 0, .4, .6]])
    enlarged = resample.cubic(8, 16) * 128
    np.testing.assert_allclose(enlarged[[0, 7, 8]], [[137, -9, *[0] * 6], [0, 0, -9, 111, 29, -3, 0, 0],
                                                     [0, 0, -3, 29, 111, -9, 0, 0]], atol=1e-12)
    steps = np.repeat(np.uint8([[[[255], [255], [0], [0], [90], [91]]]]), 6, 1)
    exact = (resample.weights(6, 12) @ steps[0, :, :, 0].astype(float) @ resample.weights(6, 12).T)
    assert exact.max() > 260
    assert exact.min() < -5
    np.testing.assert_array_equal(resample.resampled(steps, 12)[0, ..., 0], np.rint(np.clip(exact, 0, 255)))


def pictures_become_square_opaque_and_grey_if_they_are():
    """By the rules of pictures.read."""
    pixels = np.arange(2 * 3 * 5 * 3, dtype=np.uint8).reshape(2, 3, 5, 3)
    np.testing.assert_array_equal(pictures.alike(pixels), pixels[:, :, 1:4])
    np.testing.assert_array_equal(pictures.alike(pixels.transpose(0, 2, 1, 3)), pixels.transpose(0, 2, 1, 3)[:, 1:4])
    np.testing.assert_array_equal(pictures.alike(pixels[..., :1]), pixels[:, :, 1:4, 0])
    np.testing.assert_array_equal(pictures.alike(pixels[..., [1, 1, 1]]), pixels[:, :, 1:4, 1])
    for two in ([1, 1, 0], [0, 1, 1], [0, 1, 0]):
        np.testing.assert_array_equal(pictures.alike(pixels[..., two]), pixels[:, :, 1:4, two])
    np.testing.assert_array_equal(pictures.alike(np.uint8([[[[200, 100, 0, 51]]]])), [[[[244, 224, 204]]]])


def sheets_hold_images_in_their_colours():
    """Row by row, with a border between them."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    page = plotting.sheet(data.to_images(pixels), columns=3)
    assert page.shape == (14, 26, 3)
    for i, picture in enumerate(pixels):
        y, x = 2 + i // 3 * 6, 2 + i % 3 * 8
        np.testing.assert_array_equal(page[y:y + 4, x:x + 6], picture)


PROPERTIES = [a_smoothed_curve_is_the_mean_up_to_each_step, warnings_come_at_their_thresholds,
              warnings_come_when_they_are_due, half_of_a_batch_is_labelled, few_labels_are_drawn_as_documented,
              descent_goes_through_the_drawing_network, pictures_of_another_size_have_exact_weights,
              pictures_become_square_opaque_and_grey_if_they_are, sheets_hold_images_in_their_colours]
