"""Files that are whole or not there, and folders in which one process works at a time. Read progress.py next."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def atomic(path):
    """Yield a temporary path to write to. If the block succeeds it becomes `path`; if not, it is removed.

    An OSError of the block names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # the suffix stays: writers choose the format by it
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder):
    """Remove the temporary files that killed processes left in a folder. Only while nobody else writes there."""
    for path in Path(folder).glob(".*"):
        if re.fullmatch(r"\.\d+\..+", path.name):
            path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder, wait=True):
    """One process at a time enters this block, and a killed one leaves no lock behind.

    Who comes second waits, or with wait=False gets an InputError. Where a system cannot lock folders (Windows, some network
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
