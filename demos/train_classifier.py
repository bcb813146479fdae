"""Train the classifier of numgan.metrics: python demos/train_classifier.py --data mnist --out classifier.npz

If interrupted, the same command resumes it after the last complete epoch, saved in classifier.partial.npz.
"""

import argparse
import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from numgan import Adam, checkpoint, console, data, softmax_cross_entropy
from numgan.console import SEED, file, whole
from numgan.files import atomic
from numgan.memory import keep_freed_memory
from numgan.metrics import Classifier, network
from numgan.network import load_arrays
from numgan.run import same_run

BATCH, LR, SHIFT = 100, 3e-3, 2  # images; Adam's initial learning rate; largest shift in pixels


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the digit classifier of numgan.metrics.", usage="%(prog)s [options]")
    add = parser.add_argument
    add("--data", choices=data.NAMES, default="digits-10k",
        help="10,000 embedded digits (default; a tenth held out for testing), or MNIST's 60,000 and its test set")
    add("--data-dir", help="folder with MNIST's files; default $NUMGAN_DATA, or else they are downloaded")
    add("--epochs", type=whole(1, 10_000), default=15, help="passes through the training digits; default 15")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--out", type=file(".npz"), default="classifier.npz", help="the file to write; default classifier.npz")
    return parser.parse_args()


def epochs_done(partial, about, state, rng):
    """The number of epochs done in `partial`, a file of the training `about`; restores `state` and rng from it."""
    if not partial.exists():
        return 0
    saved, arrays = checkpoint.load(partial)
    same_run(partial, about, saved)
    load_arrays(state, arrays, partial)
    rng.bit_generator.state = saved["rng"]
    return saved["done"]


def train(net, images, labels, rng, partial, about):
    """Adam on randomly shifted digits; the learning rate falls linearly to 0. Saves to `partial` after every epoch."""
    optimizer, epochs = Adam(net.parameters(), LR), about["epochs"]
    state = net.state() | {f"optimizer.{name}": array for name, array in optimizer.state().items()}
    done = epochs_done(partial, about, state, rng)
    print(f"{len(images):,} digits to train on, {epochs - done} epochs", file=sys.stderr)
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    shifted = sliding_window_view(padded, (28, 28), axis=(1, 2))  # (n, 2 SHIFT + 1, 2 SHIFT + 1, 28, 28), a view
    for epoch in range(done, epochs):
        batches = np.array_split(rng.permutation(len(images)), max(1, len(images) // BATCH))
        for i, batch in enumerate(batches):
            optimizer.lr = LR * (1 - (epoch + i / len(batches)) / epochs)
            down, right = rng.integers(0, 2 * SHIFT + 1, (2, len(batch)))
            loss = softmax_cross_entropy(net(data.to_images(shifted[batch, down, right])), labels[batch])
            optimizer.minimize(loss)
            if i % 20 == 0 and sys.stderr.isatty():
                print(f"\repoch {epoch + 1}/{epochs} {i / len(batches):4.0%} loss {loss.item():.4f} ", end="", file=sys.stderr)
        print(f"\repoch {epoch + 1}/{epochs} 100% loss {loss.item():.4f}", file=sys.stderr)
        checkpoint.save(partial, about | {"done": epoch + 1, "rng": rng.bit_generator.state}, state)


def accuracy(net, images, labels):
    """Share of images that are classified correctly."""
    return (Classifier(net).probabilities(data.to_images(images)).argmax(1) == labels).mean()


def main():
    """Digits in, a file for numgan/data/ out."""
    args = arguments()
    training, test = data.divided(args.data, args.data_dir, every=10)
    weights_rng, rng = map(np.random.default_rng, np.random.SeedSequence(args.seed).spawn(2))
    keep_freed_memory()
    net = network(weights_rng)
    partial, about = args.out.with_suffix(".partial.npz"), {"data": args.data, "epochs": args.epochs, "seed": args.seed}
    with atomic(args.out) as temporary:
        temporary.touch()  # what cannot be written fails now, not after training
        train(net, *training, rng, partial, about)
        print(f"accuracy on {len(test[0]):,} test digits {accuracy(net, *test):.2%}", end=", ")
        rounded = {name: array.astype(np.float16) for name, array in net.state().items()}
        net.load_state({name: array.astype(np.float32) for name, array in rounded.items()})
        print(f"rounded to float16 {accuracy(net, *test):.2%}")
        np.savez_compressed(temporary, **rounded)
    partial.unlink(missing_ok=True)
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes after the last complete epoch")
