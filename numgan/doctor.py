"""What a digit classifier sees in a run's samples, with warnings of mode collapse. Read latent.py next."""

import numpy as np

from . import metrics

COVERED = 30_000  # images that a run has seen before a missing digit means anything: three times all of digits-10k


class Doctor:
    """`remarks` for training.train: a line for every snapshot of a game of digits, and a warning when it is due.

    n samples are read by the classifier. A digit that has less than an eighth of its share, or a diversity of less than half
    of the data's, is a finding. It becomes a warning if the run has seen COVERED images and the snapshot before had it, too:
    early samples look alike without any collapse, and one sheet may miss a digit by chance.
    """

    def __init__(self, n=200, digits=True):
        self.n, self.digits, self.before = n, digits, set()

    def __call__(self, run):
        """The lines. None for games of anything else than 28 × 28 × 1 images, nor if the data are said to be no digits."""
        if run.game.image_shape != (28, 28, 1) or not self.digits:
            return
        images = run.game.sample(self.n, np.random.default_rng(run.step))
        counts = metrics.digit_histogram(metrics.load_classifier().probabilities(images))
        real = metrics.diversity(run.batches.examples(self.n))
        spread = metrics.diversity(images) / real if real else np.nan  # a data set of one image has no diversity
        yield (f"  {self.n} samples classified as 0 … 9: {' '.join(map(str, counts))}; "
               f"diversity {spread:.2f} × that of real digits")
        found = {f"few of {digit}" for digit in np.flatnonzero(counts < self.n / 80)}
        if spread < 0.5:
            found.add("samples are alike")
        lasting = found & self.before
        self.before = found if run.step * run.batches.size >= COVERED else set()
        if lasting:
            yield f"  looks like mode collapse: {', '.join(sorted(lasting))}"
