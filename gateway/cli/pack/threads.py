"""Threads of a build."""

import os
import sys

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def limit_blas_threads() -> int:
    """Have numpy's matrix products use one thread, and return how many a build may use in their place: one per core.

    OpenBLAS reads the variable when numpy is imported. Where it was before, or where the variable is set to another
    number, the products keep their threads, and the build has one.
    """
    if "numpy" in sys.modules or os.environ.setdefault(BLAS_THREADS, "1") != "1":
        return 1
    # Of the cores of a container or a machine, those that this process may use; macOS does not tell.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
