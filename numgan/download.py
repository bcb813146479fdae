"""MNIST's four files: finding them, checking them, and downloading those that are missing.

Nothing that a mirror or a header claims is believed: the bytes that arrive are counted, unpacked within a limit and compared
with a SHA-256. Read pictures.py next.
"""

import gzip
import os
import sys
import zlib
from pathlib import Path

from .errors import InputError
from .files import alone_in, check_no_device

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {  # SHA-256 of the uncompressed bytes: the same digits can be compressed in many ways
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MAX_BYTES = 64 << 20  # MNIST's largest file has 47 MB; a file that unpacks to more is not MNIST's
TIMEOUT = 10  # seconds without a byte before a mirror is given up


# ---- files on this computer


def cache_folder(name):
    """Where the data set `name` is kept: numgan/NAME in the user's cache folder. InputError if the user has none."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    base = os.environ.get(variable) or os.path.expanduser("~/.cache")
    if base.startswith("~"):
        raise InputError(f"{name}: expected $HOME or ${variable}, a folder to keep the data in; got a user without either")
    return Path(base, "numgan", name)


def find(name, folder):
    """The path of `name` or `name`.gz in `folder`, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if os.path.isfile(path)), None)


def inflated(path):
    """The bytes in `path`, unpacked if they begin as gzip's do, whatever the file's name.

    InputError if the file cannot be read or unpacked, or has more than MAX_BYTES once unpacked.
    """
    check_no_device(path)
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


def verified(path, name):
    """The uncompressed bytes of MNIST's file `name`, read from `path`; InputError if their SHA-256 is wrong."""
    import hashlib  # slow to import, like the others below: only when needed

    raw = inflated(path)
    got = hashlib.sha256(raw).hexdigest()
    if got != FILES[name]:
        raise InputError(f"{path}: expected MNIST's {name} with SHA-256 {FILES[name]} once unpacked; got {got}")
    return raw


# ---- files on a mirror


def download(names, folder):
    """Put the gzipped MNIST files `names` into `folder`, each from the first mirror that delivers the right bytes.

    Each arrives as NAME.gz.part and is renamed once its checksum is right; an interrupted download resumes from that part.
    InputError if the folder cannot be made, or if no mirror has a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to download MNIST to; got {error.strerror}. Name another in "
                         "$NUMGAN_DATA, or use the data set digits-10k, which needs no download") from error
    with alone_in(folder):
        for name in names:
            problems = _download_one(name, folder)
            if problems:
                wanted = " and ".join(f"{name}.gz" for name in names if find(name, folder) is None)
                raise InputError(f"{folder}: expected MNIST's {wanted}; got neither there nor from any mirror "
                                 f"({'; '.join(problems)}). Put them there by hand, or use the data set digits-10k, "
                                 "which needs no download")


def _download_one(name, folder):
    """Try one mirror after the other; return what went wrong with each, or [] once the file is there."""
    from http.client import HTTPException

    part, problems = folder / f"{name}.gz.part", []
    for mirror in MIRRORS:
        if find(name, folder) is not None:  # another process downloaded it while this one waited
            return []
        try:
            _fetch(f"{mirror}{name}.gz", part, name)
            os.replace(part, folder / f"{name}.gz")
            return []
        except (OSError, HTTPException, InputError) as error:
            problems.append(f"{mirror}: {error}")
    return problems


def _fetch(url, part, name):
    """Complete `part` to the gzipped bytes of MNIST's `name`, starting from what an earlier try left of it."""
    resumed = part.exists()
    _transfer(url, part)
    try:
        verified(part, name)
    except InputError:
        part.unlink()
        if not resumed:
            raise
        _fetch(url, part, name)  # the old bytes may have been wrong: try once more without them


def _transfer(url, part):
    """Append to `part` the bytes of `url` that it lacks. OSError or HTTPException if the connection fails half-way."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    try:
        response = urlopen(Request(url, headers={"Range": f"bytes={have}-"} if have else {}), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # there is nothing after `have` bytes: they are complete or wrong, and the checksum decides
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
