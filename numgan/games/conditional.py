"""Conditional SGAN: after a few labels, a generator that draws the digit it is asked for.

The discriminator of Odena 2016 (sgan.py) with the codes of Odena, Olah & Shlens 2017 (acgan.py). Read began.py next.
"""

from dataclasses import dataclass

from ..losses import softmax_cross_entropy
from .classes import ClassCodes, ClassRows, asked
from .fixmatch import FixMatchSGAN
from .sgan import ClassesAndFake


class ClassAsked(ClassesAndFake):
    """D's loss is SGAN's. D chooses among K classes of real images and "fake"; G wants it to choose the class c asked for:

        L_G = -E[ln p(c | G(c, z))] = -E[ln D(G(c, z))] - E[ln p(c | G(c, z), real)]
    """

    def g_loss(self, y_fake, batch):
        """L_G."""
        return super().g_loss(y_fake, batch) + softmax_cross_entropy(y_fake, asked(batch.z))

    def d_figures(self, y_real, y_fake, batch):
        """SGAN's, and the share of fakes in which D sees the class asked for, if it has to choose one."""
        right = y_fake.argmax(1) == asked(batch.z)
        return super().d_figures(y_real, y_fake, batch) | {"class_accuracy_fake": float(right.mean())}


@dataclass(kw_only=True, eq=False, repr=False)
class ConditionalSGAN(ClassCodes, FixMatchSGAN):
    """An SGAN with FixMatch, whose codes ask for a class. D learns the classes from a few labels, and G learns them from D.

    There is no feature matching: it compares the mean of all fakes with that of all real images, whatever was asked for.
    """

    objective: str = "non-saturating"
    average: float | None = 0.999

    objectives = ("non-saturating",)

    def build(self):
        """FixMatch's parts, with losses and looks that know the class asked for."""
        super().build()
        self.losses = ClassAsked(real_label=self.real_label)
        self.looks = ClassRows(columns=10, accuracies=("class_accuracy", "class_accuracy_fake"))
