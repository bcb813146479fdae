"""Draw digits with a trained generator: python demos/sample.py runs/dcgan/checkpoint.npz --n 100 --out digits.png"""

import argparse
import math
from pathlib import Path

import numpy as np

from numgan import InputError, console, data, plotting
from numgan.console import SEED, file, whole
from numgan.files import atomic
from numgan.games import GAN
from numgan.games.classes import ClassCodes
from numgan.memory import check_memory
from numgan.run import load_game


def drawn(game, n, rng, digit):
    """n images (n, H, W, C), of this digit if it is not None."""
    if digit is None:
        return game.sample(n, rng)
    if not isinstance(game, ClassCodes):
        raise InputError(f"--digit: expected a checkpoint of acgan or conditional, got {type(game).__name__}")
    return game.generate(game.asking(game.noise(n, rng), np.full(n, digit)))


def main():
    """Checkpoint in, pictures or arrays out."""
    parser = argparse.ArgumentParser(description="Draw digits with a trained generator.", usage="%(prog)s CHECKPOINT [options]")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a run's checkpoint.npz")
    parser.add_argument("--n", type=whole(1, 10**7), default=100, help="how many digits; default 100")
    parser.add_argument("--seed", type=SEED, default=0, help="random seed of the codes z; default 0")
    parser.add_argument("--digit", type=whole(0, 9), help="draw only this digit (acgan and conditional); default: any")
    parser.add_argument("--out", type=file(".png", ".npz"), default="samples.png",
                        help="samples.png (default): a sheet; *.npz: array `images`, uint8 (n, H, W), in colour (n, H, W, 3)")
    args = parser.parse_args()
    game = load_game(args.checkpoint)
    if not (isinstance(game, GAN) and len(game.image_shape) == 3):
        raise InputError(f"{args.checkpoint}: expected a game that draws images, got {type(game).__name__}")
    check_memory(12 * args.n * math.prod(game.image_shape), f"--n {args.n}")
    images = drawn(game, args.n, np.random.default_rng(args.seed), args.digit)
    if args.out.suffix == ".png":
        plotting.save_sheet(args.out, images)
    else:
        with atomic(args.out) as temporary:
            np.savez_compressed(temporary, images=data.to_pixels(images))
    print(f"{args.n} digits: {args.out}")


if __name__ == "__main__":
    console.run(main)
