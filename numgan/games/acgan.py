"""ACGAN: a generator that draws what it is asked for, and a discriminator that also says what it sees (Odena et al. 2017)."""

import numpy as np

from ..losses import softmax_cross_entropy
from .dcgan import DCGAN


class ACGAN(DCGAN):
    """On DCGAN's networks: a code is z followed by the class, one-hot; D has 1 + 10 outputs, real or fake and the class.

    With S the source (real or fake), C the class and c the class asked for (Odena, Olah & Shlens 2017, eq. 2 and 3):

        L_S = E[ln P(S = real | x)] + E[ln P(S = fake | G(c, z))]
        L_C = E[ln P(C = label | x)] + E[ln P(C = c | G(c, z))]

    D maximises L_S + L_C, G maximises L_C - L_S (here in DCGAN's form: non-saturating by default, means instead of sums).
    """

    classes = 10
    labelled = True
    sheet_columns = 10
    panels = DCGAN.panels | {"accuracy of the class": ("class_accuracy_real", "class_accuracy_fake")}

    def latent(self, n, rng=None):
        """Codes with random classes, (n, latent_dim + 10)."""
        rng = rng or self.rng
        return self.asking(super().latent(n, rng), rng.integers(0, self.classes, n))

    def asking(self, z, labels):
        """The codes that ask for these classes: (n, latent_dim) and integers (n,) -> (n, latent_dim + 10)."""
        return np.concatenate([z, np.eye(self.classes, dtype=self.dtype)[labels]], 1)

    def asked(self, codes):
        """The classes that the codes ask for, integers (n,)."""
        return codes[:, -self.classes:].argmax(1)

    def sheet_latent(self, rng):
        """A row for each class, a column for each z."""
        z = super().latent(10, rng)
        return self.asking(np.tile(z, (self.classes, 1)), np.repeat(np.arange(self.classes), len(z)))

    def d_loss(self, real, fake, minibatch):
        """-(L_S + L_C) / 2."""
        real_class = softmax_cross_entropy(real[:, 1:], minibatch.labels)
        fake_class = softmax_cross_entropy(fake[:, 1:], self.asked(minibatch.z))
        return super().d_loss(real[:, :1], fake[:, :1]) + (real_class + fake_class) * 0.5

    def g_loss(self, fake, minibatch):
        """DCGAN's, and -L_C on generated images."""
        return super().g_loss(fake[:, :1]) + softmax_cross_entropy(fake[:, 1:], self.asked(minibatch.z))

    def score(self, outputs):
        """P(S = real)."""
        return super().score(outputs[:, 0])

    def d_report(self, real, fake, minibatch):
        """DCGAN's, and the shares of real and of generated images whose class D tells."""
        right = {f"class_accuracy_{side}": float((outputs[:, 1:].argmax(1) == labels).mean())
                 for side, outputs, labels in (("real", real, minibatch.labels), ("fake", fake, self.asked(minibatch.z)))}
        return super().d_report(real, fake, minibatch) | right

    def classify(self, images):
        """The class that D sees in each image, float32 (n, 28, 28, 1) in [-1, 1] -> integers (n,)."""
        return self.judgement(images)[:, 1:].argmax(1)

    def equilibrium(self):
        """No reference lines: the losses contain those of the class, which fall as far as they can."""
        return {}
