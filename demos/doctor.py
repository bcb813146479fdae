"""What state is a run in? python demos/doctor.py runs/dcgan"""

import argparse
from pathlib import Path

import numpy as np

from numgan import console, data
from numgan.batches import ImageBatches
from numgan.doctor import COVERED, DIGITS, diagnosis, examine, reading, signs
from numgan.run import load_game, load_history

SAMPLES = 1000  # more than during a run: there is only one look at it


def main():
    """Checkpoint in, figures and diagnosis out."""
    parser = argparse.ArgumentParser(description="Name the state of a run: healthy, or one of five failures.",
                                     usage="%(prog)s RUN")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or its checkpoint.npz")
    run = parser.parse_args().run
    path = run / "checkpoint.npz" if run.is_dir() else run
    game, (history, images) = load_game(path), load_history(path)
    real = None
    if getattr(game, "image_shape", None) == DIGITS:
        real = ImageBatches(data.digits_10k()[0], 1, np.random.default_rng(0)).examples(SAMPLES)
    seen = examine(game, history, images, real, SAMPLES)
    print(f"{type(game).__name__}, {len(history)} steps, {images:,} images seen")
    if history:
        print(f"last steps: loss D {seen.d_loss:.3g}, G {seen.g_loss:.3g}; D(x) {seen.d_real:.2f}, D(G(z)) {seen.d_fake:.2f}")
        print("learning rates, summed and divided by the size of the weights: "
              + ", ".join(f"{name} {travel:.2g}" for name, travel in seen.travels.items()))
        print(f"G's gradient: its last few are {seen.fading:.2g} × the mean of the last thousand")
    if seen.counts is not None:
        print(reading(seen))
    found = diagnosis(signs(seen))
    early = f"no sign of a failure, but most show only after {COVERED:,} images" if images < COVERED else "healthy"
    print(found or early)


if __name__ == "__main__":
    console.run(main)
