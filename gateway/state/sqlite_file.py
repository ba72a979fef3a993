"""A SQLite file with one connection that writes and one that reads.

The journal mode is WAL: readers see the last commit and wait for no writer, so a page of the dashboard does not wait
for a batch that is being written. Every update is one immediate transaction: a program that is killed within it leaves
the state before it.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.errors import StateError
from gateway.state.sqlite_schema import MIGRATIONS, prepare_schema
from gateway.state.state_file import DATABASE_ERRORS, claim_file, create_private_file, describe_fault


class SqliteFile:
    """Connections to a SQLite file, which threads and processes may share."""

    def __init__(self, path: str, busy_s: float, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open or create a file. busy_s: time to wait for another writer. migrations: of its schema.

        Raises StateError.
        """
        self.path = path
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._writing: int | None = None
        """The thread within a transaction: what it reads there is what it has written."""
        self._claim: int | None = None
        self._writer = _connect(path, busy_s, migrations)
        try:
            self._reader = _open_connection(path, busy_s)
            self._reader.execute("PRAGMA query_only = ON")
        except DATABASE_ERRORS as error:
            self._writer.close()
            raise StateError(f"{path} cannot be opened: {describe_fault(error)}") from error

    def claim_for_gateway(self) -> None:
        """Claim the file for one gateway until it is closed. Raises StateError if another one uses it."""
        self._claim = claim_file(self.path)

    def close(self) -> None:
        """Close the connections, and end the claim."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()
            if self._claim is not None:
                os.close(self._claim)
                self._claim = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read all within the block from one snapshot; within a transaction of this thread, what that has written."""
        if self._writing == threading.get_ident():
            with self._translating("read"):
                yield self._writer
            return
        with self._read_lock, self._translating("read"):
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all within the block, or nothing of it; other writers wait meanwhile."""
        with self._write_lock, self._translating("written"):
            # IMMEDIATE takes the write lock first: a transaction that begins with reads and then writes can fail
            # with SQLITE_BUSY_SNAPSHOT, which no timeout waits for (https://sqlite.org/rescode.html).
            self._writer.execute("BEGIN IMMEDIATE")
            self._writing = threading.get_ident()
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # A full disk or a damaged page has ended the transaction already (https://sqlite.org/lang_transaction.html).
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._writing = None

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except DATABASE_ERRORS as error:
            raise StateError(f"{self.path} cannot be {what}: {describe_fault(error)}") from error


def _connect(path: str, busy_s: float, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open the connection that writes, and bring the file to this version's schema. Raises StateError."""
    create_private_file(path)
    try:
        connection = _open_connection(path, busy_s)
    except DATABASE_ERRORS as error:
        raise StateError(f"{path} cannot be opened: {describe_fault(error)}") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL a power loss can undo the last commits but not corrupt the file; FULL would sync at every commit.
        connection.execute("PRAGMA synchronous = NORMAL")
        prepare_schema(connection, path, migrations)
    except DATABASE_ERRORS as error:
        connection.close()
        raise StateError(f"{path} cannot be used as state: {describe_fault(error)}") from error
    except StateError:
        connection.close()
        raise
    return connection


def _open_connection(path: str, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
