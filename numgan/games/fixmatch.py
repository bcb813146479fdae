"""FixMatch: SGAN's D also learns from the unlabelled images that it reads with certainty (Sohn et al. 2020).

Read conditional.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..losses import softmax
from ..resample import distorted
from .classes import CLASSES
from .sgan import SGAN

SURE = 0.9  # a probability
MEMORY = 0.98  # of `shares`: they are means over some 50 calls


@dataclass(kw_only=True, eq=False, repr=False)
class FixMatchSGAN(SGAN):
    """An SGAN in which D labels some of the unlabelled images itself, and then learns from them as from the labelled ones.

    D labels an image as it is, and learns from a copy that is distorted as if another hand had drawn it (Sohn et al. 2020,
    section 2):

        labelled images x                         ->  distorted x, with their labels
        unlabelled images u                       ->  u without labels, as in SGAN
        those u in which D is sure of the digit   ->  also distorted u, labelled with this digit

    L_D takes one mean over the images with given labels and those with D's, and so does class_accuracy. The paper takes the
    mean over those with given labels, and adds the sum over the others, divided by the number of all u. There, D labels a
    copy that is flipped or shifted, and counts as sure at 0.95 or more; labelled images are changed only in that way. The ten
    digits should be about equally frequent in u.
    """

    def build(self):
        """SGAN's parts."""
        super().build()
        self.shares = np.full(CLASSES, 1 / CLASSES, self.dtype)  # mean probabilities of the digits in u

    def minibatch(self, images, labels):
        """SGAN's, with more images and as many more fakes."""
        known, unknown = images[labels >= 0], images[labels < 0]
        digits, sure = readings(self.outputs(unknown), self.shares)
        learnt = distorted(np.concatenate([known, unknown[sure]]), self.rng)
        return super().minibatch(np.concatenate([learnt, unknown]),
                                 np.concatenate([labels[labels >= 0], digits[sure], labels[labels < 0]]))


def readings(y, shares):
    """The digits that a classifier reads in images, and where it is sure: outputs (n, 10) -> integers and booleans (n,).

    All digits are about equally frequent. So a digit that was read too often so far needs a higher probability to be read
    again (Berthelot et al. 2020, section 3.1). Otherwise two digits that look alike to the classifier would become one.
    shares: (10,), the mean probabilities of the digits so far; they are updated.
    """
    p = softmax(y).data
    shares[...] = MEMORY * shares + (1 - MEMORY) * p.mean(0)
    p = p / shares
    p /= p.sum(1, keepdims=True)
    return p.argmax(1), p.max(1) > SURE
