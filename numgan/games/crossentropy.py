"""Goodfellow's losses, and the figures logged for a D that scores how real an image is.

Read minibatch.py next, for what a step uses.
"""

import numpy as np

from ..errors import InputError
from ..losses import bce_with_logits
from ..ops import logistic
from ..tensor import Tensor


class Scored:
    """Losses of a game whose D gives every image a score: near 1 for real, near 0 for fake.

    A subclass defines d_loss, g_loss and score, and `undecided`: D's optimal output where it cannot tell real from fake.

    real_label  the score that D is trained towards for real images
    """

    real_label = 1.0

    def d_figures(self, y_real, y_fake, batch):
        """From D's outputs in its step (arrays): mean scores D(x), D(G(z)); shares of real and fake images judged correctly."""
        score_real, score_fake = self.score(y_real), self.score(y_fake)
        right_real, right_fake = float((score_real > 0.5).mean()), float((score_fake <= 0.5).mean())
        return {"d_real": float(score_real.mean()), "d_fake": float(score_fake.mean()),
                "d_accuracy": (right_real + right_fake) / 2, "d_accuracy_real": right_real, "d_accuracy_fake": right_fake}

    def g_figures(self, y_fake, batch):
        """From D's outputs in G's step: the share of fake images that D takes to be real ("G accuracy")."""
        return {"g_accuracy": float((self.score(y_fake) > 0.5).mean())}

    def equilibrium(self):
        """Both losses where D cannot tell real from fake: reference lines of the plots."""
        y = Tensor(np.full((1, 1), self.undecided))
        return {"d_loss": self.d_loss(y, y, None).item(), "g_loss": self.g_loss(y, None).item()}


class CrossEntropy(Scored):
    """-V for D, and one of two objectives for G, from logits (n, 1).

    objective   "non-saturating" (G maximises ln D(G(z))) or "saturating" (G minimises ln(1 - D(G(z))), as in eq. 1)
    real_label  D's target for real images, in (0.5, 1]; below 1 is one-sided label smoothing (Salimans et al. 2016, 3.4)
    weight      factor of D's loss: 1 for the sum of its two parts, 0.5 for their mean

    Where real and fake images are equally frequent, D with real_label r minimises -r ln D - (1 - r) ln(1 - D) - ln(1 - D). Its
    slope, -r / D + (2 - r) / (1 - D), is 0 at D = r / 2.
    """

    def __init__(self, objective="non-saturating", real_label=1.0, weight=1):
        if objective not in ("non-saturating", "saturating"):
            raise InputError(f"expected objective non-saturating or saturating, got {objective!r}")
        check_real_label(real_label)
        self.objective, self.real_label, self.weight = objective, real_label, weight
        self.undecided = np.log(real_label / (2 - real_label))  # the logit of r / 2, see above

    def d_loss(self, y_real, y_fake, batch):
        """What D minimises: -V times `weight`, if real_label is 1."""
        return (bce_with_logits(y_real, self.real_label) + bce_with_logits(y_fake, 0)) * self.weight

    def g_loss(self, y_fake, batch):
        """What G minimises.

        With p = D(G(z)) for each of n images, dL/d(logit) is -p / n for the saturating objective and (p - 1) / n for the
        other. While D recognises every fake, p is near 0: the first gradient vanishes, the second is near its largest.
        """
        if self.objective == "saturating":
            return -bce_with_logits(y_fake, 0)  # the part of V that depends on G
        return bce_with_logits(y_fake, 1)  # Goodfellow et al. 2014, section 3: same fixed point, stronger gradient

    def score(self, y):
        """D(x) = sigmoid(y). Above 0.5, D takes the image to be real."""
        return logistic(y)


def check_real_label(real_label):
    """InputError unless real_label lies in (0.5, 1]."""
    if not 0.5 < real_label <= 1:
        raise InputError(f"expected 0.5 < real_label <= 1, got {real_label}")
