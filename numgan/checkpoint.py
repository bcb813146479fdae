"""One .npz file that holds everything a run needs to resume, and how it is read again.

Damaged and foreign files are refused in one line, and nothing in a file can run code (no pickle). Read files.py next.
"""

import io
import json
import os
import tokenize
import zipfile

import numpy as np

from .errors import InputError
from .files import atomic, check_no_device

FORMAT = "numgan checkpoint 1"
ABOUT = "about.json"
DAMAGED = (ArithmeticError, EOFError, LookupError, MemoryError, NotImplementedError, RecursionError, SyntaxError, TypeError,
           ValueError, tokenize.TokenError, zipfile.BadZipFile)  # zipfile's, json's and NumPy's exceptions for damaged bytes


def save(path, about, arrays):
    """Write `about`, a dict for JSON, and `arrays`, name -> array. An older file stays until the new one is complete."""
    about = {**about, "format": FORMAT, "arrays": list(arrays)}
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:  # stored: floats hardly compress
        with archive.open(ABOUT, "w") as member:  # unlike writestr, this records no time: equal runs give equal files
            member.write(json.dumps(about).encode())
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def as_saved(value, what):
    """`value` as a checkpoint gives it back: tuples become lists, and keys become text. InputError if JSON cannot hold it."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: expected values that JSON can hold, got {value!r:.80}: {error}") from None


def is_checkpoint(path):
    """Whether this file is a checkpoint, judging by its list of contents."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return ABOUT in archive.namelist()
    except (OSError, *DAMAGED):
        return False


def load(path):
    """(about, arrays) as they were saved. InputError if the file is missing, truncated, damaged or no checkpoint."""
    check_no_device(path, FORMAT)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names) or sum(info.compress_size for info in archive.infolist()) > os.path.getsize(path):
                raise InputError(f"{path}: expected a {FORMAT}, got a file whose members overlap")
            if ABOUT not in names:
                raise InputError(f"{path}: expected a {FORMAT}, got another kind of .npz or .zip file")
            about = json.loads(_read(archive, ABOUT, path))
            got = about.get("format") if isinstance(about, dict) else about
            if got != FORMAT or not isinstance(about, dict):
                raise InputError(f"{path}: expected a {FORMAT}, got {got!r:.80}")
            if names != [ABOUT, *(f"{name}.npy" for name in about.pop("arrays"))]:
                raise InputError(f"{path}: expected a whole {FORMAT}, got a damaged one: arrays are missing")
            arrays = {name.removesuffix(".npy"): _array(_read(archive, name, path), f"{path}: {name!r:.60}")
                      for name in names[1:]}
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a checkpoint: {error.strerror or error}") from None
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{path}: expected a {FORMAT}, got a damaged or foreign file: {_one_line(error)}") from None
    return about, arrays


def _read(archive, name, path):
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise InputError(f"{path}: {name!r:.60}: expected plain stored data, got a compressed or encrypted member")
    if info.compress_size > os.path.getsize(path):
        raise InputError(f"{path}: {name!r:.60}: expected a member no larger than the file, got {info.compress_size} bytes")
    return archive.read(name)


def _array(data, where):
    """The array in the bytes of an .npy file. Memory is used only for the bytes that are there, whatever the header claims."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read_header(stream)
        payload = data[stream.tell():]
        if dtype.hasobject or fortran or len(payload) != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise ValueError(f"{dtype} {shape} in {len(payload)} bytes")
        return np.frombuffer(payload, dtype).reshape(shape).copy()
    except DAMAGED as error:
        raise InputError(f"{where}: expected a plain .npy array, got {_one_line(error)}") from None


def _one_line(error):
    return " ".join(f"{type(error).__name__} {error!s:.200}".split())
