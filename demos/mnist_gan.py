"""Train a GAN on handwritten digits: python demos/mnist_gan.py  (see --help; the first thing to run).

--data takes pictures of your own as well: `read` in numgan/pictures.py tells which, and what becomes of them.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from numgan import InputError, console, data
from numgan.batches import HalfLabelledBatches, ImageBatches
from numgan.console import SEED, folder, whole
from numgan.doctor import Doctor
from numgan.games import ACGAN, BEGAN, DCGAN, LSGAN, SGAN, ConditionalSGAN, FixMatchSGAN, VanillaGAN
from numgan.run import Run, intact, load_game, recorded
from numgan.training import resume_hint, train, unfinished

GAMES = {"dcgan": (DCGAN, {}), "dense": (VanillaGAN, {"variant": "dense"}), "shallow": (VanillaGAN, {"variant": "shallow"}),
         "minimal": (VanillaGAN, {"variant": "minimal"}), "lsgan": (LSGAN, {}), "sgan": (SGAN, {}),
         "fixmatch": (FixMatchSGAN, {}), "conditional": (ConditionalSGAN, {}), "acgan": (ACGAN, {}), "began": (BEGAN, {})}
DEFAULTS = {"game": "dcgan", "steps": 2000, "every": 200, "seed": 0, "data": "digits-10k", "data_dir": None, "batch": None}
GAME_OPTIONS = ("objective", "d_steps", "real_label", "lr", "d_lr", "beta1", "lr_steps", "dropout", "categories",
                "average", "gamma")
CONVOLUTIONAL = {"lr": 2e-4, "dropout": 0.3, "categories": 0, "average": None}
TUTORIAL = {"dcgan": CONVOLUTIONAL, "lsgan": CONVOLUTIONAL, "dense": {"lr": 2e-4, "average": None},
            "shallow": {"lr": 2e-4, "beta1": 0.9, "average": None}}
OWNERS = {"labels": ["sgan", "fixmatch", "conditional"], "gamma": ["began"], "dropout": ["dcgan", "lsgan", "acgan"],
          "categories": ["dcgan", "lsgan"],
          "recipe": list(TUTORIAL),  # all these are options that not every game has
          "objective": [name for name in GAMES if name not in ("lsgan", "began")],
          "real_label": [name for name in GAMES if name != "began"]}
LARGEST = 512  # pixels per side: the networks of larger pictures do not fit into the memory of a laptop


def arguments():
    """The command line. An option that is not given is absent, so that --resume knows which were given."""
    parser = argparse.ArgumentParser(description="Train a GAN on handwritten digits, or on pictures of your own.",
                                     usage="%(prog)s [options]", argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--game", choices=GAMES, help="default dcgan")
    add("--steps", type=whole(), help="total steps, including those before --resume; default 2000")
    add("--batch", type=whole(), help="images in each minibatch; default 32 (dense, sgan, fixmatch, conditional 128, "
                                     "shallow, minimal 100, began 16)")
    add("--seed", type=SEED, help="random seed; default 0")
    add("--data", type=source, help="digits-10k (default: 10,000 embedded digits), mnist (60,000), house-numbers (10,000, in "
                                    "colour), svhn (73,257 real ones, from its .mat file), or your own: a folder of pictures, "
                                    "an .npz of images, an idx file")
    add("--size", type=whole(1, LARGEST), help="resample all pictures to this many pixels per side; default: as they are")
    add("--data-dir", type=os.path.realpath,
        help="folder with MNIST's or SVHN's files; default $NUMGAN_DATA, or else MNIST's are downloaded")
    add("--out", type=folder, help="folder for the results; default runs/GAME, or the checkpoint's folder with --resume")
    add("--every", type=whole(), help="steps between sample sheets and checkpoints; default 200")
    add("--objective", choices=("non-saturating", "saturating", "feature matching"),
        help="G's objective; default non-saturating (sgan, fixmatch: feature matching)")
    add("--d-steps", type=whole(1, 1000), help="steps of D per step of G (Goodfellow's k); default 1")
    add("--real-label", type=float, help="D's target for real images, in (0.5, 1]; default 1, dense 0.9")
    add("--recipe", choices=("tutorial",), help="train as the tutorials do: Adam at 0.0002, no average; dcgan, lsgan: also "
                                                "with dropout, and without categories; shallow: beta1 0.9; default: the "
                                                "game's own recipe, which draws better digits in the same time")
    add("--lr", type=float, help="Adam's learning rate; default: the game's")
    add("--d-lr", type=float, help="D's learning rate, if it is not the same; default: the game's, or --lr if that is given")
    add("--beta1", type=float, help="Adam's beta1; default 0.5 (minimal 0.9)")
    add("--lr-steps", type=whole(), help="let the learning rate fall to 0 over the second half of this many steps; default: "
                                     "constant (sgan, fixmatch, conditional: 6000)")
    add("--dropout", type=float, help="rate of D's dropout; default: the game's")
    add("--categories", type=whole(0), help="dcgan, lsgan: each code names one of so many categories, whose meaning is left "
                                            "to G; 0 for none; default: the recipe's, 20 (lsgan 30) or 0")
    add("--average", type=decay, help="draw samples with a moving average of G's weights, with this decay per step; 0 for "
                                      "none; default: the game's")
    add("--labels", type=whole(), help="sgan, fixmatch, conditional: number of labelled images, class-balanced; default 100")
    add("--gamma", type=float, help="began: the diversity ratio, in (0, 1]; default 0.95")
    add("--resume", type=Path, metavar="CHECKPOINT", help="resume a run, as if it had not been interrupted")
    add("--summary", action="store_true", help="print the networks and exit")
    return vars(parser.parse_args())


def source(text):
    """A name that `data.load` knows, or an absolute path: the run may be resumed from another folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a data set or a path, got ''")
    return str(Path(text).resolve()) if text not in data.SETS and Path(text).exists() else text


