"""Turn handwritten digits into house numbers, and house numbers into handwriting: python demos/cyclegan.py train --semantic

train      train a CycleGAN without pairs; then measure it. If interrupted, the same command resumes
measure    how well do trained ones keep the digit, and how much is lost on the way there and back?
translate  images of the other kind, from images that the training has not seen
"""

import argparse
from pathlib import Path

import numpy as np

from numgan import Adam, InputError, LinearDecay, checkpoint, console, data, metrics, plotting, softmax_cross_entropy
from numgan.batches import ImageBatches, UnpairedBatches
from numgan.console import SEED, file, folder, whole
from numgan.files import atomic
from numgan.games import CyCADA, CycleGAN
from numgan.progress import Progress
from numgan.resample import distorted
from numgan.run import Run, continued, intact, load_game, same_run
from numgan.training import train, unfinished

HOUSES, TESTED = 20_000, 5000  # house numbers to train on; images of each kind to test with
STEPS, SEMANTIC_STEPS = 8000, 14_000
QUICK = {"width": 2, "blocks": 1}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help="COMMAND --help lists its options")
    add = commands.add_parser("train", usage="%(prog)s [options]").add_argument
    add("--semantic", action="store_true", help="semantic consistency: a translation should keep the digit, as a classifier of "
        "house numbers and a student that learns to read handwriting without labels see it")
    add("--steps", type=whole(), help=f"training steps; default {STEPS}, with --semantic {SEMANTIC_STEPS}")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--every", type=whole(), default=500, help="steps between sheets and checkpoints; default 500")
    add("--out", type=folder, help="folder for the results; default runs/cyclegan or runs/cyclegan-semantic")
    add("--quick", action="store_true", help="tiny networks, 20 steps, few images: to see that everything runs")
    add_data(add)
    add = commands.add_parser("measure", usage="%(prog)s CHECKPOINT ... [options]").add_argument
    add("checkpoint", type=Path, nargs="+", metavar="CHECKPOINT", help="a run's checkpoint.npz")
    add_data(add)
    add = commands.add_parser("translate", usage="%(prog)s CHECKPOINT --to houses|digits [options]").add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="a run's checkpoint.npz")
    add("--to", choices=("digits", "houses"), required=True, help="what to make: house numbers or handwritten digits")
    add("--n", type=whole(1, 2000), default=50, help="how many; default 50")
    add("--seed", type=SEED, default=0, help="random seed for the choice of images; default 0")
    add("--out", type=file(".png", ".npz"), default="translated.png",
        help="translated.png (default): each image and below it the translation; *.npz: arrays `images`, float32 in [-1, 1], "
        "and `labels`, of the images translated")
    add_data(add)
    return parser.parse_args()


def add_data(add):
    """Options that all commands have."""
    add("--data", choices=data.NAMES, default="mnist", help="MNIST (default), or the embedded digits, a fifth held out")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")


def digits(args, quick=False):
    """Handwritten digits with three equal channels, two pairs (images, labels): to train on, and held-out ones."""
    both = data.divided(args.data, args.data_dir)
    few = slice(None, None, 100 if quick else 1)
    return [(np.broadcast_to(images[few, ..., np.newaxis], (*images[few].shape, 3)), labels[few]) for images, labels in both]


def houses(seed, n):
    """House numbers: (images, labels). 1: to train on, 2: to test with, 3: for the classifier that tests."""
    return data.house_numbers(n, np.random.default_rng(seed))


def in_grey(images):
    """The mean of the three channels, (n, 28, 28, 1)."""
    return images.mean(-1, keepdims=True)


