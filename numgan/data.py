"""The pictures to imitate, and the one pair of maps between their bytes and the [-1, 1] that networks see.

10,000 digits come with the package (data/README.md names their source); the full MNIST is read from files, whose headers are
checked against their contents. House numbers in colour are drawn by numgan, or real ones are read from files; pictures.py reads
your own. Read download.py next: where MNIST's files come from.
"""

import os
from pathlib import Path

import numpy as np

from . import download, houses, matlab, pictures
from .errors import InputError, check_positive, check_rng, described
from .resample import resampled

NAMES = ("digits-10k", "mnist")  # of handwritten digits
SETS = (*NAMES, "house-numbers", "svhn")


def load(name, folder=None, size=None):
    """Pictures to imitate: (images uint8 (n, side, side), or (n, side, side, 3) in colour; labels uint8 (n,), 0 … 9, or None).

    name: "digits-10k", 10,000 digits that come with the package, sorted by label; "mnist" (n = 60,000), read from `folder` as
    in `mnist`; "house-numbers", 10,000 of `house_numbers`, from seed 0; "svhn" (n = 73,257), read from `folder` as in
    `svhn`; or the path of your own, see `pictures.read`. Names take precedence: write ./mnist for a path.
    size: None, or the pixels of a side to which all pictures are resampled.
    InputError for anything else, and for a folder given to a set other than mnist and svhn.
    """
    if name not in SETS and not os.path.exists(name):
        raise InputError(f"data set: expected {', '.join(SETS)}, or the path of a folder of pictures, an .npz or an idx file; "
                         f"got {name!r}, which does not exist")
    if folder is not None and name not in ("mnist", "svhn"):
        raise InputError(f"data set {name}: reads no other folder (only mnist and svhn do); got {folder}")
    if size is not None:
        check_positive(f"data set {name}", size=size)
    if name not in SETS:
        return pictures.read(name, size)
    if name == "mnist":
        images, labels = mnist("train", folder)
    elif name == "digits-10k":
        images, labels = digits_10k()
    elif name == "svhn":
        images, labels = svhn("train", folder)
    else:
        images, labels = house_numbers(10_000, np.random.default_rng(0))
    return images if size is None else pictures.alike(images.reshape(*images.shape[:3], -1), size), labels


def divided(name, folder=None, every=5):
    """Digits to learn from, and others to test with: two pairs (images, labels).

    "mnist": its training set and its test set. "digits-10k": one in `every` of each digit is held out. Folder and errors as
    in `load`.
    """
    images, labels = load(name, folder)
    if name == "mnist":
        return (images, labels), mnist("test", folder)
    held_out = np.arange(len(images)) % every == 0
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])


def digits_10k():
    """10,000 of MNIST's training digits, sorted by label: (images uint8 (10000, 28, 28), labels uint8 (10000,))."""
    from importlib.resources import files  # slow to import: only when needed

    with (files("numgan") / "data" / "digits-10k.npz").open("rb") as file, np.load(file) as archive:
        return archive["images"], archive["labels"]


def mnist(split="train", folder=None):
    """The full MNIST (LeCun, Cortes & Burges 1998): (images uint8 (n, 28, 28), labels uint8 (n,)).

    split: "train" (n = 60,000) or "test" (n = 10,000). The files, gzipped or not, are read from `folder`, or else from the
    folder $NUMGAN_DATA. If neither is given, they are read from the user's cache, and downloaded to it if missing.
    InputError if a file is missing from the given folder, is on no mirror, or has the wrong SHA-256.
    """
    if split not in ("train", "test"):
        raise InputError(f"MNIST split: expected train or test; got {split!r}")
    named = folder or os.environ.get("NUMGAN_DATA")
    place = Path(named) if named else download.cache_folder("mnist")
    prefix = "train" if split == "train" else "t10k"
    names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
    missing = [name for name in names if download.find(name, place) is None]
    if missing and named:
        raise InputError(f"{place}: expected MNIST's {' and '.join(missing)}, each may be gzipped to NAME.gz; got no "
                         "such file. Put it there, or use the data set digits-10k, which comes with numgan")
    if missing:
        download.download(missing, place)
    paths = [download.find(name, place) for name in names]
    images, labels = (pictures.parse_idx(download.verified(path, name), path) for path, name in zip(paths, names, strict=True))
    return images, labels


def house_numbers(n, rng):
    """n drawn house numbers in colour: (images uint8 (n, 28, 28, 3), labels uint8 (n,)).

    They stand in for `svhn` where that is not at hand. The pictures depend on n and on one number drawn from `rng`, a NumPy
    Generator: the same state gives the same bytes, with the same versions of NumPy and matplotlib on one kind of machine.
    10,000 take about five seconds, and are then kept in the user's cache.
    InputError if n is not a positive integer or rng not a Generator, or if a font of matplotlib is missing.
    """
    check_positive("house_numbers", n=n)
    check_rng("house_numbers", rng)
    return houses.kept(int(n), int(rng.integers(2**63)))


