"""CycleGAN: images of one kind become images of another, learnt without pairs (Zhu et al. 2017).

Read cycada.py next: the same, but what an image shows must be kept.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, check_positive
from ..layers import BatchNorm, Conv2D, GaussianNoise, LeakyReLU, ReLU, ResizeConv2D, Tanh
from ..losses import l1, l2
from ..network import Sequential, evaluate
from ..optim import Adam, LinearDecay
from ..residual import Residual
from ..tensor import Tensor
from .game import Game
from .images import square_shape
from .looks import Looks
from .minibatch import PixelRange, check_images

REMEMBERED = 50  # fakes of each kind


class Cycles(Looks):
    """A sheet of six rows: x, G(x), F(G(x)); y, F(y), G(F(y))."""

    def sheet(self, game, inputs, examples):
        """A column for each x and y."""
        x, y = examples(self.columns)
        return np.concatenate([x, *game.there_and_back(x), y, *game.there_and_back(y, back=True)])


class Fakes:
    """A buffer of fakes, so that a discriminator does not forget what the generators drew before (section 4).

    rng decides what it gives back; its state is `images` and how many of them are `filled`.
    """

    def __init__(self, shape, rng, dtype):
        self.images, self.filled, self.rng = np.zeros((REMEMBERED, *shape), dtype), np.zeros((), np.int64), rng

    def exchanged(self, fakes):
        """The given fakes; once the buffer is full, about half are swapped for older ones (Shrivastava et al. 2017, 2.3)."""
        shown = fakes.copy()
        for i, fake in enumerate(fakes):
            if self.filled < REMEMBERED:
                self.images[self.filled] = fake
                self.filled += 1
            elif self.rng.random() < 0.5:
                old = self.rng.integers(REMEMBERED)
                shown[i], self.images[old] = self.images[old], fake
        return shown

    def state(self):
        """Name -> array (no copy)."""
        return {"images": self.images, "filled": self.filled}


@dataclass(kw_only=True, eq=False, repr=False)
class CycleGAN(Game):
    """G turns images x into images such as y, F turns y into x; D_Y and D_X tell fakes from real ones. Figure 3 of the paper:

        x -> G(x) -> F(G(x)) ≈ x,  y -> F(y) -> G(F(y)) ≈ y,  while D_Y judges G(x), and D_X judges F(y)

        L_GAN(G, D_Y) = E[(D_Y(y) - 1)²] + E[D_Y(G(x))²], which D_Y minimises, and likewise D_X  (section 4)
        L_cyc = E|F(G(x)) - x| + E|G(F(y)) - y|                                                          (eq. 2)
        G and F minimise E[(D_Y(G(x)) - 1)²] + E[(D_X(F(y)) - 1)²] + λ L_cyc                             (eq. 3)

    size      height and width of all images, a multiple of 4
    channels  of all images, 1 or 3: those of x and of y must be alike
    width     channels in the first layer of G and F, half as many as in D's
    blocks    residual blocks in G and F
    cycle     λ; 10 in the paper. F hides y in F(y), invisibly, so that G can restore it (Chu et al. 2017). The larger λ is,
              the more F hides
    identity  weight of E|G(y) - y| + E|F(x) - x|, times λ: what is already of the other kind should stay as it is (section 5.2)
    warm_up   λ rises from a tenth to its full value over this many steps: early on, G could please L_cyc by changing nothing
    noise     standard deviation, > 0, of the noise added to everything D_X and D_Y see (Sønderby et al. 2017)
    lr, beta1, lr_steps, lr_hold: as in GAN, for all four networks
    """

    size: int = 28
    channels: int = 3
    width: int = 16
    blocks: int = 4
    cycle: float = 40.0
    identity: float = 0.0
    warm_up: int = 0
    noise: float = 0.3
    lr: float = 1e-3
    beta1: float = 0.5
    lr_steps: float | None = None
    lr_hold: float = 0.5

    batch_size = 8

    def build(self):
        """Make the networks (G and F 344,739 parameters each by default, D_X and D_Y 167,841 each), optimisers and looks.

        F(G(x)) and G(F(y)) are made by twins of F and G, see `twin`.
        """
        self.shape = square_shape(self.size, self.channels, 4)  # G's smallest layer has one position for every 4 × 4 pixels
        check_positive("networks", width=self.width, blocks=self.blocks)
        for name in ("cycle", "identity", "warm_up"):
            if not getattr(self, name) >= 0:
                raise InputError(f"expected {name} >= 0, got {getattr(self, name)!r}")
        self.g, self.f, self.d_y, self.d_x = self.translator(), self.translator(), self.judge(), self.judge()
        self.g_again, self.f_again = (twin(network) for network in (self.g, self.f))
        rate = self.lr if self.lr_steps is None else LinearDecay(self.lr, self.lr_steps, hold=self.lr_hold)
        self.g_optimizer = Adam(self.g.parameters() + self.f.parameters(), rate, beta1=self.beta1)
        self.d_optimizer = Adam(self.d_y.parameters() + self.d_x.parameters(), rate, beta1=self.beta1)
        self.fakes_y, self.fakes_x = (Fakes(self.shape, self.rng, self.dtype) for _ in range(2))
        self.last_step = self.lr_steps
        self.looks = Cycles(panels={"L_GAN": ("d_loss", "g_loss"), "cycle error": ("cycle_x", "cycle_y")}, columns=10,
                            progress={"loss D": "d_loss", "G": "g_loss", "cycle x": "cycle_x", "y": "cycle_y"})

    def translator(self):
        """G or F: an encoder, residual blocks, a decoder. With batch norm: the paper's instance norm removes colours."""
        width = self.width
        unit = lambda layer, *sizes, **options: (layer(*sizes, use_bias=False, **options), BatchNorm(), ReLU())
        blocks = [Residual(*unit(Conv2D, 4 * width, 3), *unit(Conv2D, 4 * width, 3)[:2]) for _ in range(self.blocks)]
        return Sequential(
            *unit(Conv2D, width, 5), *unit(Conv2D, 2 * width, 3, strides=2), *unit(Conv2D, 4 * width, 3, strides=2), *blocks,
            *unit(ResizeConv2D, 2 * width, 3), *unit(ResizeConv2D, width, 3), Conv2D(self.channels, 5), Tanh(),
            input_shape=self.shape, rng=self.rng, dtype=self.dtype)

    def judge(self):
        """D_X or D_Y, a PatchGAN (Isola et al. 2017): (size, size, C) -> (size / 4, size / 4, 1), each from 34 × 34 pixels."""
        width = 2 * self.width
        unit = lambda *sizes, **options: (Conv2D(*sizes, use_bias=False, **options), BatchNorm(), LeakyReLU(0.2))
        return Sequential(
            GaussianNoise(self.noise), Conv2D(width, 4, strides=2), LeakyReLU(0.2), *unit(2 * width, 4, strides=2),
            *unit(4 * width, 4), Conv2D(1, 4), input_shape=self.shape, rng=self.rng, dtype=self.dtype)

    def check(self, x, y):
        """InputError unless `step` can take these images."""
        for images in (x, y):
            check_images(images, self.shape, 1, f"{type(self).__name__}.step")
            PixelRange().check(images, f"{type(self).__name__}.step")

    def step(self, x, y):
        """A step of G and F, then one of D_Y and D_X. x, y: float images (n, size, size, C) in [-1, 1], of the two kinds.

        The figures g_loss and d_loss are the two players' parts of L_GAN, summed over both directions; cycle_x and cycle_y
        are the two means of L_cyc.
        """
        self.check(x, y)
        x, y = (Tensor(images.astype(self.dtype)) for images in (x, y))
        fake_y, fake_x = self.g(x), self.f(y)
        loss, figures = self.g_loss(x, y, fake_y, fake_x)
        self.g_optimizer.minimize(loss)
        d_loss = (l2(self.d_y(y), 1) + l2(self.d_y(self.fakes_y.exchanged(fake_y.data)), 0)
                  + l2(self.d_x(x), 1) + l2(self.d_x(self.fakes_x.exchanged(fake_x.data)), 0))
        self.d_optimizer.minimize(d_loss)
        return {"d_loss": d_loss.item()} | {name: figure.item() for name, figure in figures.items()}

    def g_loss(self, x, y, fake_y, fake_x):
        """What G and F minimise, and its parts by their names."""
        with self.d_y.frozen(), self.d_x.frozen():
            g_loss = l2(self.d_y(fake_y), 1) + l2(self.d_x(fake_x), 1)
        cycle_x, cycle_y = l1(self.f_again(fake_y), x), l1(self.g_again(fake_x), y)
        loss = g_loss + (cycle_x + cycle_y) * self.grown(self.cycle)
        if self.identity:
            # twins for this step only: these images should not enter anybody's batch statistics
            loss += (l1(twin(self.g)(y), y) + l1(twin(self.f)(x), x)) * self.grown(self.identity * self.cycle)
        return loss, {"g_loss": g_loss, "cycle_x": cycle_x, "cycle_y": cycle_y}

    def grown(self, weight):
        """What this weight has grown to by now."""
        return weight * min(1.0, 0.1 + 0.9 * int(self.g_optimizer.t) / self.warm_up) if self.warm_up else weight

    def translate(self, images, back=False):
        """G(images), or F(images): (n, size, size, C) -> the same shape, float32 in [-1, 1]."""
        return self.drawn(self.f if back else self.g, images)

    def there_and_back(self, images, back=False):
        """G(images) and F(G(images)), or F(images) and G(F(images)): two arrays as from `translate`."""
        there = self.translate(images, back)
        return there, self.drawn(self.g_again if back else self.f_again, there)

    def drawn(self, network, images):
        """What a network makes of images. InputError unless these are in [-1, 1]."""
        PixelRange().check(images, f"{type(self).__name__}.translate")
        return evaluate(network, np.asarray(images, self.dtype)).astype(np.float32, copy=False)


def twin(network):
    """The same network once more, with the same weights, but with batch statistics of its own (Li et al. 2017).

    G sees real x, but its twin sees F(y), in which the colours of y are hidden. Averages over both kinds would fit neither.
    """
    return deepcopy(network, {id(p): p for p in network.parameters()})  # what deepcopy's memo holds is not copied: shared
