"""The eight bugs that bug_museum.py shows.

Every bug is a subclass of one small DCGAN that overrides one method: what is in it is the bug, and its docstring says why it
is one. numgan refuses some of these bugs. Then `AsWritten` is the bug as it is usually written, which ends in an error, and the
class around it gets round the guard, so that there is something to see.
"""

from dataclasses import dataclass

from numgan import Adam, bce_with_logits, sigmoid
from numgan.games import DCGAN
from numgan.games.crossentropy import CrossEntropy
from numgan.games.minibatch import as_one_batch
from numgan.layers import BatchNorm, Conv2D, Dense, Flatten, LeakyReLU
from numgan.network import Sequential


@dataclass(kw_only=True, eq=False, repr=False)
class Healthy(DCGAN):
    """A small DCGAN with batch norm in D as well (as in Radford et al. 2016). All others are this game with one bug."""

    width: int = 12
    latent_dim: int = 32
    categories: int = 0
    average: float | None = None

    title, caught = "healthy", ""

    def build(self):
        super().build()
        width, shape = self.width, (self.size, self.size, 1)
        self.discriminator = Sequential(
            Conv2D(width, 5, strides=2), LeakyReLU(0.2), Conv2D(2 * width, 5, strides=2), BatchNorm(), LeakyReLU(0.2),
            Flatten(), Dense(1), input_shape=shape, rng=self.rng, dtype=self.dtype)
        self.losses = CrossEntropy()  # D minimises the sum of its two losses, -V, as in Goodfellow et al. 2014

    def step(self, images, labels=None):
        """One round of Algorithm 1, with the same fake images for both players."""
        batch = self.minibatch(images, labels)
        fake = self.generator(batch.z)
        return self.d_step(batch, fake.detach()) | self.g_step(batch, fake)


class NotDetached(Healthy):
    """D's loss is low where G is bad. Without detach, its gradient flows on into G, and if nobody clears it, it is added to
    that of G's own loss. For a fake with D(G(z)) = p, the two derivatives with respect to D's logit are p and p - 1. Their
    sum, 2p - 1, is 0 at p = 1/2: G's pull fades early, and D keeps ahead. Digits can still look fine. numgan frees a graph
    once backward has walked through it. To get round that, D's step here has a graph of its own, and G's step does not
    clear.
    """

    title, caught = "fake images not detached", "tests/test_graphs.py::test_a_second_backward_raises_an_error_that_teaches"

    class AsWritten(Healthy):
        def step(self, images, labels=None):
            batch = self.minibatch(images, labels)
            fake = self.generator(batch.z)
            return self.d_step(batch, fake) | self.g_step(batch, fake)  # the bug: no detach

    def step(self, images, labels=None):
        batch = self.minibatch(images, labels)
        for p in self.generator.parameters():
            p.grad = None
        figures = self.d_step(batch, self.generator(batch.z))  # the bug: no detach
        with self.discriminator.frozen():
            y_fake = self.discriminate(self.generator(batch.z))
        loss = self.losses.g_loss(y_fake, batch)
        loss.backward()  # adds to what D's step left
        self.g_optimizer.step()
        return figures | {"g_loss": loss.item()} | self.losses.g_figures(y_fake.data, batch)


class NotCleared(Healthy):
    """backward() adds to the gradients that are there. If nobody clears them, every step follows the sum of all gradients
    since the start, most of them from weights long gone. numgan's `minimize` clears first; here it is replaced.
    """

    title, caught = "gradients not cleared", "tests/test_optim.py::test_minimize_forgets_old_gradients"

    def __post_init__(self):
        super().__post_init__()
        for optimizer in self.g_optimizer, self.d_optimizer:
            optimizer.minimize = lambda loss, optimizer=optimizer: (loss.backward(), optimizer.step())  # the bug: no clearing


