"""Eight classic bugs of GANs, each in a real game beside a healthy run: python demos/bug_museum.py  (see --help)

The games are in bugs.py. This script plays each, and shows what it did and what catches it.
"""

import argparse
import inspect
import textwrap
from dataclasses import dataclass

import numpy as np
from bugs import BUGS, Healthy

from numgan import InputError, console, data, metrics, plotting
from numgan.batches import ImageBatches
from numgan.console import SEED, whole
from numgan.doctor import COVERED, diagnosis, examine, signs
from numgan.files import atomic

BATCH = 32


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
    wrapped = (textwrap.fill(text, 120, initial_indent=f"  {name:9} ", subsequent_indent=" " * 12)
               for name, text in rows if text)
    return "\n".join([exhibit.kind.title, *wrapped])


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
    titles = "losses, logarithmic above 2 (dotted: healthy)", "D's scores (dotted: healthy)"
    for axes, title in zip(grid[0, 1:], titles, strict=True):
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
    parser.add_argument("--out", type=console.file(".png"), default="runs/bug-museum.png", help="the picture; default "
                        "runs/bug-museum.png")
    parser.add_argument("--quick", action="store_true", help="a few steps of each: what is refused, not what it does")
    args = parser.parse_args()
    images, _ = data.digits_10k()
    real = ImageBatches(images, 1, np.random.default_rng(0)).examples(20 if args.quick else 1000)
    print("The doctor sees figures and samples, not code. It says that something is wrong, not which bug it is; its advice is "
          "about settings.")
    classifier, exhibits = metrics.load_classifier(), []
    for kind in (Healthy, *BUGS):
        exhibits.append(play(kind, images, real, classifier, 2 if args.quick else args.steps, args.seed))
        print(report(exhibits[-1]), flush=True)
    draw(args.out, exhibits)
    print(f"{args.out}: samples, losses and D's scores")


if __name__ == "__main__":
    console.run(main)
