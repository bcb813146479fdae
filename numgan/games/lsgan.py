"""LSGAN: least squares instead of cross-entropy (Mao et al. 2017)."""

from ..errors import InputError
from ..losses import l2
from .dcgan import DCGAN


class LSGAN(DCGAN):
    """D regresses 1 for real and 0 for fake images; G wants D to say 1. No sigmoid, so no saturation: a fake far on the
    right side of the boundary is still pulled towards it (Mao et al. 2017, section 3.2). On DCGAN's networks.

    real_label is D's target for real images; there is one objective, the default.
    """

    undecided = 0.5

    def __init__(self, *, objective="non-saturating", **options):
        if objective != "non-saturating":
            raise InputError(f"LSGAN: expected no objective, since least squares is its only one, got {objective!r}")
        super().__init__(objective=objective, **options)

    def d_loss(self, real, fake):
        """mean (D(x) - 1)² + mean D(G(z))²  (eq. 9, a = 0, b = 1, without its factor ½)."""
        return l2(real, self.real_label) + l2(fake, 0)

    def g_loss(self, fake):
        """mean (D(G(z)) - 1)²  (eq. 9, c = 1)."""
        return l2(fake, 1)

    def score(self, logits):
        """D's output is itself an estimate of "real": 1 is real, 0 is fake."""
        return logits
