"""What state is a run in? python demos/doctor.py runs/dcgan"""

import argparse
from pathlib import Path

import numpy as np

from numgan import InputError, console, data
from numgan.batches import ImageBatches
from numgan.doctor import COVERED, WINDOW, diagnosis, draws_digits, examine, reading, signs
from numgan.games import GAN
from numgan.run import load_record

SAMPLES = 1000  # more than during a run: there is only one look at it


def main():
    """Checkpoint in, figures and diagnosis out."""
    parser = argparse.ArgumentParser(description="Look for five failures in a run: divergence, no learning, "
                                     "saturation, D too strong, mode collapse.",
                                     usage="%(prog)s RUN")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or its checkpoint.npz")
    run = parser.parse_args().run
    path = run / "checkpoint.npz" if run.is_dir() else run
    game, history, images, about = load_record(path)
    if not isinstance(game, GAN):
        raise InputError(f"{path}: expected a game of one G and one D, got {type(game).__name__}")
    real = None
    if draws_digits(game) and about.get("data", "mnist") in data.NAMES:
        real = ImageBatches(data.digits_10k()[0], 1, np.random.default_rng(0)).examples(SAMPLES)
    seen = examine(game, history, images, real, SAMPLES)
    kind = "points" if len(game.image_shape) == 1 else "images"
    print(f"{type(game).__name__}, {len(history)} steps, {images:,} {kind} seen")
    rows = [(f"mean of the last {min(WINDOW, len(history))} steps", {
                "loss D": seen.d_loss, "loss G": seen.g_loss, "D(x)": seen.d_real, "D(G(z))": seen.d_fake}),
            ("sum of learning rates / size of weights (no learning below 0.1)", seen.travels),
            ("G's gradient, last steps / last thousand (saturated below 0.001)", {"": seen.fading})]
    for name, figures in rows:
        if known := ", ".join(f"{label} {value:.3g}".strip() for label, value in figures.items() if np.isfinite(value)):
            print(f"{name}: {known}")
    print("samples were not looked at: they are not known to be digits" if seen.counts is None else reading(seen))
    early = f", but most show only after {COVERED:,} {kind}" if images < COVERED else ""
    print(diagnosis(signs(seen)) or f"no sign of a failure{early}")


if __name__ == "__main__":
    console.run(main)
