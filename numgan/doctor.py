"""What a digit classifier sees in a run's samples, with warnings of mode collapse. Read latent.py next."""

import numpy as np

from . import metrics


def findings(run, n=200):
    """Lines on n samples of a game that draws digits: how many there are of each digit, their diversity, warnings.

    It looks like mode collapse if a digit has less than a quarter of an equal share, or if the samples have less than half
    the diversity of real digits. Yields nothing for images that are not 28 × 28 × 1.
    """
    if run.game.image_shape != (28, 28, 1):
        return
    images = run.game.sample(n, np.random.default_rng(0))
    counts = metrics.digit_histogram(metrics.load_classifier().probabilities(images))
    real = metrics.diversity(run.batches.examples(n))
    spread = metrics.diversity(images) / real if real else np.nan  # a data set of one image has no diversity
    yield f"  {n} samples classified as 0 … 9: {' '.join(map(str, counts))}; diversity {spread:.2f} × that of real digits"
    missing = np.flatnonzero(counts < n / 40)
    if len(missing) or spread < 0.5:
        yield f"  looks like mode collapse: {'few of ' + ', '.join(map(str, missing)) if len(missing) else 'samples are alike'}"
