"""What is going on in a run: what a classifier of digits sees in its samples. Read latent.py next."""

import numpy as np

from . import metrics


def findings(run, n=200):
    """What a classifier sees in n samples of a game of digits, as lines: how many of each digit, diversity, warnings.

    Fewer than a quarter of its share of a digit, or half the diversity of real digits, look like mode collapse.
    """
    if run.game.image_shape != (28, 28, 1):
        return
    images = run.game.sample(n, np.random.default_rng(0))
    counts = metrics.digit_histogram(metrics.load_classifier().probabilities(images))
    real = metrics.diversity(run.batches.examples(n))
    spread = metrics.diversity(images) / real if real else np.nan  # a data set of one image has no diversity
    yield f"  {n} samples read as 0 … 9: {' '.join(map(str, counts))}; diversity {spread:.2f} of real digits'"
    missing = np.flatnonzero(counts < n / 40)
    if len(missing) or spread < 0.5:
        yield f"  looks like mode collapse: {'few of ' + ', '.join(map(str, missing)) if len(missing) else 'samples are alike'}"
