"""From words to a digit, in two stages: python demos/stackgan.py  (see --help)

python demos/stackgan.py say runs/stackgan/stage-2/checkpoint.npz "a bold seven leaning right" --n 16 --out sevens.png
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from numgan import InputError, captions, console, data, metrics, plotting
from numgan.batches import CaptionBatches
from numgan.console import SEED, file, folder, whole
from numgan.files import atomic
from numgan.games import StackGAN
from numgan.memory import check_memory
from numgan.resample import bicubic, resampled
from numgan.run import Run, continued, load_game
from numgan.training import train, unfinished

QUICK = {"width": 2, "latent_dim": 4, "caption_dim": 4}
SHOWN = ("a zero", "a thin one leaning right", "a bold one leaning left", "a thin two", "a bold three standing upright",
         "a four leaning left", "a four leaning right", "a regular five leaning right", "a thin seven leaning left",
         "a bold seven leaning right")
COLUMNS = 8


def arguments():
    """The command line for training."""
    parser = argparse.ArgumentParser(usage="%(prog)s [say CHECKPOINT CAPTION] [options]", description=(
        "Train a generator that draws digits from captions: first 14 x 14 pixels, then 28 x 28. Measure how well it follows "
        "the captions, and how good the digits are. If interrupted, the same command resumes. `say` draws what a caption asks "
        "for; say --help lists its options."))
    add = parser.add_argument
    add("--steps", type=whole(), nargs=2, metavar=("FIRST", "SECOND"), help="steps of the two stages; default 4000 4000")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--data", choices=data.NAMES, default="mnist", help="MNIST (default), or the embedded digits, a fifth held out")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    add("--every", type=whole(), default=1000, help="steps between sheets and checkpoints; default 1000")
    add("--out", type=folder, help="folder for the results; default runs/stackgan")
    add("--quick", action="store_true", help="tiny networks, 20 steps each, few digits: to see that everything runs")
    return parser.parse_args()


def say_arguments(words):
    """The command line after `say`."""
    parser = argparse.ArgumentParser(usage="%(prog)s say CHECKPOINT CAPTION [options]",
                                     description="Draw what a caption asks for.")
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="of either stage, such as runs/stackgan/stage-2/checkpoint.npz")
    add("caption", metavar="CAPTION", help='such as "a bold seven leaning right", or just "a seven"')
    add("--n", type=whole(1, 10**6), default=16, help="how many digits; default 16")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--out", type=file(".png", ".npz"), default="runs/said.png",
        help="runs/said.png (default): a sheet; *.npz: `images`, float32 (n, H, W, 1) in [-1, 1], and `caption`")
    return parser.parse_args(words)


def say(args):
    """Draw what a caption asks for, and say what was written."""
    traits = captions.parse(args.caption)
    game = load_game(args.checkpoint)
    if not isinstance(game, StackGAN):
        raise InputError(f"{args.checkpoint}: expected a game that reads captions (StackGAN), got {type(game).__name__}")
    check_memory(40 * args.n * game.size**2, f"--n {args.n}")
    images = game.generate(game.asking(captions.numbers(np.repeat([traits], args.n, 0)), np.random.default_rng(args.seed)))
    if args.out.suffix == ".png":
        plotting.save_sheet(args.out, images)
    else:
        with atomic(args.out) as temporary:
            np.savez_compressed(temporary, images=images, caption=np.array(args.caption))
    print(f"{args.out}: {args.n} × {args.caption!r}, {images.shape[1]} × {images.shape[2]} pixels (stage {game.stage})")


def digits(args):
    """Training images, their traits, held-out images and labels; in a quick run, only some of them."""
    (images, labels), (held_out, held_out_labels) = data.divided(args.data, args.data_dir)
    if args.quick:
        images, labels, held_out, held_out_labels = (x[::20] for x in (images, labels, held_out, held_out_labels))
    return images, described(images, labels), held_out, described(held_out, held_out_labels)


def described(images, labels):
    """The traits of digits, a few thousand at a time."""
    parts = [slice(i, i + 2000) for i in range(0, len(images), 2000)]
    return np.concatenate([captions.traits(data.to_images(images[part]), labels[part]) for part in parts])


def trained(args, stage, steps, images, traits, first=None):
    """The game of one stage after all its steps, resumed if its folder holds a checkpoint."""
    game_seed, data_seed = map(np.random.default_rng, np.random.SeedSequence([args.seed, stage]).spawn(2))
    game = StackGAN(stage=stage, lr_steps=steps, rng=game_seed, **(QUICK if args.quick else {}))
    if first:
        game.first.load_state(first.drawing_network.state())
    batches = CaptionBatches(images, game.batch_size, data_seed, traits)
    run = continued(Run(game, batches, args.out / f"stage-{stage}", {"data": args.data, "seed": args.seed}))
    if unfinished(run, steps):
        print(run.out)
        train(run, steps, args.every)
    return run.game


def sketches(codes):
    """What stage 1 has drawn: the small images with which codes of stage 2 begin, (n, k) -> (n, 14, 14, 1)."""
    return codes[:, :14 * 14].reshape(-1, 14, 14, 1)


def measure(classifier, images, traits, reference):
    """Class as asked, %; ink of bold / of thin digits; leaning to the asked side of their class's median, %; digit-FID."""
    weight, digit, lean = traits.T
    ink, slant = captions.ink(images), captions.slant(images) - captions.SLANT[digit, 1]
    asked = np.concatenate([slant[lean == 3] > 0, slant[lean == 1] < 0])
    features = classifier.features(images)
    read = classifier.net.stack[-1](features).data.argmax(1)
    return (100 * (read == digit).mean(), ink[weight == 3].mean() / ink[weight == 1].mean(), 100 * asked.mean(),
            metrics.frechet_distance(features, reference))