def reader(path, images, labels, rng, steps):
    """The classifier of house numbers in this file; if there is no such file, it is trained now, on distorted ones."""
    net = metrics.network(rng, channels=3)
    if path.exists():
        net.load(path)
    else:
        print(f"a classifier of house numbers: {path}")
        optimizer = Adam(net.parameters(), LinearDecay(3e-3, steps, hold=0))
        progress = Progress(0, steps, {"loss": "loss"})
        for step in range(1, steps + 1):
            chosen = rng.integers(0, len(images), 64)
            x = distorted(data.to_images(images[chosen]), rng)
            loss = softmax_cross_entropy(net(x), labels[chosen])
            optimizer.minimize(loss)
            progress.show({"step": step, "loss": loss.item()}, lasting=step == steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        net.save(path)
    return metrics.Classifier(net)


def training(args):
    """Train, or resume, and measure."""
    quick = args.quick
    out = args.out or Path("runs", f"cyclegan{'-semantic' * args.semantic}{'-quick' * quick}")
    steps = args.steps or (20 if quick else SEMANTIC_STEPS if args.semantic else STEPS)
    (x, _), test_x = digits(args, quick)
    y, labels = houses(1, 200 if quick else HOUSES)
    game_rng, rng = map(np.random.default_rng, np.random.SeedSequence(args.seed).spawn(2))
    kind, settings = (CyCADA, {"warm_up": steps // 2}) if args.semantic else (CycleGAN, {})
    about = {"data": args.data, "seed": args.seed}
    if (path := out / "checkpoint.npz").exists():  # another run's folder is refused before a reader is put there
        with intact(path):
            saved = checkpoint.load(path)[0]
            saved |= saved["settings"] | saved["run"]
        same_run(path, {"game": kind.__name__, "lr_steps": steps, **about}, saved)
        of_earlier_versions = ("cycle", "semantic", "warm_up")
        settings |= {name: saved[name] for name in of_earlier_versions if name in saved and hasattr(kind, name)}
    out.mkdir(parents=True, exist_ok=True)
    game = kind(**settings, lr_steps=steps, rng=game_rng, **(QUICK if quick else {}))
    if args.semantic:
        taught = reader(out / f"reader-{args.seed}{'-quick' * quick}.npz", y, labels,
                        np.random.default_rng([args.seed, 0]), 2 if quick else 1600)
        game.classifier.load_state(taught.net.state())
    batches = UnpairedBatches(ImageBatches(x, game.batch_size, rng), ImageBatches(y, game.batch_size, rng))
    run = continued(Run(game, batches, out, about))
    if unfinished(run, steps):
        train(run, steps, args.every)
    test_y = houses(2, 40 if quick else TESTED)
    table({str(out): run.game}, test_x, test_y, judge(out, quick))
    x, y = (data.to_images(images[:10]) for images, _ in (test_x, test_y))
    (fake_y, again_x), (fake_x, again_y) = run.game.there_and_back(x), run.game.there_and_back(y, back=True)
    plotting.save_rows(out / "cycles.png", {"x": x, "G(x)": fake_y, "F(G(x))": again_x,
                                            "y": y, "F(y)": fake_x, "G(F(y))": again_y})
    print(f"\n{out / 'cycles.png'}")


def judge(out, quick=False):
    """The classifier of house numbers that measures: trained apart from the one that a game may learn with."""
    images, labels = houses(3, 200 if quick else HOUSES)
    return reader(out / f"judge{'-quick' * quick}.npz", images, labels, np.random.default_rng([3, 1]), 2 if quick else 1600)


def table(games, x, y, house_reader):
    """How often the digit is kept, both ways; how far the images are from what comes back; the digit-FID of F(y)."""
    (x, x_labels), (y, y_labels) = ((data.to_images(images[:TESTED]), labels[:TESTED]) for images, labels in (x, y))
    digit_reader = metrics.load_classifier()
    print(f"{len(x):,} digits and {len(y):,} house numbers that were not trained on; their own classifiers read "
          f"{kept(digit_reader, in_grey(x), x_labels)} and {kept(house_reader, y, y_labels)} % of them correctly\n\n"
          "| | houses -> digits, kept, % | digits -> houses, kept, % | cycle error, houses | digits | digit-FID |\n"
          "| --- | --- | --- | --- | --- | --- |\n"
          f"| not translated | {kept(digit_reader, in_grey(y), y_labels)} | {kept(house_reader, x, x_labels)} | | | |")
    for name, game in games.items():
        (fake_y, again_x), (fake_x, again_y) = game.there_and_back(x), game.there_and_back(y, back=True)
        fid = metrics.frechet_distance(*(digit_reader.features(in_grey(images)) for images in (fake_x, x)))
        print(f"| {name} | {kept(digit_reader, in_grey(fake_x), y_labels)} | {kept(house_reader, fake_y, x_labels)} | "
              f"{np.abs(again_y - y).mean():.3f} | {np.abs(again_x - x).mean():.3f} | {fid:.2f} |", flush=True)


def kept(classifier, images, labels):
    """The share of images in which the classifier reads the label, as text, in %."""
    return f"{100 * (classifier.probabilities(images).argmax(1) == labels).mean():.1f}"


def measuring(args):
    """The table of given checkpoints."""
    games = {str(path): translator(path) for path in args.checkpoint}
    table(games, digits(args)[1], houses(2, TESTED), judge(args.checkpoint[0].parent))


def translator(path):
    """The game in a checkpoint, which must be a CycleGAN."""
    game = load_game(path)
    if not isinstance(game, CycleGAN):
        raise InputError(f"{path}: expected a CycleGAN, got {type(game).__name__}")
    return game


def translating(args):
    """Held-out digits or fresh house numbers, translated."""
    game = translator(args.checkpoint)
    back = args.to == "digits"
    images, labels = houses(2, TESTED) if back else digits(args)[1]
    chosen = np.random.default_rng(args.seed).permutation(len(images))[:args.n]
    images, labels = data.to_images(images[chosen]), labels[chosen]
    translated = game.translate(images, back)
    if args.out.suffix == ".png":
        save_pairs(args.out, images, translated)
    else:
        with atomic(args.out) as temporary:
            np.savez_compressed(temporary, images=in_grey(translated) if back else translated, labels=labels)
    print(f"{args.out}: {args.n} {args.to}")


def save_pairs(path, images, translated, columns=10):
    """A sheet: ten images, below them their translations, and so on."""
    black = np.full((-len(images) % columns, *images.shape[1:]), -1, np.float32)
    rows = [np.concatenate([half, black]).reshape(-1, columns, *images.shape[1:]) for half in (images, translated)]
    plotting.save_sheet(path, np.stack(rows, 1).reshape(-1, *images.shape[1:]), columns)


def main():
    """The command that was asked for."""
    args = arguments()
    {"train": training, "measure": measuring, "translate": translating}[args.command](args)


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes")
