"""Walk through a generator's codes: python demos/latent.py all runs/dcgan/checkpoint.npz

categories   a row of codes for each category that they name, sorted by the digits that these turn out to be
interpolate  from one code to another: on a straight line (upper rows) and on an arc (lower rows). Half-way between two
             categories there is a gap, where G was not trained
arithmetic   bold 7 - thin 7 + thin 1, as in Radford et al. 2016, section 6.3.2, but with means of ten codes, not three.
             For each term, three of its codes and the mean of all ten; on the right, the sum
reconstruct  the codes of given digits, by descent on z: held-out digits and what G makes of them; then training digits
all          these four on one sheet; without categories if codes name none
compare      train DCGAN with batch norm and with weight norm: which reconstructs held-out digits better? (After Xiang &
             Li 2017)
"""

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

from numgan import InputError, captions, console, data, metrics, plotting
from numgan.batches import ImageBatches
from numgan.console import SEED, file, folder, whole
from numgan.games import DCGAN
from numgan.latent import check_codes, descend, lerp, reconstruct, slerp
from numgan.run import Run, continued, load_game
from numgan.training import train, unfinished

COLUMNS = 16  # of a sheet
CODES = 4000  # from which arithmetic chooses
EQUATIONS = (7, 1), (3, 5), (0, 6), (4, 9), (8, 2)  # the digits a, b of bold a - thin a + thin b


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help="COMMAND --help lists its options")
    for name in ("categories", "interpolate", "arithmetic", "reconstruct", "all", "compare"):
        add = commands.add_parser(name, usage="%(prog)s [options]").add_argument
        if name == "compare":
            add("--steps", type=whole(), default=2000, help="training steps; default 2000")
            add("--seeds", type=whole(1, 1000), default=2, help="runs with each norm; default 2")
            add("--out", type=folder, default="runs/norms", help="folder for the runs; default runs/norms")
        else:
            add("checkpoint", type=Path, metavar="CHECKPOINT", help="a run's checkpoint.npz")
            add("--seed", type=SEED, default=0, help="random seed of the codes z; default 0")
            add("--out", type=file(".png"), default=f"{name}.png", help=f"the sheet; default {name}.png")
        if name in ("reconstruct", "all", "compare"):
            n, restarts = (100, 2) if name == "compare" else (32, 8)
            add("--n", type=whole(1, 5000), default=n, help=f"how many held-out and how many training digits; default {n}")
            add("--restarts", type=whole(1, 1000), default=restarts, help=f"starting codes for each digit; default {restarts}")
            add("--descent", type=whole(), default=200, help="steps of each descent; default 200")
            add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    return parser.parse_args()


def categories(game, rng):
    """A row of digits for each category. Prints which digit is the most frequent one in each, and how frequent it is."""
    z = game.latent(CODES, rng)
    images, named = game.generate(z), z[:, :game.categories].argmax(1)
    read = metrics.load_classifier().probabilities(images).argmax(1)
    counts = np.array([np.bincount(read[named == category], minlength=10) for category in range(game.categories)])
    print(f"the most frequent digits of {game.categories} categories, and their shares")
    rows = np.full((game.categories, COLUMNS, *images.shape[1:]), -1, images.dtype)
    for row, category in zip(rows, np.lexsort((-counts.max(1), counts.argmax(1))), strict=True):
        mine, digits = images[named == category][:COLUMNS], counts[category]
        row[:len(mine)] = mine
        print(f"{digits.argmax()}  {digits.max() / max(digits.sum(), 1):.0%}")
    print(f"all categories together  {counts.max(1).sum() / CODES:.0%}")
    return rows.reshape(-1, *images.shape[1:])


