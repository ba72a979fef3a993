"""The request log in a SQLite file beside the state: one row of the file holds a block of up to 256 requests.

A file of its own, so that neither its size nor its writer touches the state: a backup can leave it out, and it can be
deleted while no gateway runs. The workers of one machine write to the same file.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from gateway.request_log.blocks import Block
from gateway.request_log.storage import BlockReader, LogSize, MayMatch, StoredBlock
from gateway.state.sqlite_file import SqliteFile

BUSY_S = 5.0
"""Time to wait for another writer."""

_BLOCKS = """
CREATE TABLE blocks (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
                     bytes INTEGER NOT NULL, names BLOB NOT NULL, codes BLOB NOT NULL, numbers BLOB NOT NULL,
                     ids BLOB NOT NULL, details BLOB NOT NULL, bodies BLOB NOT NULL);
CREATE INDEX blocks_by_last ON blocks (last);
CREATE INDEX blocks_by_first ON blocks (first)
"""
"""The columns that every filter reads come first: SQLite follows a long row's pages only as far as a query needs."""

_REMOVED_BLOCKS = "DELETE FROM blocks"
"""Blocks of the first format, which no release has written: their requests have no endpoint that can be filtered by."""

MIGRATIONS = (_BLOCKS, _REMOVED_BLOCKS)
"""Statements that make each schema from the one before."""

_INSERT = """
INSERT INTO blocks (first, last, rows, bytes, names, codes, numbers, ids, details, bodies)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_MAX_REMOVED = 64
"""Blocks removed in one transaction: other writers wait for it."""


class SqliteBlocks:
    """Blocks as of the beginning of a read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def scan(
        self, span: tuple[int, int], is_ascending: bool, with_ids: bool, may_match: MayMatch | None = None
    ) -> Generator[StoredBlock, None, None]:
        """Yield the blocks that have rows in a span of numbers, without `details` and `bodies`."""
        first = "names, ids" if with_ids else "names, x''"
        if may_match is None:
            query = _scan_query(is_ascending, f"{first}, codes, numbers")
            for key, begin, end, rows, names, ids, codes, numbers in self._connection.execute(query, span):
                yield StoredBlock(str(key), Block(begin, end, rows, names, codes, numbers, ids))
            return
        for key, begin, end, rows, names, ids in self._connection.execute(_scan_query(is_ascending, first), span):
            if may_match(Block(begin, end, rows, names, b"", b"", ids)):
                found = self._connection.execute("SELECT codes, numbers FROM blocks WHERE id = ?", (key,))
                codes, numbers = found.fetchone()
                yield StoredBlock(str(key), Block(begin, end, rows, names, codes, numbers, ids))

    def scan_names(self, span: tuple[int, int]) -> Generator[bytes, None, None]:
        """Yield the `names` of the blocks that have rows in a span of numbers, newest first."""
        query = "SELECT names FROM blocks WHERE last >= ? AND first <= ? ORDER BY last DESC"
        yield from (names for (names,) in self._connection.execute(query, span))

    def complete(self, keys: Sequence[str], with_bodies: bool) -> Sequence[Block | None]:
        """Return blocks with their details."""
        bodies = "bodies" if with_bodies else "x''"
        query = f"SELECT first, last, rows, names, codes, numbers, ids, details, {bodies} FROM blocks WHERE id = ?"  # noqa: S608 - fixed names
        rows = (self._connection.execute(query, (int(key),)).fetchone() for key in keys)
        return [Block(*row) if row else None for row in rows]


class SqliteRequestStore:
    """A store of blocks in a SQLite file."""

    def __init__(self, path: str, busy_s: float = BUSY_S, *, is_shared: bool = False) -> None:
        """Open or create a file. busy_s: time to wait for another writer. is_shared: other workers log there too.

        Raises StateError.
        """
        self.is_shared = is_shared
        self._file = SqliteFile(path, busy_s, MIGRATIONS)

    def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
        """Write blocks, and remove those that they replace, in one transaction. Return the new blocks' keys."""
        with self._file.transaction() as connection:
            connection.executemany("DELETE FROM blocks WHERE id = ?", [(int(key),) for key in replaced])
            return [str(connection.execute(_INSERT, _to_row(block)).lastrowid) for block in blocks]

    @contextmanager
    def open_reader(self) -> Iterator[BlockReader]:
        """Read within the block from one snapshot."""
        with self._file.reading() as connection:
            yield SqliteBlocks(connection)

    def remove_old(self, before: int, max_bytes: int) -> int:
        """Remove blocks whose last number is before this one, and the oldest beyond a size. Return the removed rows."""
        removed = 0
        while found := self._removable(before, max_bytes):
            delete = "DELETE FROM blocks WHERE id = ? AND last = ? RETURNING rows"
            with self._file.transaction() as connection:
                # Of two workers that remove the same, one finds nothing.
                gone = [row for one in found for row in connection.execute(delete, one).fetchall()]
            removed += sum(rows for (rows,) in gone)
        return removed

    def _removable(self, before: int, max_bytes: int) -> list[tuple[int, int]]:
        """Return the keys and last numbers of some blocks to remove, oldest first."""
        with self._file.reading() as connection:
            (excess,) = connection.execute("SELECT coalesce(sum(bytes), 0) - ? FROM blocks", (max_bytes,)).fetchone()
            found = []
            oldest = "SELECT id, bytes, last FROM blocks ORDER BY last LIMIT ?"
            for key, size, last in connection.execute(oldest, (_MAX_REMOVED,)):
                if last >= before and excess <= 0:
                    break
                found.append((key, last))
                excess -= size
        return found

    def measure(self) -> LogSize:
        """Return how much is stored."""
        with self._file.reading() as connection:
            query = "SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0), min(first) FROM blocks"
            rows, size, first = connection.execute(query).fetchone()
        return LogSize(rows, size, None if first is None else first >> 10)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _scan_query(is_ascending: bool, parts: str) -> str:
    order = "first" if is_ascending else "last DESC"
    return f"SELECT id, first, last, rows, {parts} FROM blocks WHERE last >= ? AND first <= ? ORDER BY {order}"  # noqa: S608 - fixed names


def log_path(state_path: str) -> str:
    """Return the path of the request log beside a state's file: benchroute.db has benchroute.requests.db."""
    path = PurePath(state_path)
    return str(path.with_name(f"{path.stem}.requests{path.suffix or '.db'}"))


def _to_row(block: Block) -> tuple[object, ...]:
    return (
        *(block.first, block.last, block.rows, block.size, block.names, block.codes, block.numbers),
        *(block.ids, block.details, block.bodies),
    )
