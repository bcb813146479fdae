"""Semi-supervised GAN: a classifier that learns from few labelled images, many unlabelled ones, and fakes (Odena 2016).

Read fixmatch.py next.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..layers import BatchNorm, Dense, Flatten, GaussianNoise, ReLU, Reshape, Sigmoid
from ..losses import l2, softmax_cross_entropy
from ..network import Sequential, through
from ..ops import exp, log
from ..tensor import Tensor, no_grad
from .classes import CLASSES
from .crossentropy import CrossEntropy
from .images import ImageGAN, square_shape
from .looks import ClassReader
from .minibatch import PixelRange, check_labels, split


class ClassesAndFake(CrossEntropy):
    """D distinguishes K = 10 digits and "fake", in the form of Salimans et al. 2016, section 5.

    D outputs a logit l_k for each digit; the logit of "fake" is 0. (Adding a number to all logits does not change a softmax,
    so one of them can be fixed.) Then D(x) = Z / (Z + 1) with Z = Σ exp l_k: ln Z is the logit of "real", and

        L_D = -E[ln p(label | x, real)] over labelled images - E[ln D(x)] over unlabelled ones - E[ln(1 - D(G(z)))].
    """

    def source(self, y):
        """ln Z, (n, 10) -> (n, 1). The largest output is subtracted first, so that no exponential overflows."""
        largest = y.data.max(1, keepdims=True)
        return log(exp(y - largest).sum(1, keepdims=True)) + largest

    def d_loss(self, y_real, y_fake, batch):
        """L_D."""
        known, unknown = (np.flatnonzero(which) for which in (batch.labels >= 0, batch.labels < 0))
        supervised = softmax_cross_entropy(y_real[known], batch.labels[known])
        return supervised + super().d_loss(self.source(y_real[unknown]), self.source(y_fake), batch)

    def g_loss(self, y_fake, batch):
        """-E[ln D(G(z))]."""
        return super().g_loss(self.source(y_fake), batch)

    def score(self, y):
        """D(x) = Z / (Z + 1)."""
        return super().score(self.source(Tensor(y)).data)

    def d_figures(self, y_real, y_fake, batch):
        """The scores' figures for unlabelled and fake images, and D's accuracy on labelled images, before its step."""
        known = batch.labels >= 0
        right = y_real[known].argmax(1) == batch.labels[known]
        return super().d_figures(y_real[~known], y_fake, batch) | {"class_accuracy": float(right.mean())}


@dataclass(kw_only=True, eq=False, repr=False)
class SGAN(ImageGAN):
    """D is the classifier. G has one of two objectives:

    objective   "feature matching": the mean of D's last hidden layer on fake images is to match that on real ones (Salimans
                et al. 2016, section 3.1); or "non-saturating", as in CrossEntropy
    real_label  as in CrossEntropy
    width       sets the layers' sizes. At 500 they are those of Salimans et al. for MNIST: D 1000-500-250-250-250 with
                Gaussian noise on every layer's input, G 500-500 (theirs have weight norm, softplus in G and uniform z).
                Networks half as wide learn as much per step, in half the time
    """

    width: int = 256
    lr: float = 2e-3
    lr_steps: float | None = 6000
    objective: str = "feature matching"
    real_label: float = 1.0

    batch_size = 128  # half of them labelled
    pixels = PixelRange(0, 1)
    objectives = "feature matching", "non-saturating"

    def build(self):
        """Make the networks, losses and looks."""
        if self.objective not in self.objectives:
            raise InputError(f"expected objective {' or '.join(self.objectives)}, got {self.objective!r}")
        shape, width = square_shape(self.size, self.channels, 1), self.width
        hidden = [2 * width, width, width // 2, width // 2, width // 2]
        discriminator = [Flatten(), GaussianNoise(0.3)]
        for units in hidden:
            discriminator += [Dense(units), ReLU(), GaussianNoise(0.5)]
        generator = [Dense(width), BatchNorm(), ReLU(), Dense(width), BatchNorm(), ReLU(),
                     Dense(math.prod(shape)), Sigmoid(), Reshape(*shape)]
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = Sequential(*generator, input_shape=(self.code_dim,), **made)
        self.discriminator = Sequential(*discriminator, Dense(CLASSES), input_shape=shape, **made)
        self.losses = ClassesAndFake(real_label=self.real_label)
        self.looks = ClassReader(accuracies=("class_accuracy",))

    def check(self, images, labels=None):
        """GAN's checks, and both labelled and unlabelled images for each step of D."""
        super().check(images, labels)
        check_labels(labels, images, -1, f"{type(self).__name__}.step")
        for _, mine in split(images, labels, self.d_steps):
            if not ((mine >= 0).any() and (mine < 0).any()):
                raise InputError(f"{type(self).__name__}.step: expected labelled and unlabelled (-1) images in each step of D, "
                                 f"got {(mine >= 0).sum()} and {(mine < 0).sum()}")

    def g_step(self, batch, fake):
        """With feature matching, G minimises mean (E f(G(z)) - E f(x))²: f is `features`, and x are the unlabelled images."""
        if self.objective == "non-saturating":
            return super().g_step(batch, fake)
        with self.discriminator.frozen():  # as in GAN.g_step
            with no_grad():
                wanted = self.features(batch.real[batch.labels < 0]).mean(0)
            features = self.features(fake)
            y_fake = self.discriminator.stack[-1](features)
        loss = l2(features.mean(0), wanted)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item()} | self.losses.g_figures(y_fake.data, batch)

    def features(self, images):
        """D's last hidden layer, with its noise, (n, H, W, C) -> (n, d)."""
        return through(self.discriminator.stack[:-1], images)

    def supervised_step(self, images, labels):
        """A step of D as a plain classifier of labelled images (N, H, W, C) in [-1, 1]: the baseline for the game."""
        loss = softmax_cross_entropy(self.discriminate(Tensor(self.pixels.inward(images.astype(self.dtype)))), labels)
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item()}

    def classify(self, images):
        """The digit that D assigns to each image: float32 (n, H, W, C) in [-1, 1] -> integers (n,)."""
        return self.outputs(images).argmax(1)
