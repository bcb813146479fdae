"""Measure the digits of a trained generator beside real ones: python demos/evaluate.py runs/dcgan/checkpoint.npz"""

import argparse
import os
from pathlib import Path

import numpy as np

from numgan import InputError, console, data, metrics
from numgan.console import SEED, whole
from numgan.games import GAN
from numgan.games.classes import ClassCodes, asked
from numgan.run import load_game

VALIDATION = 1000  # training digits with which Parzen's sigma is chosen
SIGMAS = np.logspace(-1, 0, 41)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the digits of a trained generator beside real ones.",
                                     usage="%(prog)s CHECKPOINT [options]")
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="a run's checkpoint.npz")
    add("--n", type=whole(2), help="how many digits; default and maximum 10,000, or 5,000 with digits-10k")
    add("--seed", type=SEED, default=0, help="random seed of the codes z; default 0")
    add("--data", choices=data.NAMES, help="the real digits; default mnist if --data-dir or $NUMGAN_DATA is set, else the "
                                           "10,000 embedded digits, which have no test set")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    args = parser.parse_args()
    args.data = args.data or ("mnist" if args.data_dir or os.environ.get("NUMGAN_DATA") else "digits-10k")
    return args


def real_digits(name, folder):
    """Two pairs (images, labels), shuffled: reference and others. Training and test set, or halves of the embedded digits."""
    images, labels = data.load(name, folder)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    if name == "mnist":
        others = data.mnist("test", folder)
        order = np.random.default_rng(0).permutation(len(others[0]))
        return (images, labels), (others[0][order], others[1][order])
    half = len(images) // 2
    return (images[:half], labels[:half]), (images[half:], labels[half:])


def figures(reference, labels, generated, real):
    """Rows of the table: name, figure of the generated images, figure of the real images. Images are in [-1, 1]."""
    classifier = metrics.load_classifier()
    both = generated, real
    features = classifier.features(reference)
    yield "digit-FID", *(f"{metrics.frechet_distance(classifier.features(x), features):.2f}" for x in both)
    probabilities = [classifier.probabilities(x) for x in both]
    yield "digit score, 1 to 10", *(f"{metrics.digit_score(p):.3f}" for p in probabilities)
    histograms = [metrics.digit_histogram(p) for p in probabilities]
    yield "0, 1, ... 9, %", *(" ".join(f"{share:.0f}" for share in 100 * h / h.sum()) for h in histograms)
    yield "KL to the reference's, nats", *(f"{metrics.histogram_kl(h, np.bincount(labels)):.4f}" for h in histograms)
    confidences = [metrics.confidence(p) for p in probabilities]
    yield "confidence, mean", *(f"{mean:.4f}" for mean, _ in confidences)
    yield "confidence above 0.9, %", *(f"{100 * share:.1f}" for _, share in confidences)
    yield "diversity: RMS difference", *(f"{metrics.diversity(x):.3f}" for x in both)
    yield "distance to nearest reference digit", *(f"{np.median(metrics.nearest(x, reference)[0]):.2f}" for x in both)


def figures_of_classes(game, rng, reference, labels, real, real_labels):
    """More rows for a game whose D classifies digits; the first two need codes that ask for digits."""
    if isinstance(game, ClassCodes):
        n = min(len(reference), 50_000)
        codes, classifier = game.latent(n, rng), metrics.load_classifier()
        wanted, generated = asked(codes), game.generate(codes)
        read = classifier.probabilities(generated[:len(real)]).argmax(1) == wanted[:len(real)]
        right = classifier.probabilities(real).argmax(1) == real_labels
        yield "classified as asked, as labelled, %", f"{100 * read.mean():.2f}", f"{100 * right.mean():.2f}"
        errors = [metrics.one_nn_error(x, y, real, real_labels) for x, y in ((generated, wanted), (reference[:n], labels[:n]))]
        yield f"1-NN error with {n:,} of them, %", *(f"{100 * error:.2f}" for error in errors)
    yield "D's accuracy, %", "", f"{100 * (game.classify(real) == real_labels).mean():.2f}"


def parzen(samples, validation, test):
    """Parzen's log-likelihood of the test digits: mean, standard error and sigma, as text."""
    samples, validation, test = ((x.reshape(len(x), -1) + 1) / 2 for x in (samples, validation, test))
    sigma = metrics.choose_sigma(samples, validation, SIGMAS)
    nats = metrics.parzen_log_likelihood(samples, test, sigma)
    return f"{nats.mean():.1f} ± {nats.std() / np.sqrt(len(nats)):.1f} (σ = {sigma:.3f})"


def main():
    """Checkpoint in, table out."""
    args = arguments()
    game = load_game(args.checkpoint)
    shape = game.image_shape if isinstance(game, GAN) else type(game).__name__
    if shape != (28, 28, 1):
        raise InputError(f"{args.checkpoint}: expected a game that draws digits, images (28, 28, 1), got {shape}")
    (reference, labels), (real, real_labels) = real_digits(args.data, args.data_dir)
    n = len(real) if args.n is None else args.n
    if not 2 <= n <= len(real):
        raise InputError(f"--n: expected 2 … {len(real)}, the number of real digits to compare with, got {n}")
    generated = game.sample(n, np.random.default_rng(args.seed))
    reference, real = data.to_images(reference), data.to_images(real[:n])
    if args.data == "mnist":
        print(f"{n:,} digits; real: MNIST's test set; reference: its {len(reference):,} training digits")
    else:
        print(f"{n:,} digits; real: half of the embedded ones; reference: the other half "
              "(the classifier was trained on both, and G may have been)")

    def line(name, ours, theirs):
        print(f"{name:<36}{ours:>32}{theirs:>32}", flush=True)

    line("", "generated", "real")
    for row in figures(reference, labels, generated, real):
        line(*row)
    if hasattr(game, "classify"):
        for row in figures_of_classes(game, np.random.default_rng(args.seed), reference, labels, real, real_labels[:n]):
            line(*row)
    if args.data == "mnist":
        validation, training = reference[:VALIDATION], reference[VALIDATION:VALIDATION + n]
        line("Parzen log-likelihood of test digits", *(parzen(x, validation, real) for x in (generated, training)))
    else:
        print("Parzen log-likelihood: needs MNIST's test set (--data mnist)")


if __name__ == "__main__":
    console.run(main)
