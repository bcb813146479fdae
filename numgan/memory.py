"""A setting of the C library that keeps freed memory for the next array, and a look at how much memory there is.

Read refusing.py next.
"""

import ctypes
import os
import sys

from .errors import InputError

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h


def keep_freed_memory():
    """Make glibc's malloc reuse the memory of large arrays instead of returning it to the system. Elsewhere: do nothing.

    Every training step allocates and frees the same arrays. By default the system maps new pages for each large one, and fills
    every page with zeros when it is first used. The setting applies to the whole process, which keeps the memory it has used.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 2**26)


def check_memory(needed, what):
    """InputError if `needed` bytes are more than this machine has. Where the system does not report its memory: nothing."""
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > present:
        raise InputError(f"{what}: expected what fits into this machine's {present / 1e9:.0f} GB of memory, "
                         f"got what needs about {needed / 1e9:.3g} GB")