def svhn(split="train", folder=None):
    """Real house numbers, SVHN's cropped digits (Netzer et al. 2011): (images uint8 (n, 28, 28, 3), labels uint8 (n,)).

    split: "train" (n = 73,257) or "test" (n = 26,032). The file train_32x32.mat or test_32x32.mat is read from `folder`, or
    else from the folder $NUMGAN_DATA; nothing is downloaded. Its 32 × 32 pixels become MNIST's 28 × 28 by averaging: a pixel
    is the mean over the area that it covers. (Cropping would cut digits, most of which are nearly as high as the picture.)
    Its label 10 becomes 0. InputError if the file is missing or holds anything else.
    """
    if split not in ("train", "test"):
        raise InputError(f"SVHN split: expected train or test; got {split!r}")
    named = folder or os.environ.get("NUMGAN_DATA")
    if not named:
        raise InputError("SVHN: expected a folder, also in $NUMGAN_DATA; got none. Without the files, use house_numbers")
    path = Path(named, f"{split}_32x32.mat")
    if not path.exists():
        raise InputError(f"{path}: expected SVHN's cropped digits (http://ufldl.stanford.edu/housenumbers); got no such file")
    pixels, labels = matlab.read(path, "X", "y")
    n = pixels.shape[-1]
    if pixels.shape != (32, 32, 3, n) or pixels.dtype != np.uint8 or labels.shape != (n, 1):
        raise InputError(f"{path}: expected X uint8 (32, 32, 3, n) and y (n, 1); "
                         f"got {described(pixels)} and {described(labels)}")
    if not np.isin(labels, np.arange(1, 11)).all():
        raise InputError(f"{path}: expected labels from 1 to 10; got {np.setdiff1d(labels, np.arange(1, 11))[0]:g}")
    return resampled(pixels.transpose(3, 0, 1, 2), 28), (labels[:, 0] % 10).astype(np.uint8)


def few_labels(labels, n, rng):
    """A copy of the labels in which all but n are replaced by -1 (unknown), as balanced as n allows.

    labels: integers 0 … 9, (m,). Each class keeps n // 10 of its labels, and n % 10 of the classes keep one more. `rng` draws
    twice: `order = rng.permutation(m)`, and a class keeps those of its labels that come first in this order; then
    `turn = rng.permutation(10)`, and class i keeps one more if turn[i] < n % 10.
    InputError for other labels, if n < 10 (a class would keep none), or if a class has too few.
    """
    if labels is None:
        raise InputError("labels: expected pictures with labels from 0 to 9; got pictures without labels")
    if not np.isin(labels, np.arange(10)).all():
        raise InputError(f"labels: expected integers from 0 to 9; got {np.setdiff1d(labels, np.arange(10))[0]}")
    if n < 10:
        raise InputError(f"labelled images: expected at least 10, one of each digit; got {n}")
    kept = np.full(len(labels), -1)
    order = rng.permutation(len(labels))
    queues = [order[labels[order] == digit] for digit in range(10)]
    turn = rng.permutation(10)
    for i, queue in enumerate(queues):
        share = n // 10 + (turn[i] < n % 10)
        if share > len(queue):
            raise InputError(f"{n} labelled images: expected at least {share} pictures of each digit; got {len(queue)} of {i}")
        kept[queue[:share]] = i
    return kept


def to_images(pixels):
    """Bytes to what networks see: uint8 (n, h, w) or (n, h, w, c) -> float32 (n, h, w, c) in [-1, 1].

    InputError for anything else.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise InputError(f"to_images: expected a uint8 array (n, h, w) or (n, h, w, c); got {described(pixels)}")
    images = pixels.astype(np.float32)
    images /= 127.5
    images -= 1
    return images if images.ndim == 4 else images[..., np.newaxis]  # (n, h, w, c)


def to_pixels(images):
    """The inverse of `to_images`, exactly: float (n, h, w, c) in [-1, 1] -> uint8 (n, h, w, c), or (n, h, w) if c = 1.

    InputError for any other type or shape, and for values outside [-1, 1] or NaN.
    """
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f" or images.ndim != 4:
        raise InputError(f"to_pixels: expected a float array (n, h, w, c); got {described(images)}")
    low, high = images.min(initial=0), images.max(initial=0)
    if not (low >= -1 and high <= 1):  # this refuses NaN, too: every comparison with it is false
        raise InputError(f"to_pixels: expected values in [-1, 1]; got {low:g} to {high:g}")
    pixels = np.rint((images + 1) * 127.5).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def fingerprint(images, labels=None):
    """The SHA-256 of pictures and labels, by which a run that is resumed recognises its data."""
    from hashlib import sha256  # slow to import

    arrays = [array for array in (images, labels) if array is not None]
    digest = sha256(repr([(array.shape, str(array.dtype)) for array in arrays]).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
