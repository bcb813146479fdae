"""ACGAN: a generator that draws the class it is asked for, and a discriminator that also recognises classes.

Odena, Olah & Shlens 2017. Read sgan.py next.
"""

from dataclasses import dataclass

from ..losses import softmax_cross_entropy
from .classes import CLASSES, ClassCodes, ClassRows, asked
from .crossentropy import CrossEntropy
from .dcgan import ConvolutionalGAN
from .minibatch import check_labels


class SourceAndClass(CrossEntropy):
    """D has 1 + 10 outputs: the logit of "real", and a logit for each class.

    With S the source (real or fake), C the class and c the class asked for (Odena, Olah & Shlens 2017, eq. 2 and 3):

        L_S = E[ln P(S = real | x)] + E[ln P(S = fake | G(c, z))]
        L_C = E[ln P(C = label | x)] + E[ln P(C = c | G(c, z))]

    D maximises L_S + L_C, G maximises L_C - L_S; here G's part of L_S is non-saturating by default, and D's loss is halved.
    """

    def d_loss(self, y_real, y_fake, batch):
        """-(L_S + L_C) / 2, if real_label is 1."""
        real_class = softmax_cross_entropy(y_real[:, 1:], batch.labels)
        fake_class = softmax_cross_entropy(y_fake[:, 1:], asked(batch.z))
        return super().d_loss(y_real[:, :1], y_fake[:, :1], batch) + (real_class + fake_class) * 0.5

    def g_loss(self, y_fake, batch):
        """CrossEntropy's, and -L_C on fake images."""
        return super().g_loss(y_fake[:, :1], batch) + softmax_cross_entropy(y_fake[:, 1:], asked(batch.z))

    def score(self, y):
        """P(S = real)."""
        return super().score(y[:, 0])

    def d_figures(self, y_real, y_fake, batch):
        """The figures of the source, and the shares of real and of fake images whose class D recognises."""
        right = {f"class_accuracy_{side}": float((y[:, 1:].argmax(1) == labels).mean())
                 for side, y, labels in (("real", y_real, batch.labels), ("fake", y_fake, asked(batch.z)))}
        return super().d_figures(y_real, y_fake, batch) | right


@dataclass(kw_only=True, eq=False, repr=False)
class ACGAN(ClassCodes, ConvolutionalGAN):
    """DCGAN's networks, with classes.

    objective and real_label are as in CrossEntropy. The recipe is its own: dropout, normal z, no average, and one learning
    rate for both players.
    """

    objective: str = "non-saturating"
    real_label: float = 1.0
    dropout: float = 0.3
    categories: int = 0
    average: float | None = None

    rates = 5e-4, 5e-4

    def build(self):
        """Make the networks, losses and looks."""
        self.build_networks(outputs=1 + CLASSES)
        self.losses = SourceAndClass(self.objective, self.real_label, weight=0.5)
        self.looks = ClassRows(accuracies=("class_accuracy_real", "class_accuracy_fake"))

    def check(self, images, labels=None):
        """ConvolutionalGAN's checks, and a class 0 … 9 for each image."""
        super().check(images, labels)
        check_labels(labels, images, 0, f"{type(self).__name__}.step")

    def classify(self, images):
        """The class that D assigns to each image: float32 (n, H, W, C) in [-1, 1] -> integers (n,)."""
        return self.outputs(images)[:, 1:].argmax(1)
