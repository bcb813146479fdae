"""Keep freed memory for the next array."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h


def keep_freed_memory():
    """Tell glibc's malloc to reuse the memory of large arrays instead of returning it to the system; no-op elsewhere.

    A training step frees and asks for the same arrays again and again. By default each large one is mapped anew, and the
    system zeroes every page of it at first touch. The setting holds for the whole process; what was used stays reserved.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 2**26)
