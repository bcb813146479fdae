"""LSGAN: least squares instead of cross-entropy (Mao et al. 2017). Read classes.py next."""

from dataclasses import dataclass

from ..losses import l2
from .crossentropy import Scored, check_real_label
from .dcgan import ConvolutionalGAN
from .looks import Samples


class LeastSquares(Scored):
    """D learns to output 1 for real and 0 for fake images; G learns to make D output 1.

    No sigmoid, so no saturation: a fake far on the real side of D's boundary is still pulled towards it (Mao et al.
    2017, section 3.2). real_label, in (0.5, 1], is D's target for real images.
    """

    def __init__(self, real_label=1.0):
        check_real_label(real_label)
        self.real_label = real_label
        self.undecided = real_label / 2  # where real and fake are alike: half-way between D's two targets

    def d_loss(self, y_real, y_fake, batch):
        """mean (D(x) - 1)² + mean D(G(z))²  (eq. 9, a = 0, b = 1, without its factor ½)."""
        return l2(y_real, self.real_label) + l2(y_fake, 0)

    def g_loss(self, y_fake, batch):
        """mean (D(G(z)) - 1)²  (eq. 9, c = 1)."""
        return l2(y_fake, 1)

    def score(self, y):
        """D's output itself: near 1 for real, near 0 for fake, but not confined to [0, 1]."""
        return y


@dataclass(kw_only=True, eq=False, repr=False)
class LSGAN(ConvolutionalGAN):
    """DCGAN's networks and least squares. With 20 categories, fewer 5s are drawn than with 30."""

    categories: int = 30
    real_label: float = 1.0

    def build(self):
        """Make the networks, losses and looks."""
        self.build_networks()
        self.losses = LeastSquares(self.real_label)
        self.looks = Samples(references=self.losses.equilibrium())
