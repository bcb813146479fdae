"""Digits to imitate: the 10,000 in the package, the full MNIST, and the one pair of maps between bytes and [-1, 1].

Nothing that a file, a header or a mirror claims is believed: sizes are compared with the bytes that are there, and
MNIST's files with their SHA-256. The sources of the embedded digits are in `data/README.md`.
"""

import math
import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from numgan.errors import InputError

NAMES = ("digits-10k", "mnist")
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {  # SHA-256 of the uncompressed bytes: compressors differ, digits do not
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MAX_BYTES = 64 << 20  # MNIST's largest file has 47 MB; whatever unpacks to more is not ours
TIMEOUT = 10  # seconds without a byte before a mirror is given up


def load(name, folder=None):
    """Training digits of the data set `name`: (images uint8 (n, 28, 28), labels uint8 (n,)).

    "digits-10k" comes with the package, sorted by label; "mnist" (n = 60,000) is read from `folder` as `mnist` says.
    InputError for any other name, and for a folder that would go unused.
    """
    if name not in NAMES:
        raise InputError(f"data set: expected one of {', '.join(NAMES)}; got {name!r}")
    if name == "mnist":
        return mnist("train", folder)
    if folder is not None:
        raise InputError(f"data set digits-10k: comes with numgan and reads no folder (only mnist does); got {folder}")
    return digits_10k()


def digits_10k():
    """10,000 of MNIST's training digits, sorted by label: (images uint8 (10000, 28, 28), labels uint8 (10000,))."""
    from importlib.resources import files  # slow to import, as are the others below: wait until they are needed

    with (files("numgan") / "data" / "digits-10k.npz").open("rb") as file, np.load(file) as archive:
        return archive["images"], archive["labels"]


def mnist(split="train", folder=None):
    """The full MNIST (LeCun, Cortes & Burges 1998): (images uint8 (n, 28, 28), labels uint8 (n,)).

    split "train" has n = 60,000, "test" 10,000. The files, gzipped or not, are read from `folder`, else from
    $NUMGAN_DATA; without either from the user's cache, into which missing ones are downloaded.
    InputError if a file is missing from a named folder, cannot be had from any mirror, or has the wrong SHA-256.
    """
    if split not in ("train", "test"):
        raise InputError(f"MNIST split: expected train or test; got {split!r}")
    named = folder if folder is not None else os.environ.get("NUMGAN_DATA") or None
    place = Path(named) if named is not None else _cache_folder()
    prefix = "train" if split == "train" else "t10k"
    names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
    missing = [name for name in names if _find(name, place) is None]
    if missing and named is not None:
        raise InputError(f"{place}: expected MNIST's {' and '.join(missing)}, each may be gzipped to NAME.gz; got no "
                         "such file. Put it there, or use the data set digits-10k, which comes with numgan")
    if missing:
        _download(missing, place)
    images, labels = (_parse_idx(_verified(path := _find(name, place), name), path) for name in names)
    return images, labels


def few_labels(labels, n, rng):
    """The labels with all but n replaced by -1 (unknown), the n drawn class-balanced: as many of each class, ± 1.

    labels: integers 0 … 9. InputError unless each class gets at least one, and there are that many.
    """
    kept = np.full(len(labels), -1)
    order = rng.permutation(len(labels))
    queues = [order[labels[order] == digit] for digit in range(10)]
    turn = rng.permutation(10)  # who gets one more, where 10 does not divide n
    for i, queue in enumerate(queues):
        share = n // 10 + (turn[i] < n % 10)
        if not 1 <= share <= len(queue):
            raise InputError(f"labelled images: expected at least 10 and at most {len(labels)}, as many of each digit; got {n}")
        kept[queue[:share]] = i
    return kept


def to_images(pixels):
    """Bytes to what the networks see: uint8 (n, h, w) or (n, h, w, c) -> float32 (n, h, w, c) in [-1, 1].

    InputError for anything else.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise InputError(f"to_images: expected a uint8 array (n, h, w) or (n, h, w, c); got {_describe(pixels)}")
    images = pixels.astype(np.float32)
    images /= 127.5
    images -= 1
    return images if images.ndim == 4 else images[..., np.newaxis]  # (n, h, w, c)


def to_pixels(images):
    """The inverse of `to_images`, exactly: float (n, h, w, c) in [-1, 1] -> uint8 (n, h, w, c), or (n, h, w) if c = 1.

    InputError for any other type or shape, and for values outside [-1, 1] or NaN.
    """
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f" or images.ndim != 4:
        raise InputError(f"to_pixels: expected a float array (n, h, w, c); got {_describe(images)}")
    low, high = images.min(initial=0), images.max(initial=0)
    if not (low >= -1 and high <= 1):  # also refuses NaN, which no comparison admits
        raise InputError(f"to_pixels: expected values in [-1, 1]; got {low:g} to {high:g}")
    pixels = np.rint((images + 1) * 127.5).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _describe(x):
    return f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__


def read_idx(path):
    """The uint8 array of 1 to 3 axes in the idx file `path`, gzipped or not.

    The format (LeCun's MNIST page): bytes 0, 0, 8 (for uint8), number of axes; each axis's length as a big-endian
    uint32; the values, last axis fastest. InputError for anything else, or more than MAX_BYTES.
    """
    return _parse_idx(_inflated(path), path)


def _parse_idx(raw, path):
    if raw[:3] != b"\0\0\x08" or raw[3:4] not in (b"\1", b"\2", b"\3"):
        raise InputError(f"{path}: expected an idx file, which begins with 00 00 08 and 01, 02 or 03; "
                         f"got {raw[:4].hex(' ') or 'an empty file'}")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise InputError(f"{path}: expected an idx header of {start} bytes; got {len(raw)}")
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4).tolist()
    size = math.prod(shape)
    if size == 0 or len(raw) - start != size:
        raise InputError(f"{path}: expected at least 1 value and as many as the header says, "
                         f"{' x '.join(map(str, shape))} = {size}; got {len(raw) - start}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()  # a copy, since `raw` is read-only


def _inflated(path):
    """The bytes in `path`, unpacked if they begin like gzip's, whatever the name says; never more than MAX_BYTES."""
    import gzip
    import zlib

    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = (gzip.GzipFile(fileobj=file) if zipped else file).read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        problem = getattr(error, "strerror", None) or error  # without the path, which OSError would repeat
        raise InputError(f"{path}: expected a readable file, sound if gzipped; got {problem}") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: expected at most {MAX_BYTES} bytes once unpacked; got more")
    return raw


def _verified(path, name):
    """The uncompressed bytes of MNIST's file `name`, found in `path`."""
    import hashlib

    raw = _inflated(path)
    got = hashlib.sha256(raw).hexdigest()
    if got != FILES[name]:
        raise InputError(f"{path}: expected MNIST's {name} with SHA-256 {FILES[name]} once unpacked; got {got}")
    return raw


def _find(name, folder):
    """The path of `name` or `name`.gz in `folder`, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if os.path.isfile(path)), None)


def _cache_folder():
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(base or os.path.expanduser("~/.cache"), "numgan", "mnist")


def _download(names, folder):
    """Put the gzipped MNIST files `names` into `folder`, each from the first mirror that delivers the right bytes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to download MNIST to; got {error.strerror}. Name another in "
                         "$NUMGAN_DATA, or use the data set digits-10k, which needs no download") from error
    with _alone_in(folder):
        for name in names:
            problems = _download_one(name, folder)
            if problems:
                wanted = " and ".join(f"{name}.gz" for name in names if _find(name, folder) is None)
                raise InputError(f"{folder}: expected MNIST's {wanted}; got neither there nor from any mirror "
                                 f"({'; '.join(problems)}). Put them there by hand, or use the data set digits-10k, "
                                 "which needs no download")


@contextmanager
def _alone_in(folder):
    """Let one process at a time into the block, where the system can lock a folder (Windows cannot)."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download_one(name, folder):
    """Try one mirror after the other; return what went wrong with each, or [] once the file is there."""
    from http.client import HTTPException

    part, problems = folder / f"{name}.gz.part", []
    for mirror in MIRRORS:
        if _find(name, folder) is not None:  # while this process waited, another one fetched it
            return []
        try:
            _fetch(f"{mirror}{name}.gz", part, name)
            os.replace(part, folder / f"{name}.gz")
            return []
        except (OSError, HTTPException, InputError) as error:
            problems.append(f"{mirror}: {error}")
    return problems


def _fetch(url, part, name):
    """Bring `part` to the gzipped bytes of MNIST's `name`, continuing what an earlier try left of it."""
    resumed = part.exists()
    _transfer(url, part)
    try:
        _verified(part, name)
    except InputError:
        part.unlink()
        if not resumed:
            raise
        _fetch(url, part, name)  # the old bytes may be to blame: once more without them


def _transfer(url, part):
    """Append to `part` what `url` has beyond it. OSError or HTTPException when the connection fails half-way."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    try:
        response = urlopen(Request(url, headers={"Range": f"bytes={have}-"} if have else {}), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # nothing lies beyond `have`: whether that is all or garbage, the checksum tells
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:  # 200: the server ignores Range
        done = file.tell()
        total = done + (response.length or 0)
        try:
            while done <= MAX_BYTES and (chunk := response.read(1 << 16)):
                done += file.write(chunk)
                print(f"\rdownloading {url}: {done / 1e6:.1f} of {total / 1e6:.1f} MB", end="", file=sys.stderr)
        finally:
            print(file=sys.stderr)
    if done < min(total, MAX_BYTES):
        raise ConnectionError(f"broke off after {done} of {total} bytes")
