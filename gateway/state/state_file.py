"""The file of a SQLite state: its owner's alone, used by one gateway at a time; what is wrong with a damaged one."""

import fcntl
import os
import sqlite3
from contextlib import suppress

from gateway.errors import StateError

DATABASE_ERRORS = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""What Python's sqlite3 raises, of a damaged file too: texts that are none, numbers and sizes out of range."""

ADVICE = (
    ("malformed", "the file is damaged: restore a backup, or move it away and start with an empty state"),
    ("not a database", "the file is damaged, or another program's: restore a backup, or set another state.url"),
    ("disk is full", "free space on its disk"),
    ("readonly", "let this user write the file and its folder"),
    ("disk I/O error", "check its disk"),
    ("unable to open", "let this user write the file and its folder"),
    ("locked", "another process holds it: stop that, or wait"),
)
"""Next steps, by what SQLite says (https://sqlite.org/rescode.html)."""


def describe_fault(error: BaseException) -> str:
    """Return what is wrong with a database file, in one line, and what to do."""
    said = " ".join(str(error).split()) or type(error).__name__
    step = next((advice for words, advice in ADVICE if words in said), "")
    return f"{said}; {step}" if step else said


def malformed(found: str) -> sqlite3.DatabaseError:
    """Return the error of a file in which SQLite's own check found something."""
    return sqlite3.DatabaseError(f"database disk image is malformed: {found}")


def create_private_file(path: str) -> None:
    """Create a missing file for its owner alone: texts can be guessed from embeddings. SQLite's -wal inherits this."""
    # What is wrong with the path, sqlite3 says itself.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def claim_file(path: str) -> int:
    """Return an open descriptor that claims the file until it is closed. Raises StateError if it is claimed already."""
    try:
        claim = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StateError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        # flock, which SQLite does not use: its own locks are POSIX ones (https://sqlite.org/lockingv3.html).
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(claim)
        message = "is in use by another gateway. Stop it, set another state.url, or share state in Redis."
        raise StateError(f"{path} {message}") from error
    return claim
