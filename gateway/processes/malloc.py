"""Settings of glibc's allocator, so that the memory of request bodies stays with the process.

glibc returns memory to the system as soon as 128 KB at the heap's end are free, and maps larger blocks one by one. For
a body of 100 KB that is copied a few times, pages are then mapped, cleared and unmapped with every request: a fifth of
its CPU time.
"""

import ctypes
import os

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3): M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD."""

MALLOPT_BYTES = {TRIM_THRESHOLD: 16 * 1024**2, TOP_PAD: 1024**2, MMAP_THRESHOLD: 4 * 1024**2}
"""Values, in bytes."""


def tune_malloc() -> bool:
    """Set the allocator's thresholds. Return False without glibc, or where the environment has set its malloc up."""
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, value) == 1 for option, value in MALLOPT_BYTES.items())
