"""Files that are whole or not there, and folders in which one process works at a time. Read progress.py next."""

import os
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError


@contextmanager
def atomic(path):
    """Yield a temporary path to write to. If the block succeeds it becomes `path`; if not, it is removed.

    A link is replaced, not what it leads to. An OSError of the block names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".numgan-{os.getpid()}.{path.name}")  # the suffix stays: writers choose the format by it
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):  # such as a read-only disk, which has caused the first error
            temporary.unlink()


def kept(path, make, most=4):
    """The bytes `make()`, which are kept in the file `path` after their SHA-256, and are read from there the next time.

    A damaged file is made anew. If it cannot be written, a line on stderr says so. `most` files stay in its folder, the newest.
    """
    from hashlib import sha256  # slow to import

    try:
        raw = memoryview(Path(path).read_bytes())
    except OSError:
        raw = memoryview(b"")
    if raw[:32] == sha256(raw[32:]).digest():
        return raw[32:]
    content, folder = make(), path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            remove_leftovers(folder)
            with atomic(path) as temporary:
                temporary.write_bytes(sha256(content).digest() + content)
            for old in sorted(filter(Path.is_file, folder.iterdir()), key=os.path.getmtime)[:-most]:
                old.unlink()
    except OSError as error:
        print(f"{path}: cannot be kept for the next time: {error.strerror}", file=sys.stderr)
    return content


def check_no_device(path, expected="file"):
    """InputError if something other than a file has this path: whoever opens a pipe or a device may wait for ever."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: expected a {expected}, got a folder or a device")


def remove_leftovers(folder):
    """Remove the temporary files that killed processes left in a folder. Only while nobody else writes there."""
    for path in Path(folder).glob(".numgan-*"):
        if re.fullmatch(r"\.numgan-\d+\..+", path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder, wait=True):
    """One process at a time enters this block, and a killed one leaves no lock behind.

    A second process waits, or with wait=False gets an InputError. Where a system cannot lock folders (Windows, some network
    drives), nobody is kept out.
    """
    try:
        import fcntl
        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"{folder}: another run is at work in this folder; choose another") from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(handle)
