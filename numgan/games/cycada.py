"""CyCADA: a CycleGAN that keeps what an image shows, though only one of the two kinds has labels (Hoffman et al. 2018).

Read mixture.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..losses import softmax_cross_entropy
from ..network import evaluate
from ..optim import Adam
from ..resample import distorted
from .classes import CLASSES
from .cyclegan import CycleGAN
from .fixmatch import readings


@dataclass(kw_only=True, eq=False, repr=False)
class CyCADA(CycleGAN):
    """Semantic consistency: G(x) should show the digit that x shows, F(y) that of y. With CE for cross-entropy,

        L = CycleGAN's + semantic · (CE(f_Y(G(x)), p_X(x)) + CE(f_Y(F(y)), p_Y(y)) + CE(f_X(F(y)), p_Y(y)))

    f_Y, p_Y  `classifier`, which was trained with labelled y (eq. 1) and is no longer trained, and the digits that it reads
    f_X, p_X  `student`, which learns to read x without labels, and the digits that it reads. It learns from those x whose
              digit it is sure of (fixmatch.py). In place of every x that it is not sure of, it learns from an F(y), with the
              digit that f_Y reads in y (the paper uses the label of y). All are distorted first

    The first two terms are eq. 4, but in the paper f_Y reads x as well. The third is not in the paper: f_Y misreads
    handwriting, and so what it reads in F(y) need not be what others read there. The paper's second GAN, on features, is left
    out.

    cycle     λ; what F hides in F(y) makes the digit harder to read, so if λ is larger, semantic must be, too
    semantic  weight; it rises as λ does
    """

    cycle: float = 65.0
    semantic: float = 3.0

    def build(self):
        """CycleGAN's parts, the classifier, still untrained, and the student (92,834 parameters each with three channels)."""
        from ..metrics import network  # here, since most games do not read digits
        super().build()
        if not self.semantic >= 0:
            raise InputError(f"expected semantic >= 0, got {self.semantic!r}")
        self.classifier, self.student = (network(self.rng, self.dtype, self.channels) for _ in range(2))
        self.classifier.eval()
        self.student_optimizer = Adam(self.student.parameters())
        self.shares = np.full(CLASSES, 1 / CLASSES)  # mean probabilities of the digits in x
        self.looks.panels["semantic consistency"] = "semantic_x", "semantic_y", "student"

    def check(self, x, y):
        """CycleGAN's checks; and the classifier must have been trained for such images."""
        super().check(x, y)
        if min(len(x), len(y)) < 2:
            raise InputError("CyCADA.step: expected at least 2 images of each kind (the student's BatchNorm), "
                             f"got {len(x)} and {len(y)}")
        if self.classifier.input_shape != self.shape:
            raise InputError(f"CyCADA.step: expected images {self.classifier.input_shape} to classify, got {self.shape}")
        if not self.classifier.parameters()[-1].data.any():  # the last bias, 0 until it is trained
            raise InputError("CyCADA.step: expected the weights of a trained classifier in game.classifier, got random ones")

    def g_loss(self, x, y, fake_y, fake_x):
        """CycleGAN's, and semantic consistency. The student reads x, then learns, then judges F(y)."""
        loss, figures = super().g_loss(x, y, fake_y, fake_x)
        digits_y = self.read(self.classifier, y).argmax(1)
        digits_x, sure = readings(self.read(self.student, x), self.shares)
        others = len(x) - sure.sum()
        figures["student"] = self.teach(np.concatenate([x.data[sure], fake_x.data[:others]]),
                                        np.concatenate([digits_x[sure], digits_y[:others]]))
        with self.classifier.frozen(), self.student.frozen():
            figures["semantic_x"] = softmax_cross_entropy(self.classifier(fake_y), digits_x)
            figures["semantic_y"] = (softmax_cross_entropy(self.classifier(fake_x), digits_y)
                                     + softmax_cross_entropy(self.student(fake_x), digits_y))
        return loss + (figures["semantic_x"] + figures["semantic_y"]) * self.grown(self.semantic), figures

    def read(self, classifier, images):
        """The classifier's outputs, (n, 10)."""
        return evaluate(classifier, images.data)

    def teach(self, images, digits):
        """A step of the student; its loss."""
        loss = softmax_cross_entropy(self.student(distorted(images, self.rng)), digits)
        self.student_optimizer.minimize(loss)
        return loss
