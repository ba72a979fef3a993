"""Backup of a SQLite state while a gateway uses it, and its return.

A copied file alone is no backup: the last commits are in its write-ahead log, and a copy of both is of two moments.
SQLite's online backup copies one snapshot (https://sqlite.org/backup.html), and makes no writer wait.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StateError
from gateway.state.sqlite_schema import SCHEMA
from gateway.state.state_file import DATABASE_ERRORS, claim_file, create_private_file, describe_fault, malformed

PARTIAL = ".partial"
REPLACED = ".replaced"
LOG_FILES = ("-wal", "-shm")
"""Endings of the files that belong to a database."""


def sqlite_path(url: str) -> Path:
    """Return the file of a state's URL, sqlite:///path. Raises StateError."""
    scheme, _, path = url.partition("://")
    if scheme != "sqlite" or len(path) < 2 or not path.startswith("/"):
        raise StateError("only a state in SQLite is a file")
    return Path(path[1:])


def backup_state(source: Path, target: Path) -> None:
    """Write a consistent copy of a state to a new file, for its owner alone. Raises StateError."""
    if target.exists():
        raise StateError(f"{target} exists already; name another file")
    partial = target.with_name(target.name + PARTIAL)
    partial.unlink(missing_ok=True)
    create_private_file(str(partial))
    try:
        with _opened(source) as read, _translating(target), closing(sqlite3.connect(partial)) as copy:
            read.backup(copy)
            # One file: its reader needs no write-ahead log.
            copy.execute("PRAGMA journal_mode = DELETE")
        _sync_file(partial)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A backup and the file in whose place it is put. schema: the newest that this version reads."""

    backup: Path
    file: Path
    schema: int


def restore_state(backup: Path, state: Path, others: Sequence[RestoredFile] = ()) -> Sequence[Path]:
    """Put backups in the place of a state that no gateway uses, and of files beside it. Return where the old ones are.

    Raises StateError for a backup that is damaged or of a newer version, and while a gateway uses the state; then
    nothing has changed.
    """
    files = (RestoredFile(backup, state, SCHEMA), *others)
    for one in files:
        _check_backup(one)
    partials = [one.file.with_name(one.file.name + PARTIAL) for one in files]
    try:
        for one, partial in zip(files, partials, strict=True):
            partial.unlink(missing_ok=True)
            create_private_file(str(partial))
            shutil.copyfile(one.backup, partial)
            _sync_file(partial)
        replaced = []
        with _claimed(state):
            for one, partial in zip(files, partials, strict=True):
                replaced.append(_move_aside(one.file))
                partial.rename(one.file)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)
    return [path for path in replaced if path is not None]


def _check_backup(one: RestoredFile) -> None:
    with _opened(one.backup) as connection, _translating(one.backup):
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 < found <= one.schema:
            raise StateError(f"{one.backup} has schema {found}, this version reads schema 1 to {one.schema}")
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise malformed(said)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise StateError(f"{path} does not exist")
    with _translating(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    with closing(connection):
        yield connection


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    try:
        yield
    except DATABASE_ERRORS as error:
        raise StateError(f"{path} cannot be used: {describe_fault(error)}") from error


@contextmanager
def _claimed(state: Path) -> Iterator[None]:
    """Keep gateways from the state within the block. Raises StateError while one uses it."""
    if not state.exists():
        yield
        return
    claim = claim_file(str(state))
    try:
        yield
    finally:
        os.close(claim)


def _move_aside(state: Path) -> Path | None:
    """Rename a state and its logs to the first free name. Nothing is deleted."""
    if not state.exists():
        return None
    aside = next(path for number in range(1, 10_000) if not (path := Path(f"{state}{REPLACED}-{number}")).exists())
    for ending in ("", *LOG_FILES):
        found = Path(f"{state}{ending}")
        if found.exists():
            found.rename(f"{aside}{ending}")
    return aside


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
