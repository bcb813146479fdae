"""One .npz file that holds everything that a run needs to go on, and the atomic writing that all of its files get."""

import io
import json
import os
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .errors import InputError

FORMAT = "numgan checkpoint 1"
ABOUT = "about.json"


@contextmanager
def atomic(path):
    """Yields a temporary path to write to, which becomes `path` if the block succeeds and is removed if it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # keeps the suffix, by which writers choose the format
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save(path, about, arrays):
    """Write a dict of what JSON can hold and a dict name -> array; an older file stays until the new one is complete."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:  # stored, not compressed: floats do not
        archive.writestr(ABOUT, json.dumps({"format": FORMAT, **about}))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def load(path):
    """(about, arrays) as saved. Raises InputError if the file is missing, truncated, damaged or something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            if ABOUT not in archive.namelist():
                raise InputError(f"{path}: expected a {FORMAT}, got another kind of .npz or .zip file")
            about = json.loads(_read(archive, ABOUT, path))
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                raise InputError(f"{path}: expected a {FORMAT}, got {str(about)[:80]}")
            arrays = {name.removesuffix(".npy"): _array(_read(archive, name, path), f"{path}: {name}")
                      for name in archive.namelist() if name != ABOUT}
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a checkpoint: {error.strerror or error}") from None
    except (zipfile.BadZipFile, UnicodeDecodeError, json.JSONDecodeError, NotImplementedError, EOFError) as error:
        raise InputError(f"{path}: expected a {FORMAT}, got a damaged or foreign file: {error}") from None
    return about, arrays


def _read(archive, name, path):
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:  # so no member is larger than the file
        raise InputError(f"{path}: {name}: expected plain stored data, got a compressed or encrypted member")
    return archive.read(name)


def _array(data, where):
    """The array in the bytes of an .npy file; memory is taken only for what is there, whatever the header claims."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read_header(stream)
    except (ValueError, KeyError) as error:
        raise InputError(f"{where}: expected an .npy array, got {error}") from None
    payload = data[stream.tell():]
    if dtype.hasobject or dtype.itemsize == 0 or fortran or len(payload) != dtype.itemsize * int(np.prod(shape, dtype=object)):
        raise InputError(f"{where}: expected {dtype} {shape}, got {len(payload)} bytes")
    return np.frombuffer(payload, dtype).reshape(shape).copy()
