"""Atomic exchange of two paths: a reader finds one of the two folders, and open files stay valid."""

import ctypes
import errno
import os
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Flag of renameat2(2), Linux 3.15 and later, on most file systems."""


def swap_paths(made: Path, place: Path) -> None:
    """Exchange the paths: afterwards the old content of `place` is at `made`. Both on one file system. Raises
    OSError.

    Where the system cannot exchange two names, nothing is at `place` for an instant.
    """
    try:
        _exchange(made, place)
    except OSError as error:
        # EINVAL: the file system does not support RENAME_EXCHANGE; ENOSYS: the kernel does not.
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise
        swap_in_steps(made, place)


def swap_in_steps(made: Path, place: Path) -> None:
    """Exchange the paths with three renames, where names cannot be exchanged. Raises OSError."""
    old = made.with_name(f"{made.name}.old")
    os.replace(place, old)
    os.replace(made, place)
    os.replace(old, made)


def _exchange(one: Path, other: Path) -> None:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError) as error:
        # Another system than Linux, or a C library before glibc 2.28.
        raise OSError(errno.ENOSYS, "this system cannot exchange two names") from error
    if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
