"""A folder put where another lies, in one step: who looks finds one of the two, and what is open stays as it was."""

import ctypes
import errno
import os
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Of renameat2(2), Linux 3.15 and later, on most file systems."""


def swap_paths(made: Path, place: Path) -> None:
    """What was at `place` is at `made` afterwards. Both on one file system. Raises OSError.

    Where the system cannot exchange two names, there is nothing at `place` for an instant.
    """
    try:
        _exchange(made, place)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise
        swap_in_steps(made, place)


def swap_in_steps(made: Path, place: Path) -> None:
    """The same where names cannot be exchanged. Raises OSError."""
    aside = made.with_name(f"{made.name}.old")
    os.replace(place, aside)
    os.replace(made, place)
    os.replace(aside, made)


def _exchange(one: Path, other: Path) -> None:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError) as error:  # another system, or an old C library
        raise OSError(errno.ENOSYS, "names cannot be exchanged here") from error
    if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