def save_rows(path, small, images):
    """A PNG file with a row for each caption of SHOWN: what stage 1 draws, and what stage 2 makes of it."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9.5, 5), layout="constrained")
    for axes, drawn in zip(figure.subplots(1, 2), (small.repeat(2, 1).repeat(2, 2), images), strict=True):
        page = plotting.sheet(drawn, COLUMNS)
        axes.imshow(page, cmap="gray", interpolation="nearest")
        axes.set(xticks=[], yticks=[], title="stage 2: 28 × 28" if drawn is images else "stage 1: 14 × 14")
        if drawn is not images:
            axes.set_yticks((np.arange(len(SHOWN)) + 0.5) * page.shape[0] / len(SHOWN), SHOWN)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    plotting.save_figure(path, figure, dpi=110)


def main():
    """Both stages, the table, the sheet."""
    if sys.argv[1:2] == ["say"]:
        return say(say_arguments(sys.argv[2:]))
    args = arguments()
    args.steps = args.steps or ([20, 20] if args.quick else [4000, 4000])
    args.out = args.out or Path("runs", "stackgan-quick" if args.quick else "stackgan")
    images, traits, held_out, asked = digits(args)
    first = trained(args, 1, args.steps[0], resampled(images[..., None], 14)[..., 0], traits)
    second = trained(args, 2, args.steps[1], images, traits, first)

    rng, classifier = np.random.default_rng(0), metrics.load_classifier()
    reference = classifier.features(data.to_images(images))
    codes = second.asking(captions.numbers(asked), rng)
    found = {"stage 1, enlarged": bicubic(sketches(codes), 2).clip(-1, 1), "stage 2": second.generate(codes),
             "held-out digits": data.to_images(held_out)}
    print(f"{len(asked):,} digits, for the captions of held-out ones\n\n"
          "| | class as asked, % | ink, bold / thin | slant as asked, % | digit-FID |\n| --- | --- | --- | --- | --- |")
    for name, drawn in found.items():
        right, ratio, leaning, fid = measure(classifier, drawn, asked, reference)
        print(f"| {name} | {right:.1f} | {ratio:.2f} | {leaning:.1f} | {fid:.2f} |", flush=True)
    codes = second.asking(captions.numbers(np.repeat([captions.parse(text) for text in SHOWN], COLUMNS, 0)), rng)
    save_rows(args.out / "captions.png", sketches(codes), second.generate(codes))
    print(f"\n{args.out / 'captions.png'}")


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes")
