"""Semi-supervised GAN: a classifier that learns from a few labels, many unlabelled images, and from fakes (Odena 2016)."""

import numpy as np

from ..errors import InputError
from ..layers import BatchNorm, Dense, Flatten, GaussianNoise, ReLU, Reshape, Sigmoid
from ..losses import l2, softmax_cross_entropy
from ..network import Sequential
from ..ops import exp, log
from ..tensor import Tensor, no_grad
from .gan import GAN


class SGAN(GAN):
    """D tells K = 10 digits and "fake" apart, in the form of Salimans et al. 2016, section 5.

    D has an output l_k for each digit, and 0 stands for "fake" (a softmax does not change when a number is added to all its
    logits, so one can be fixed). Then D(x) = Z / (Z + 1) with Z = Σ exp l_k: ln Z is the logit of "real", and

        L_D = -E[ln p(label | x, real)] over labelled images - E[ln D(x)] over unlabelled ones - E[ln(1 - D(G(z)))].

    objective: "feature matching" (the default; G matches the mean of D's last hidden layer on real images, section 3.1) or
    "non-saturating". The layers' sizes are, at width 500, those of Salimans et al. for MNIST: D 1000-500-250-250-250 with
    Gaussian noise on every layer's input, G 500-500; theirs have weight normalisation in D and softplus in G. Half as wide they
    learn as much per step, in half the time.
    """

    batch = 128  # half of them labelled
    pixels = (0, 1)
    shares_z = False
    labelled = True
    objectives = ("feature matching", "non-saturating")
    panels = GAN.panels | {"accuracy of the class": ("class_accuracy",)}

    def __init__(self, *, size=28, width=256, latent_dim=100, lr=2e-3, lr_steps=6000, **options):
        self.latent_dim = latent_dim
        super().__init__(size=size, width=width, latent_dim=latent_dim, lr=lr, lr_steps=lr_steps, **options)

    def networks(self, size, width, latent_dim):
        """G and D, for size × size × 1 images."""
        hidden = [2 * width, width, width // 2, width // 2, width // 2]
        discriminator = [Flatten(), GaussianNoise(0.3)]
        for units in hidden:
            discriminator += [Dense(units), ReLU(), GaussianNoise(0.5)]
        generator = [Dense(width), BatchNorm(), ReLU(), Dense(width), BatchNorm(), ReLU(),
                     Dense(size * size), Sigmoid(), Reshape(size, size, 1)]
        return (Sequential(*generator, input_shape=(latent_dim,), rng=self.rng, dtype=self.dtype),
                Sequential(*discriminator, Dense(10), input_shape=(size, size, 1), rng=self.rng, dtype=self.dtype))

    def source(self, outputs):
        """ln Z, the logit of "real", (n, 10) -> (n, 1). The largest output is subtracted first: no exponential overflows."""
        largest = outputs.data.max(1, keepdims=True)
        return log(exp(outputs - largest).sum(1, keepdims=True)) + largest

    def d_loss(self, real, fake, minibatch):
        """L_D."""
        known, unknown = (np.flatnonzero(which) for which in (minibatch.labels >= 0, minibatch.labels < 0))
        if not (len(known) and len(unknown)):
            raise InputError(f"SGAN.step: expected labelled and unlabelled (-1) images, got {len(known)} and {len(unknown)}")
        supervised = softmax_cross_entropy(real[known], minibatch.labels[known])
        return supervised + super().d_loss(self.source(real[unknown]), self.source(fake))

    def g_loss(self, fake, minibatch=None):
        """-E[ln D(G(z))]."""
        return super().g_loss(self.source(fake))

    def features(self, images):
        """D's last hidden layer, with its noise, (n, 28, 28, 1) -> (n, d)."""
        for layer in self.discriminator.stack[:-1]:
            images = layer(images)
        return images

    def g_step(self, fake, minibatch):
        """With feature matching, G minimises mean (E f(G(z)) - E f(x))², the images x being the unlabelled ones."""
        if self.objective != "feature matching":
            return super().g_step(fake, minibatch)
        with self.discriminator.frozen():
            with no_grad():
                wanted = self.features(minibatch.real[minibatch.labels < 0]).data.mean(0)
            features = self.features(fake)
            outputs = self.discriminator.stack[-1](features)
        loss = l2(features.mean(0), wanted)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item()} | self.g_report(outputs.data, minibatch)

    def supervised_step(self, batch, labels):
        """A step of D as a mere classifier of labelled images (N, H, W, 1) in [-1, 1]: what the game is compared with."""
        self.d_optimizer.lr = self.lr_at(int(self.d_optimizer.t))
        loss = softmax_cross_entropy(self.judge(Tensor((batch + 1) / 2)), labels)
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item()}

    def score(self, outputs):
        """D(x) = Z / (Z + 1)."""
        return super().score(self.source(Tensor(outputs)).data)

    def d_report(self, real, fake, minibatch):
        """GAN's, and the share of labelled images that D reads rightly, before its step."""
        known = minibatch.labels >= 0
        right = real[known].argmax(1) == minibatch.labels[known]
        return super().d_report(real[~known], fake, minibatch) | {"class_accuracy": float(right.mean())}

    def classify(self, images):
        """The digit that D reads in each image, float32 (n, 28, 28, 1) in [-1, 1] -> integers (n,)."""
        return self.judgement(images).argmax(1)

    def equilibrium(self):
        """No reference lines: the losses contain those of the class, which fall as far as they can."""
        return {}
