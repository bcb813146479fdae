"""Eight classic bugs of GANs, each in a real game beside a healthy run: python demos/bug_museum.py  (see --help)

Every bug is a subclass of one small DCGAN that overrides one method: what is in it is the bug, and its docstring says why it
is one. numgan refuses some of these bugs. Then `AsWritten` is the bug as it is usually written, which ends in an error, and the
class around it goes round the guard, so that there is something to see.
"""

import argparse
import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from numgan import Adam, InputError, bce_with_logits, console, data, metrics, plotting, sigmoid
from numgan.batches import ImageBatches
from numgan.console import SEED, whole
from numgan.doctor import COVERED, diagnosis, examine, signs
from numgan.files import atomic
from numgan.games import DCGAN
from numgan.games.crossentropy import CrossEntropy
from numgan.games.minibatch import as_one_batch
from numgan.layers import BatchNorm, Conv2D, Dense, Flatten, LeakyReLU
from numgan.network import Sequential

BATCH = 32


@dataclass(kw_only=True, eq=False, repr=False)
class Healthy(DCGAN):
    """A small DCGAN with batch norm in D as well (as in Radford et al. 2015). All others are this game with one bug."""

    width: int = 12
    latent_dim: int = 32
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
    once backward has walked through it. To go round that, D's step here has a graph of its own, and G's step does not
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
    fakes are alone, their mean is their own, and the same D takes them for real: G's loss is near 0, and nothing drives it
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
    step pulls G the other way. numgan's optimisers refuse a parameter that no gradient has reached. To go round that, D's
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


@dataclass
class Exhibit:
    """What one game did: its history, samples, figures, what the doctor says, and numgan's error for `AsWritten`."""

    kind: type
    history: list
    samples: np.ndarray
    figures: dict
    doctor: str = ""
    error: str = ""


def play(kind, images, real, classifier, steps, seed):
    """An Exhibit of this game after `steps` steps, or as many as it can take."""
    game_seed, batch_seed = np.random.SeedSequence(seed).spawn(2)
    game, batches = kind(rng=np.random.default_rng(game_seed)), ImageBatches(images, BATCH, np.random.default_rng(batch_seed))
    history, error = [], refusal(kind, batches, game_seed)
    try:
        for step in range(1, steps + 1):
            history.append({"step": step, **game.step(*next(batches))})
    except FloatingPointError as stop:
        error = f"step {step}: {stop}"
    samples = game.sample(len(real), np.random.default_rng(0))
    last = history[-100:]
    figures = {name: np.mean([row[name] for row in last]) for name in ("d_loss", "g_loss", "d_real", "d_fake")}
    figures["fid"] = metrics.frechet_distance(classifier.features(samples), classifier.features(real))
    figures["diversity"] = metrics.diversity(samples) / metrics.diversity(real)
    seen = examine(game, history, len(history) * BATCH, real, len(real))
    quiet = "no sign of a failure" if seen.images >= COVERED else f"too early to say, {seen.images:,} of {COVERED:,} images"
    doctor = diagnosis(signs(seen)) or quiet
    return Exhibit(kind, history, samples, figures, doctor, error)


def refusal(kind, batches, seed):
    """numgan's error when the bug is written as it usually is; "" if it has no guard against it."""
    if not hasattr(kind, "AsWritten"):
        return ""
    try:
        kind.AsWritten(rng=np.random.default_rng(seed)).step(*batches.first())
    except InputError as error:
        return str(error)
    return ""


def report(exhibit):
    """The exhibit as text."""
    f = exhibit.figures
    rows = [("measured", f"D(x) {f['d_real']:.2f}, D(G(z)) {f['d_fake']:.2f}, loss D {f['d_loss']:.2f}, G {f['g_loss']:.2f}, "
                         f"digit-FID {f['fid']:.0f}, diversity {f['diversity']:.2f} × that of real digits"),
            ("why", " ".join(inspect.getdoc(exhibit.kind).split())), ("numgan", exhibit.error and f"error: {exhibit.error}"),
            ("doctor", exhibit.doctor), ("suite", exhibit.kind.caught)]
    return "\n".join([exhibit.kind.title, *(f"  {name:9} {text}" for name, text in rows if text)])


