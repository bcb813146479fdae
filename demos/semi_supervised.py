"""How far do a few labels go? One network trained in three ways: on the labelled images alone, in SGAN, and with FixMatch.

python demos/semi_supervised.py
"""

import argparse
import csv
import re

import numpy as np

from numgan import InputError, console, data
from numgan.batches import HalfLabelledBatches, ImageBatches
from numgan.console import folder, whole
from numgan.files import atomic
from numgan.games import SGAN, FixMatchSGAN
from numgan.run import Run, continued
from numgan.training import train, unfinished

PUBLISHED = {25: "80.2", 50: "88.3", 100: "92.8 (Salimans et al.: 99.07)", 1000: "96.4"}  # Odena 2016, table 1, in %
SUPERVISED_STEPS = 1000
KEYS = "data", "labels", "seed", "steps"
METHODS = "supervised", "sgan", "fixmatch"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(usage="%(prog)s [options]", description=(
        "Test accuracy with a few labels, with and without unlabelled images. If interrupted, the same command resumes the "
        "table."))
    add = parser.add_argument
    add("--labels", type=whole(), nargs="+", default=[25, 50, 100, 1000],
        help="numbers of labelled images; default 25 50 100 1000")
    add("--seeds", type=whole(1, 1000), default=3, help="runs for each number of labels; default 3")
    add("--steps", type=whole(), default=6000, help="training steps of SGAN and of FixMatch; default 6000")
    add("--data", choices=data.NAMES, default="mnist", help="MNIST (default), or the embedded digits, a fifth held out")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    add("--out", type=folder, default="runs/semi-supervised", help="folder; default runs/semi-supervised")
    return parser.parse_args()


def new_run(kind, out, images, labels, n, seed, steps):
    """SGAN or FixMatchSGAN with n labelled images, which the seed also chooses."""
    game_seed, data_seed, labels_seed = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    game = kind(lr_steps=steps, rng=game_seed)
    return Run(game, HalfLabelledBatches(images, game.batch_size, data_seed, data.few_labels(labels, n, labels_seed)), out)


def semi_supervised(run, steps):
    """The game of a run after all its steps; resumed if its folder holds a checkpoint."""
    run = continued(run)
    if unfinished(run, steps):
        train(run, steps, every=1000)
    return run.game


def supervised(run):
    """The game of a new run after training D on the labelled images alone."""
    all_of_it = run.batches
    known = all_of_it.known
    batches = ImageBatches(all_of_it.images[known], all_of_it.size, all_of_it.rng, all_of_it.labels[known])
    for _ in range(SUPERVISED_STEPS):
        run.game.supervised_step(*next(batches))
    return run.game


def trained(method, out, images, labels, n, seed, steps):
    """The game after one of METHODS."""
    setting = images, labels, n, seed
    if method == "supervised":
        return supervised(new_run(SGAN, out, *setting, SUPERVISED_STEPS))
    kind, place = (SGAN, out) if method == "sgan" else (FixMatchSGAN, out.with_name(f"{out.name}-fixmatch"))
    return semi_supervised(new_run(kind, place, *setting, steps), steps)


def main():
    """Do every run that results.csv lacks, and print the table."""
    args = arguments()
    (images, labels), (test_images, test_labels) = data.divided(args.data, args.data_dir)
    test_images = data.to_images(test_images)
    for n in args.labels:
        data.few_labels(labels, n, np.random.default_rng(0))  # refuses impossible numbers before anything is trained
    path = args.out / "results.csv"
    saved(path)  # refuses a file that is not ours
    header = f"{'labels':8} {'supervised only, %':24} {'SGAN, %':24} {'with FixMatch, %':24} Odena 2016, SGAN, %\n"
    for n in args.labels:
        found = {method: [] for method in METHODS}
        for seed in range(args.seeds):
            key = (args.data, str(n), str(seed), str(args.steps))
            for method in METHODS:
                accuracy = saved(path).get(key, {}).get(method)
                if not accuracy:
                    out = args.out / f"{args.data}-{n}-labels-seed-{seed}"
                    game = trained(method, out, images, labels, n, seed, args.steps)
                    accuracy = f"{100 * (game.classify(test_images) == test_labels).mean():.2f}"
                    save(path, key, method, accuracy)
                found[method].append(float(accuracy))
        texts = [f"{np.mean(a):.2f} ({min(a):.2f} … {max(a):.2f})" for a in found.values()]
        print(f"{header}{n:<8} " + "".join(f"{text:24} " for text in texts) + PUBLISHED.get(n, ""), flush=True)
        header = ""


def saved(path):
    """The rows of results.csv: values of KEYS -> row. InputError if the file is not one."""
    if not path.exists():
        return {}
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            table = csv.DictReader(file)
            rows, columns = list(table), set(table.fieldnames or KEYS)
    except csv.Error as error:
        raise InputError(f"{path}: expected a table, got {error}") from None
    for row in (dict.fromkeys(columns, ""), *rows):  # the head, if there are no rows
        accuracies = [row.get(method) or "" for method in METHODS]
        if not set(KEYS) <= row.keys() <= {*KEYS, *METHODS} or not all(re.fullmatch(r"(\d+\.\d\d)?", a) for a in accuracies):
            raise InputError(f"{path}: expected columns {', '.join(KEYS + METHODS)}, and accuracies in %, got {row}")
    return {tuple(row[name] for name in KEYS): row for row in rows}


def save(path, key, method, accuracy):
    """Put an accuracy into results.csv."""
    rows = saved(path)
    rows.setdefault(key, dict(zip(KEYS, key, strict=True)))[method] = accuracy
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*KEYS, *METHODS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes the table")