def interpolation(game, rng):
    """From code to code, three times, in COLUMNS steps, from one digit to another. Prints length and confidence half-way."""
    classifier = metrics.load_classifier()
    a, b = game.latent(1000, rng).reshape(2, 500, -1)
    print(f"{'500 codes':<20} length  p(digit) > 0.9")
    for name, z in ("random", a), ("half-way, linear", lerp(a, b, 0.5)), ("half-way, spherical", slerp(a, b, 0.5)):
        sure = metrics.confidence(classifier.probabilities(game.generate(z)))[1]
        print(f"{name:<20} {np.linalg.norm(z, axis=1).mean():<6.2f}  {sure:.1%}")
    p = classifier.probabilities(game.generate(a))
    surest = p.argmax(0)[p.max(0).argsort()[-6:]]  # for six digits, the code that draws it most surely
    a, b = a[surest].reshape(2, 3, 1, -1)
    t = np.linspace(0, 1, COLUMNS)
    ways = np.stack([lerp(a, b, t), slerp(a, b, t)], 1)  # (3, 2, COLUMNS, d)
    return game.generate(ways.reshape(6 * COLUMNS, -1))


def arithmetic(game, rng):
    """The EQUATIONS, a row each, with means of ten codes. Prints how often bold a - thin a + thin b is a bold b."""
    z = game.latent(CODES, rng)
    images, classifier = game.generate(z), metrics.load_classifier()
    probabilities, ink = classifier.probabilities(images), captions.ink(images)
    bold, thin = [], []  # for each digit, a third of the codes that draw it with certainty
    for digit in range(10):
        sure = np.flatnonzero(probabilities[:, digit] > 0.99)
        if len(sure) < 30:
            raise InputError(f"arithmetic: expected 30 codes among {CODES} that surely draw a {digit}, got {len(sure)}: "
                             "has the generator been trained long enough?")
        sure = sure[ink[sure].argsort()]
        thin.append(sure[:len(sure) // 3])
        bold.append(sure[-(len(sure) // 3):])

    def add_up(pairs, k):
        """k codes for each term, and the codes of the terms and of the sum: (n, 3, k) indices, (n, 4, d)."""
        chosen = np.array([[rng.choice(term, k, replace=False) for term in (bold[a], thin[a], thin[b])] for a, b in pairs])
        terms = z[chosen].mean(2)
        return chosen, np.concatenate([terms, terms[:, :1] - terms[:, 1:2] + terms[:, 2:]], 1)

    print("bold a - thin a + thin b   all terms right   the sum is a b   bolder than thin b")
    pairs = np.array(list(itertools.permutations(range(10), 2)))
    wanted = pairs[:, [0, 0, 1, 1]]
    for k in 1, 3, 10:
        drawn = [game.generate(codes) for codes in add_up(pairs, k)[1].swapaxes(0, 1)]
        read = np.stack([classifier.probabilities(x).argmax(1) for x in drawn], 1) == wanted
        bolder = captions.ink(drawn[3]) > captions.ink(drawn[2])
        shares = read[:, :3].all(1).mean(), read[:, 3].mean(), bolder.mean()
        print(f"means of {k:<2} codes           {shares[0]:<17.0%} {shares[1]:<16.0%} {shares[2]:.0%}")
    chosen, codes = add_up(EQUATIONS, 10)
    rows = np.full((len(EQUATIONS), COLUMNS, *images.shape[1:]), -1, images.dtype)
    for i in range(3):
        rows[:, 5 * i:5 * i + 3], rows[:, 5 * i + 3] = images[chosen[:, i, :3]], game.generate(codes[:, i])
    rows[:, -1] = game.generate(codes[:, 3])
    for (a, b), p in zip(EQUATIONS, classifier.probabilities(rows[:, -1]), strict=True):
        print(f"bold {a} - thin {a} + thin {b}: {p.argmax()}, p = {p.max():.2f}")
    return rows.reshape(-1, *images.shape[1:])


def digits(args):
    """Digits to reconstruct, in [-1, 1]: from MNIST's test set, and from digits-10k, a part of its training set."""
    try:
        held_out = data.mnist("test", args.data_dir)[0]
    except InputError as error:
        raise InputError("expected MNIST's test set, for held-out digits, in the folder --data-dir or $NUMGAN_DATA, or by "
                         f"download: {error}") from None
    trained = data.digits_10k()[0]
    spread = np.linspace(0, len(trained) - 1, args.n).astype(int)
    return {"held-out": data.to_images(held_out[:args.n]), "training": data.to_images(trained[spread])}


def reconstruction(game, rng, args):
    """A row of held-out digits and a row of their reconstructions; the same for training digits. Prints the errors."""
    tries = [2**i for i in range(args.restarts.bit_length())]
    print("mean of (G(z) - x)², pixels in [-1, 1]; best of " + ", ".join(map(str, tries)))
    rows = []
    for name, x in digits(args).items():
        starts = game.latent(len(x) * args.restarts, rng)
        z, errors = descend(game, starts, np.tile(x, (args.restarts, 1, 1, 1)), steps=args.descent)
        z, errors = z.reshape(args.restarts, len(x), -1), errors.reshape(args.restarts, -1)
        print(name, *(f"{errors[:k].min(0).mean():.4f}" for k in tries), flush=True)
        for images in x, game.generate(z[errors.argmin(0), np.arange(len(x))]):
            rows.append(np.full((COLUMNS, *x.shape[1:]), -1, x.dtype))
            rows[-1][:len(x)] = images[:COLUMNS]
    return np.concatenate(rows)


def compare(args):
    """Train what has not been trained yet, both norms with the same seeds and learning rate; reconstruct; print a table."""
    known, images, classifier = digits(args), data.digits_10k()[0], metrics.load_classifier()
    features = classifier.features(data.to_images(images))
    rows = {"batch": [], "weight": []}
    for seed, norm in itertools.product(range(args.seeds), rows):
        run = norm_run(args.out / f"{norm}-{seed}", norm, seed, images)
        if run.step > args.steps:
            raise InputError(f"{run.path}: expected at most {args.steps} steps (--steps), got {run.step}")
        if unfinished(run, args.steps):
            print(run.out, file=sys.stderr)
            train(run, args.steps)
        rng = np.random.default_rng(seed)
        errors = [reconstruct(run.game, x, steps=args.descent, restarts=args.restarts, rng=rng)[1] for x in known.values()]
        fid = metrics.frechet_distance(classifier.features(run.game.sample(2000, rng)), features)
        rows[norm].append([*np.mean(errors, 1), fid])
        report(f"{norm} norm, seed {seed}", rows[norm][-1], known)
    for norm, figures in rows.items():
        report(f"{norm} norm, mean", np.mean(figures, 0), known)


def norm_run(out, norm, seed, images):
    """The run saved in the folder `out`, or a new one."""
    game_seed, data_seed = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    game = DCGAN(norm=norm, lr=2e-4, dropout=0.3, categories=0, average=None, rng=game_seed)
    return continued(Run(game, ImageBatches(images, game.batch_size, data_seed), out, {"norm": norm, "seed": seed}))


def report(name, figures, known):
    """Print a row of the table."""
    *errors, fid = figures
    errors = (f"{x} {error:.4f} " for x, error in zip(known, errors, strict=True))
    print(f"{name:<19}", *errors, f"digit-FID {fid:.1f}", flush=True)


def main():
    """Checkpoint in, sheet and figures out."""
    args = arguments()
    if args.command == "compare":
        return compare(args)
    game, rng = load_game(args.checkpoint), np.random.default_rng(args.seed)
    check_codes(args.checkpoint, game)
    if game.image_shape != (28, 28, 1):
        raise InputError(f"{args.checkpoint}: expected a game of digits, images (28, 28, 1), got {game.image_shape}")
    parts = {"categories": categories, "interpolate": interpolation, "arithmetic": arithmetic,
             "reconstruct": lambda *of: reconstruction(*of, args)}
    if not getattr(game, "categories", 0):
        del parts["categories"]
        if args.command == "categories":
            raise InputError(f"{args.checkpoint}: expected a game whose codes name categories, got {type(game).__name__} "
                             "without any")
    made, problem = [], None
    for part in (part for name, part in parts.items() if args.command in (name, "all")):
        try:
            made.append(part(game, rng))
        except InputError as error:  # a part that a weak generator cannot draw: the others are drawn all the same
            problem = error
    if made:
        blank = np.full_like(made[0][:COLUMNS], -1)
        page = [images for part in made for images in (part, blank)][:-1]
        plotting.save_sheet(args.out, np.concatenate(page), COLUMNS)
        print(args.out)
    if problem:
        raise problem


if __name__ == "__main__":
    console.run(main, stopped="stopped; `compare` is resumed by the same command")
