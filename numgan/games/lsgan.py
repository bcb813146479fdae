"""LSGAN: least squares instead of cross-entropy (Mao et al. 2017)."""

from ..losses import l2
from .dcgan import DCGAN


class LeastSquares:
    """The rules of LSGAN, for any networks: D regresses 1 for real and 0 for fake images; G wants D to say 1.

    No sigmoid, so no saturation: a fake far on the right side of the boundary is still pulled towards it (Mao et al. 2017,
    section 3.2). real_label is D's target for real images.
    """

    objectives = ("non-saturating",)  # a name only: there is but one

    def d_loss(self, real, fake, minibatch=None):
        """mean (D(x) - 1)² + mean D(G(z))²  (eq. 9, a = 0, b = 1, without its factor ½)."""
        return l2(real, self.real_label) + l2(fake, 0)

    def g_loss(self, fake, minibatch=None):
        """mean (D(G(z)) - 1)²  (eq. 9, c = 1)."""
        return l2(fake, 1)

    def undecided(self):
        """D's best output where real and generated images are alike: half-way between its two targets."""
        return self.settings["real_label"] / 2

    def score(self, logits):
        """D's output is itself an estimate of "real": 1 is real, 0 is fake."""
        return logits


class LSGAN(LeastSquares, DCGAN):
    """Least squares on DCGAN's networks."""
