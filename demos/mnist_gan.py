"""Train a GAN on handwritten digits: python demos/mnist_gan.py  (see --help; the first thing to run)."""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from numgan import InputError, checkpoint, data
from numgan.games import ACGAN, BEGAN, DCGAN, LSGAN, SGAN, VanillaGAN
from numgan.training import Batches, Run, load_game, train

GAMES = {"dcgan": (DCGAN, {}), "dense": (VanillaGAN, {"variant": "dense"}), "shallow": (VanillaGAN, {"variant": "shallow"}),
         "minimal": (VanillaGAN, {"variant": "minimal"}), "lsgan": (LSGAN, {}), "sgan": (SGAN, {}), "acgan": (ACGAN, {}),
         "began": (BEGAN, {})}
DEFAULTS = {"game": "dcgan", "steps": 2000, "every": 200, "seed": 0, "data": "digits-10k", "data_dir": None, "batch": None}
GAME_OPTIONS = ("objective", "d_steps", "real_label", "lr", "lr_steps", "average", "gamma")
OWNERS = {"labels": "sgan", "gamma": "began"}  # options of one game only


def arguments():
    """The command line; an option that is not given is not there, so that --resume can tell."""
    parser = argparse.ArgumentParser(description="Train a GAN on handwritten digits.", usage="%(prog)s [options]",
                                     argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--game", choices=GAMES, help="default dcgan")
    add("--steps", type=int, help="steps in all, those before --resume included; default 2000")
    add("--batch", type=int, help="images in each minibatch; default 32 (dense, sgan 128, shallow, minimal 100, began 16)")
    add("--seed", type=int, help="of everything random; default 0")
    add("--data", choices=("digits-10k", "mnist"), help="10,000 embedded digits (default) or MNIST's 60,000")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    add("--out", type=Path, help="folder for the results; default runs/GAME, after --resume the checkpoint's")
    add("--every", type=int, help="steps from one sample sheet and checkpoint to the next; default 200")
    add("--objective", choices=("non-saturating", "saturating", "feature matching"),
        help="G's; default non-saturating (sgan: feature matching)")
    add("--d-steps", type=int, help="steps of D per step of G (Goodfellow's k); default 1")
    add("--real-label", type=float, help="D's target for real images, in (0.5, 1]; default 1, dense 0.9")
    add("--lr", type=float, help="Adam's learning rate; default: the game's")
    add("--lr-steps", type=int, help="let the learning rate fall to 0 over the second half of so many steps; default: it does "
                                     "not (sgan: 6000)")
    add("--average", type=float, help="draw with a moving average of G's weights; each step keeps this share of it, say 0.99; "
                                      "0.999 for 10,000 steps and more, as G's random first weights fade as slowly")
    add("--labels", type=int, help="sgan: how many labelled images, class-balanced; default 100")
    add("--gamma", type=float, help="began: the diversity ratio, in (0, 1]; default 0.95")
    add("--resume", type=Path, metavar="CHECKPOINT", help="go on with a run as if it had never stopped")
    add("--summary", action="store_true", help="print the networks and leave")
    return vars(parser.parse_args())


def new_game(about, rng):
    """The game that the options describe."""
    for name, owner in OWNERS.items():
        if name in about and about["game"] != owner:
            raise InputError(f"--{name}: is for --game {owner}, this one is {about['game']}")
    game, settings = GAMES[about["game"]]
    return game(**settings, **{name: about[name] for name in GAME_OPTIONS if name in about}, rng=rng)


def batches_for(about, d_steps, rng):
    """The minibatches that the options describe."""
    images, labels = data.load(about["data"], about["data_dir"])
    if about["game"] == "sgan":
        rng_labels = np.random.default_rng(seeds(about)[2])
        labels = data.few_labels(labels, about.get("labels", 100), rng_labels)
    return Batches(images, about["batch"] * d_steps, rng, labels if GAMES[about["game"]][0].labelled else None)


def seeds(about):
    """Of the game, of the minibatches, and of the choice of labelled images."""
    return np.random.SeedSequence(about["seed"]).spawn(3)


def new_run(options):
    """A run from its beginning, in a folder that holds no other."""
    out = options.pop("out", Path("runs", options.get("game", "dcgan")))
    if any((out / name).exists() for name in ("checkpoint.npz", "log.csv")):
        raise InputError(f"{out} holds a run already: choose another --out, or go on with it: --resume {out}/checkpoint.npz")
    about = DEFAULTS | options
    if about["seed"] < 0:
        raise InputError(f"--seed: expected a number >= 0, got {about['seed']}")
    game_seed, data_seed, _ = seeds(about)
    game = new_game(about, np.random.default_rng(game_seed))
    about["batch"] = game.batch if about["batch"] is None else about["batch"]
    return Run(game, batches_for(about, game.d_steps, np.random.default_rng(data_seed)), out, about)


def resumed_run(options):
    """The run in a checkpoint. Of the options, only --steps, --every, --out and --data-dir may differ from its own."""
    path = options.pop("resume")
    out = options.pop("out", path.parent)
    about = checkpoint.load(path)[0].get("run", {})
    if missing := DEFAULTS.keys() - about.keys():
        raise InputError(f"{path}: not from a run of this script: it does not tell {', '.join(sorted(missing))}")
    for name in options.keys() - {"steps", "every", "data_dir"}:
        if options[name] != about.get(name):
            flag, own = "--" + name.replace("_", "-"), about.get(name, "the default")
            raise InputError(f"{flag} {options[name]}: the run in {path} has {own}, and goes on with it")
    about |= options
    if out.resolve() != path.parent.resolve() and (out / "checkpoint.npz").exists():
        raise InputError(f"{out} holds another run: choose another --out")
    batches = batches_for(about, about.get("d_steps", 1), np.random.default_rng())
    return Run.load(path, batches, out, about)


def main():
    """Settings, game, loop."""
    options = arguments()
    if options.pop("summary", False):
        new = "resume" not in options
        game = new_game(DEFAULTS | options, np.random.default_rng(0)) if new else load_game(options["resume"])
        print(f"generator\n{game.generator.summary()}\n\ndiscriminator\n{game.discriminator.summary()}")
        return
    run = resumed_run(options) if "resume" in options else new_run(options)
    try:
        train(run, run.about["steps"], run.about["every"])
    except KeyboardInterrupt:
        sys.exit(f"go on with: {sys.executable} {sys.argv[0]} --resume {run.path}")
    print(f"{run.out}: samples/, progress.gif, curves.png, log.csv, checkpoint.npz")


if __name__ == "__main__":
    try:
        main()
    except (InputError, FloatingPointError, MemoryError, OSError) as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: error: {error}")
