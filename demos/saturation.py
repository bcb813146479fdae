"""Why G does not minimise ln(1 - D(G(z))): Goodfellow et al. 2014, section 3, as a picture. python demos/saturation.py

Left and middle: G's loss for one fake image, and its derivative, against D's output y. For the two losses of Goodfellow et al.
y is a logit, D(G(z)) = sigmoid(y); for least squares (Mao et al. 2017) it is D(G(z)) itself. Both come from numgan's losses,
the derivative by backward(). Right: the length of G's gradient, over all its parameters, in the first steps of three games
that differ in their loss only: the minimal GAN on handwritten digits, Adam at 0.001 for both players, minibatches of 100.

D soon recognises fake images. For the first two losses, y is then far below 0 (grey: D(G(z)) < 0.05), where the saturating
loss is flat, and G can hardly learn. For least squares, y is then near 0, where the derivative is -2.
"""

import argparse

import numpy as np

from numgan import Tensor, console, data, plotting
from numgan.batches import ImageBatches
from numgan.console import SEED, file, whole
from numgan.games import VanillaGAN
from numgan.games.crossentropy import CrossEntropy
from numgan.games.lsgan import LeastSquares

LOSSES = {"saturating: ln(1 - D)": CrossEntropy("saturating"), "non-saturating: -ln D": CrossEntropy(),
          "least squares: (D - 1)²": LeastSquares()}
COLOURS = "#D55E00", "#0072B2", "#009E73"
OUTPUTS = np.linspace(-8, 8, 161)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--steps", type=whole(), help="steps of each game; default 200, or 20 with --quick")
    add("--quick", action="store_true", help="only 20 steps")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--out", type=file(".png"), default="runs/saturation.png", help="the picture; default runs/saturation.png")
    return parser.parse_args()


def against_output(losses):
    """G's loss for one image and its derivative by y, at each of the OUTPUTS: two arrays."""
    values, slopes = [], []
    for output in OUTPUTS:
        y = Tensor(np.full((1, 1), output), requires_grad=True)
        loss = losses.g_loss(y, None)
        loss.backward()
        values.append(loss.item())
        slopes.append(y.grad.item())
    return np.array(values), np.array(slopes)


def gradient_norms(losses, images, steps, seed):
    """The length of G's gradient in each step of a game with these losses, and D's mean score D(G(z)): two arrays."""
    game_rng, data_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    game = VanillaGAN(variant="minimal", lr=1e-3, average=None, rng=game_rng)
    game.losses = losses
    batches, norms, scores = ImageBatches(images, game.batch_size, data_rng), [], []
    for _ in range(steps):
        scores.append(game.step(*next(batches))["d_fake"])
        norms.append(np.sqrt(sum(np.square(p.grad, dtype=float).sum() for p in game.generator.parameters())))
    return np.array(norms), np.array(scores)


def draw(measured):
    """The figure. measured: name of a loss -> its gradient norms."""
    from matplotlib.figure import Figure  # slow to import
    figure = Figure(figsize=(13, 4), layout="constrained")
    loss, slope, norm = figure.subplots(1, 3)
    for (name, losses), colour in zip(LOSSES.items(), COLOURS, strict=True):
        values, slopes = against_output(losses)
        loss.plot(OUTPUTS, values, color=colour, linewidth=2, label=name)
        slope.plot(OUTPUTS, slopes, color=colour, linewidth=2)
        norm.plot(np.arange(1, len(measured[name]) + 1), measured[name], color=colour, linewidth=1.5)
    for axes in loss, slope:
        axes.axvspan(OUTPUTS[0], -3, color="0.9")
        axes.axhline(0, color="grey", linewidth=0.7)
        axes.set(xlabel="D's output y for a fake image", xlim=(OUTPUTS[0], OUTPUTS[-1]))
    loss.set(title="G's loss", ylim=(-9, 14))
    loss.legend(loc="upper right", fontsize="small")
    slope.set(title="its derivative by y: what G learns from", ylim=(-4, 2))
    slope.text(-5.5, 1.2, "D recognises\nthe fake", ha="center", va="center")
    norm.set(title="length of G's gradient, measured", xlabel="step", yscale="log", xlim=(0, None))
    return figure


def main():
    """Play, measure, draw."""
    args = arguments()
    steps = args.steps or (20 if args.quick else 200)
    images, _ = data.digits_10k()
    print(f"mean over the last {steps - steps // 2} of {steps} steps    D(G(z))   length of G's gradient")
    measured = {}
    for name, losses in LOSSES.items():
        measured[name], scores = gradient_norms(losses, images, steps, args.seed)
        print(f"{name:35} {scores[steps // 2:].mean():10.4f}   {measured[name][steps // 2:].mean():.2g}", flush=True)
    plotting.save_figure(args.out, draw(measured))
    print(args.out)


if __name__ == "__main__":
    console.run(main)