class FrozenStatistics(Healthy):
    """Training uses the statistics of each batch, sampling uses their running means, and these never moved from 0 and 1: a
    wrong momentum (in some libraries 0.99 is slow, in others 0.01), or statistics that were not saved with the weights. No
    step uses the running means, so the curves are those of the healthy run. Only samples show it. numgan refuses a momentum
    of 1; here it is set by hand.
    """

    title, caught = "batch statistics frozen", "tests/proof/games.py::statistics_move_once_per_step_and_never_in_eval"

    class AsWritten(Healthy):
        def build(self):
            super().build()
            BatchNorm(momentum=1.0)  # the bug: nothing new is ever taken in

    def build(self):
        super().build()
        for layer in self.generator.all_layers():
            if isinstance(layer, BatchNorm):
                layer.momentum = 1.0  # the bug: nothing new is ever taken in


class OneBatch(Healthy):
    """Real and fake images in one batch: batch norm's mean and variance mix both, so an image's score depends on the other
    images. In D's step, D soon tells the two halves apart by which side of the common mean they are on. In G's step the
    fakes are alone, their mean is their own, and the same D takes them to be real: G's loss is near 0, and nothing drives it
    to draw digits.
    """

    title, caught = "real and fake in one batch of D", "tests/proof/games.py::step_equals_complex_step"

    def d_outputs(self, real, fake):
        return as_one_batch(self.discriminate, real, fake)  # the bug: not two batches


class BothSmoothed(Healthy):
    """Labels 0.9 and 0.1 instead of 1 and 0. With the data's density p and G's q, the best D is (0.9 p + 0.1 q) / (p + q).
    Where p is near 0, D says 0.1, however large q is: G has no reason to leave (Salimans et al. 2016, section 3.4). In a
    short run there may be nothing to see.
    """

    title, caught = "labels smoothed on both sides", "tests/proof/game_mutants.py: CrossEntropy.d_loss"

    def build(self):
        super().build()
        self.losses.d_loss = lambda y_real, y_fake, batch: (
            bce_with_logits(y_real, 0.9) + bce_with_logits(y_fake, 0.1))  # the bug: 0.1


class TwoSigmoids(Healthy):
    """D ends in a sigmoid, and the loss takes its output for a logit: a second sigmoid. That of a number in [0, 1] lies in
    [0.5, 0.73], so D can call no image fake, and the gradient passes through two flat functions.
    """

    title, caught = "sigmoid twice", "tests/proof/games.py::step_equals_complex_step"

    def discriminate(self, images):
        return sigmoid(super().discriminate(images))  # the bug: the losses expect logits


class ZeroToOne(Healthy):
    """Real images in [0, 1] for a G that ends in tanh, whose range is [-1, 1]. What should be black is 0, grey. Shown as
    images in [-1, 1], the samples have half the contrast.
    """

    title, caught = "images in [0, 1], tanh in G", "tests/test_data.py::test_all_256_bytes_survive_the_way_to_images_and_back"

    def minibatch(self, images, labels):
        return super().minibatch((images + 1) / 2, labels)  # the bug: [0, 1]


class WrongParameters(Healthy):
    """D's optimiser was given G's parameters. D never learns, so G merely finds what an untrained D takes for real, while D's
    step pulls G the other way. numgan's optimisers refuse a parameter that no gradient has reached. To get round that, D's
    step here has a graph through G.
    """

    title, caught = "D's optimiser has G's parameters", "tests/test_optim.py::test_missing_gradient_is_named_and_nothing_moves"

    class AsWritten(Healthy):
        def __post_init__(self):
            super().__post_init__()
            self.d_optimizer = Adam(self.generator.parameters(), self.d_lr, beta1=self.beta1)  # the bug: not D's

    def __post_init__(self):
        super().__post_init__()
        self.d_optimizer = Adam(self.generator.parameters(), self.d_lr, beta1=self.beta1)  # the bug: not D's

    def step(self, images, labels=None):
        batch = self.minibatch(images, labels)
        figures = self.d_step(batch, self.generator(batch.z))
        return figures | self.g_step(batch, self.generator(batch.z))


BUGS = NotDetached, NotCleared, FrozenStatistics, OneBatch, BothSmoothed, TwoSigmoids, ZeroToOne, WrongParameters