def decay(text):
    """A moving average's decay: a number, or None for 0."""
    return float(text) or None


def pictures(about):
    """The pictures that the options describe, and their labels."""
    images, labels = data.load(about["data"], about["data_dir"], about.get("size"))
    if images.shape[1] > LARGEST:
        raise InputError(f"--data {about['data']}: expected pictures of at most {LARGEST} pixels per side, "
                         f"got {images.shape[1]}; --size 64, say, makes them smaller")
    return images, labels


def game_for(about, images):
    """The game that the options describe, for such images."""
    for name, owners in OWNERS.items():
        if name in about and about["game"] not in owners:
            raise InputError(f"--{name.replace('_', '-')}: expected --game {' or '.join(owners)}, got {about['game']}")
    game, settings = GAMES[about["game"]]
    recipe = TUTORIAL[about["game"]] if "recipe" in about else {}
    settings = settings | recipe | {name: about[name] for name in GAME_OPTIONS if name in about}
    settings |= {"size": images.shape[1], "channels": 1 if images.ndim == 3 else images.shape[3]}
    return game(**settings, rng=np.random.default_rng(seeds(about)[0]))


def batches_for(about, images, labels, size):
    """The minibatches that the options describe."""
    _, seed, seed_of_labels = seeds(about)
    if about["game"] not in OWNERS["labels"]:
        return ImageBatches(images, size, np.random.default_rng(seed), labels)
    few = data.few_labels(labels, about.get("labels", 100), np.random.default_rng(seed_of_labels))
    return HalfLabelledBatches(images, size, np.random.default_rng(seed), few)


def seeds(about):
    """Three seeds: of the game, of the minibatches, and of the choice of labelled images."""
    return np.random.SeedSequence(about["seed"]).spawn(3)


def new_run(about, out):
    """A new run. Its checkpoint records the SHA-256 of the data; of a run that is resumed, `about` has it already."""
    images, labels = pictures(about)
    game = game_for(about, images)
    sha256 = data.fingerprint(images, labels)
    if about.setdefault("sha256", sha256) != sha256:
        hint = " (another version of matplotlib draws others)" if about["data"] == "house-numbers" else ""
        raise InputError(f"--data {about['data']}: expected the pictures that the run was started with, got others{hint}")
    about["batch"] = game.batch_size if about["batch"] is None else about["batch"]
    return Run(game, batches_for(about, images, labels, about["batch"] * game.d_steps), out, about)


def run_for(options):
    """The resumed run, or a new one in a folder that holds no other."""
    path, out = (options.pop(name, None) for name in ("resume", "out"))
    if path is None:
        out = out or Path("runs", options.get("game", DEFAULTS["game"]))
        if (out / "checkpoint.npz").exists():
            raise InputError(f"{out} already holds a run: choose another --out, or resume it: --resume "
                             f"{console.pasted(out / 'checkpoint.npz')}")
        return new_run(DEFAULTS | options, out)
    path = Path(os.path.realpath(path)) if path.is_symlink() else path  # the run goes on where its checkpoint is
    elsewhere = ("data",) if options.get("data", DEFAULTS["data"]) not in data.SETS else ()  # the pictures may have moved
    about, out = recorded(path, options, DEFAULTS, ("steps", "every", "data_dir", *elsewhere)), out or path.parent
    if elsewhere:
        about.setdefault("sha256", None)  # a run that records none was not started with pictures from a path
    if out.resolve() != path.parent.resolve() and (out / "checkpoint.npz").exists():
        raise InputError(f"{out} holds another run: choose another --out")
    with intact(path):
        batches = new_run(about, out).batches
    return Run.load(path, batches, out, about)


def main():
    """Settings, game, loop."""
    options = arguments()
    if options.pop("summary", False):
        if path := options.pop("resume", None):
            recorded(path, options, DEFAULTS, ("steps", "every", "data_dir", "out"))
            game = load_game(path)
        else:
            about = DEFAULTS | options
            game = game_for(about, pictures(about)[0])
        print("\n\n".join(f"{name}\n{network.summary()}" for name, network in game.networks().items()))
        return
    wanted = options.get("steps")
    run = run_for(options)
    try:
        if wanted or unfinished(run, run.about["steps"]):
            train(run, run.about["steps"], run.about["every"], Doctor(digits=run.about["data"] in data.NAMES))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume_hint(run)) from None
    print(f"{run.out}: samples/, progress.gif, curves.png, log.csv, checkpoint.npz")


if __name__ == "__main__":
    console.run(main)
