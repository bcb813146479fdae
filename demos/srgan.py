"""From 7 × 7 pixels to 28 × 28: cubic interpolation, least squares, or a GAN? python demos/srgan.py  (see --help)"""

import argparse
from pathlib import Path

import numpy as np

from numgan import console, data, metrics, plotting
from numgan.batches import ImageBatches
from numgan.console import SEED, folder, whole
from numgan.games import SRGAN
from numgan.games.srgan import FACTOR
from numgan.resample import bicubic
from numgan.run import Run, continued
from numgan.training import train, unfinished

PHASES = {"mse": {"lr": 1e-3}, "perceptual": {"lr": 3e-4, "average": 0.995}}  # settings of each
QUICK = {"width": 4, "blocks": 1}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(usage="%(prog)s [options]", description=(
        "Train a generator that enlarges digits four times: first with the mean squared error, then as a GAN. Compare both "
        "with cubic interpolation on digits that they have not seen. If interrupted, the same command resumes."))
    add = parser.add_argument
    add("--steps", type=whole(), nargs=2, metavar=("MSE", "GAN"), help="steps of the two phases; default 5000 1000")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--data", choices=data.NAMES, default="mnist", help="MNIST (default), or the embedded digits, a fifth held out")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    add("--every", type=whole(), default=1000, help="steps between sheets and checkpoints; default 1000")
    add("--out", type=folder, help="folder for the results; default runs/srgan")
    add("--quick", action="store_true", help="tiny networks, 20 steps each, few digits: to see that everything runs")
    return parser.parse_args()


def digits(args):
    """Training images, test images, test labels; in a quick run, only some of them."""
    (images, _), (held_out, labels) = data.divided(args.data, args.data_dir)
    if args.quick:
        images, held_out, labels = images[::len(images) // 2000], held_out[::20], labels[::20]
    return images, data.to_images(held_out), labels


def trained(args, objective, steps, images, show, first=None):
    """The game of one phase after all its steps, resumed if its folder holds a checkpoint; G starts as the game `first`'s."""
    game_seed, data_seed = map(np.random.default_rng, np.random.SeedSequence([args.seed, objective == "mse"]).spawn(2))
    game = SRGAN(objective=objective, lr_steps=steps, rng=game_seed, **PHASES[objective], **(QUICK if args.quick else {}))
    if first:
        for network in (game.generator, game.g_average.network):
            network.load_state(first.generator.state())

    def draw(path, run):
        plotting.save_sheet(path, run.game.looks.sheet(run.game, run.inputs, lambda n: show), len(show))

    run = Run(game, ImageBatches(images, game.batch_size, data_seed), args.out / objective,
              {"data": args.data, "seed": args.seed}, draw)
    run = continued(run)
    if unfinished(run, steps):
        print(run.out)
        train(run, steps, args.every)
    return run.game


def measure(classifier, images, originals, labels):
    """PSNR and SSIM (means), digit-FID, and the share of images that the classifier reads as their label."""
    parts = range(0, len(images), 500)
    similarity = np.concatenate([metrics.ssim(images[i:i + 500], originals[i:i + 500]) for i in parts])
    return (metrics.psnr(images, originals).mean(), similarity.mean(),
            metrics.frechet_distance(classifier.features(images), classifier.features(originals)),
            (classifier.probabilities(images).argmax(1) == labels).mean())


def main():
    """Both phases, the table, the sheet."""
    args = arguments()
    args.steps = args.steps or ([20, 20] if args.quick else [5000, 1000])
    args.out = args.out or Path("runs", "srgan-quick" if args.quick else "srgan")
    images, originals, labels = digits(args)
    chosen = [np.flatnonzero(labels == digit)[0] for digit in range(10)]
    least_squares = trained(args, "mse", args.steps[0], images, originals[chosen])
    gan = trained(args, "perceptual", args.steps[1], images, originals[chosen], first=least_squares)

    small = gan.small(originals)
    found = {"bicubic": bicubic(small, FACTOR).clip(-1, 1), "MSE": least_squares.generate(small), "GAN": gan.generate(small),
             "original": originals}
    classifier = metrics.load_classifier()
    print(f"{len(originals):,} held-out digits\n\n| enlarged by | PSNR, dB | SSIM | digit-FID | classified correctly, % |\n"
          "| --- | --- | --- | --- | --- |")
    for name, enlarged in found.items():
        psnr, ssim, fid, accuracy = measure(classifier, enlarged, originals, labels)
        print(f"| {name} | {psnr:.2f} | {ssim:.3f} | {fid:.2f} | {100 * accuracy:.1f} |", flush=True)
    blocks = small.repeat(FACTOR, 1).repeat(FACTOR, 2)
    rows = {"7 × 7": blocks} | found
    plotting.save_rows(args.out / "digits.png", {name: images[chosen] for name, images in rows.items()})
    print(f"\n{args.out / 'digits.png'}")


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes")