def draw(path, exhibits):
    """One row for each exhibit: samples, losses, D's scores."""
    from matplotlib.figure import Figure
    height = 1.2 * len(exhibits)
    figure = Figure(figsize=(9, height))
    places = dict(left=0.01, right=0.99, top=1 - 0.35 / height, bottom=0.45 / height, hspace=0.35, wspace=0.14)
    grid = figure.subplots(len(exhibits), 3, squeeze=False, gridspec_kw=dict(width_ratios=(1.35, 1, 1), **places))
    for row, exhibit in zip(grid, exhibits, strict=True):
        row[0].imshow(plotting.sheet(exhibit.samples[:16], 8), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        row[0].set(xticks=[], yticks=[])
        row[0].set_title(exhibit.kind.title, fontsize=9, loc="left", pad=3)
        for axes, names in (row[1], {"d_loss": "D", "g_loss": "G"}), (row[2], {"d_real": "D(x)", "d_fake": "D(G(z))"}):
            for i, (name, label) in enumerate(names.items()):
                axes.plot(*curve(exhibits[0], name), color=f"C{i}", linewidth=1, linestyle=":")
                axes.plot(*curve(exhibit, name), color=f"C{i}", linewidth=1, label=label)
            axes.tick_params(labelsize=7, labelbottom=exhibit is exhibits[-1])
        row[1].set_yscale("symlog", linthresh=2)
        row[1].set(ylim=(0, 50), yticks=[0, 1, 2, 10, 50])
        row[1].yaxis.set_major_formatter("{x:g}")
        row[2].set(ylim=(-0.05, 1.05), yticks=[0, 0.5, 1])
    for axes, title in zip(grid[0, 1:], ("losses (dotted: healthy)", "D's scores (dotted: healthy)"), strict=True):
        axes.set_title(title, fontsize=9, loc="left", pad=3)
        axes.legend(fontsize=7, ncols=2, loc="upper right")
    for axes in grid[-1, 1:]:
        axes.set_xlabel("step", fontsize=8)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=90, pil_kwargs={"optimize": True})


def curve(exhibit, name):
    """(steps, means of up to 20 steps) of a figure."""
    values = np.array([row[name] for row in exhibit.history])
    window = min(20, 1 + len(values) // 10)
    return np.arange(window, len(values) + 1), np.convolve(values, np.ones(window) / window, "valid")


def main():
    """Play, print, draw."""
    parser = argparse.ArgumentParser(description="Show eight classic bugs of GANs beside a healthy run.",
                                     usage="%(prog)s [options]")
    enough = -(-COVERED // BATCH)
    parser.add_argument("--steps", type=whole(1, 10**6), default=enough,
                        help=f"steps of each game; default {enough}, as many as the doctor needs")
    parser.add_argument("--seed", type=SEED, default=0, help="random seed; default 0")
    parser.add_argument("--out", type=console.file(".png"), default=Path("runs", "bug-museum.png"), help="the picture; default "
                        "runs/bug-museum.png")
    parser.add_argument("--quick", action="store_true", help="a few steps of each: what is refused, not what it does")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)  # if that is impossible, it is said before the training
    images, _ = data.digits_10k()
    real = ImageBatches(images, 1, np.random.default_rng(0)).examples(20 if args.quick else 1000)
    classifier, exhibits = metrics.load_classifier(), []
    for kind in (Healthy, *BUGS):
        exhibits.append(play(kind, images, real, classifier, 2 if args.quick else args.steps, args.seed))
        print(report(exhibits[-1]), flush=True)
    draw(args.out, exhibits)
    print(f"{args.out}: samples, losses and D's scores")


if __name__ == "__main__":
    console.run(main)
