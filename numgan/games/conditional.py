"""Conditional SGAN: a few labels are enough to train a generator that draws the digit it is asked for.

D is FixMatch's (fixmatch.py), codes are ACGAN's (classes.py), and G's loss is that of AM-GAN (Zhou et al. 2018).
Read began.py next.
"""

from dataclasses import dataclass

from ..losses import softmax_cross_entropy
from .classes import ClassCodes, ClassRows, asked
from .fixmatch import FixMatchSGAN
from .sgan import ClassesAndFake


class ClassAsked(ClassesAndFake):
    """D's loss is SGAN's. D chooses among K classes of real images and "fake"; G wants it to choose the class c asked for:

        L_G = -E[ln p(c | G(c, z))] = -E[ln D(G(c, z))] - E[ln p(c | G(c, z), real)]

    The first p is one of K + 1 probabilities, which add up to 1. It is D(x), the probability of "real", times that of c among
    the K classes alone.
    """

    def g_loss(self, y_fake, batch):
        """L_G."""
        return super().g_loss(y_fake, batch) + softmax_cross_entropy(y_fake, asked(batch.z))

    def d_figures(self, y_real, y_fake, batch):
        """SGAN's, and the share of fakes whose likeliest class, "fake" left aside, is the one asked for."""
        right = y_fake.argmax(1) == asked(batch.z)
        return super().d_figures(y_real, y_fake, batch) | {"class_accuracy_fake": float(right.mean())}


@dataclass(kw_only=True, eq=False, repr=False)
class ConditionalSGAN(ClassCodes, FixMatchSGAN):
    """An SGAN with FixMatch, whose codes ask for a class. D learns the classes from a few labels, and G learns them from D.

    Feature matching is not offered: it compares the means over all fakes and all real images, which do not tell G what was
    asked for.
    """

    objective: str = "non-saturating"
    average: float | None = 0.999

    objectives = ("non-saturating",)

    def build(self):
        """FixMatch's parts, with losses and looks that know the class asked for."""
        super().build()
        self.losses = ClassAsked(real_label=self.real_label)
        self.looks = ClassRows(accuracies=("class_accuracy", "class_accuracy_fake"))
