"""Memory that bodies are made of stays with the process.

glibc gives memory back to the system as soon as 128 KB at the heap's end are free, and takes larger blocks from the
system one by one. A body of 100 KB that is copied a few times on its way would be paid for in pages that are handed
out, cleared and taken back for every request: a fifth of its CPU time.
"""

import ctypes
import os

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""M_TRIM_THRESHOLD and so on, of mallopt(3)."""

TRIM_THRESHOLD_BYTES = {TRIM_THRESHOLD: 16 * 1024**2, TOP_PAD: 1024**2, MMAP_THRESHOLD: 4 * 1024**2}
"""Bytes."""


def tune_malloc() -> bool:
    """False where this is not glibc, or the environment says how its malloc is to behave."""
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, value) == 1 for option, value in TRIM_THRESHOLD_BYTES.items())
