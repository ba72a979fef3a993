"""Small blocks, merged until they are full.

A quiet gateway writes a few rows at a time. Blocks of a few rows would make a million of them slow to read, and to
rewrite one block with every batch would cost a request as much as 256 of them. So small blocks are merged when there
are MERGED of them, and merged ones when they fill a block: a row is written three times at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.request_log.blocks import MAX_ROWS, Block, encode_block
from gateway.request_log.entry import Columns, join_columns, slice_columns, sort_columns

MERGED = 16
"""Blocks of fewer rows than this that are merged at once."""

MAX_OPEN_BYTES = 4 * 1024 * 1024
"""Bodies in blocks that may still be merged: their rows are held in memory."""


class BlockWriter(Protocol):
    """The part of a store that a compactor needs."""

    def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
        """Write blocks, and remove those that they replace; all or nothing. Return the new blocks' keys."""


@dataclass(frozen=True, slots=True)
class _OpenBlock:
    """A block that is not full, with its rows.

    Attributes:
        body_bytes: Size of what was said in them.
    """

    key: str
    columns: Columns
    body_bytes: int

    @property
    def rows(self) -> int:
        """Count of its rows."""
        return len(self.columns[0])


class Compactor:
    """Writes rows to a store in blocks that become full. For one thread at a time."""

    def __init__(self, store: BlockWriter) -> None:
        self._store = store
        self._open: list[_OpenBlock] = []

    def write_columns(self, columns: Columns) -> None:
        """Write rows, ordered by number. Raises StateError; then nothing is written, and they can be written again."""
        merged = self._choose_merged(len(columns[0]))
        every = sort_columns(join_columns([*(one.columns for one in merged), columns])) if merged else columns
        count = len(every[0])
        pieces = [slice_columns(every, start, start + MAX_ROWS) for start in range(0, count, MAX_ROWS)]
        keys = self._store.write_blocks([encode_block(piece) for piece in pieces], [one.key for one in merged])
        gone = {one.key for one in merged}
        self._open = [one for one in self._open if one.key not in gone]
        if count % MAX_ROWS:
            self._open.append(_OpenBlock(keys[-1], pieces[-1], sum(map(len, filter(None, pieces[-1][-1])))))
        # Let go of the rows where what was said in them is long.
        if sum(one.body_bytes for one in self._open) > MAX_OPEN_BYTES:
            self._open = []

    def _choose_merged(self, added: int) -> list[_OpenBlock]:
        """Return the open blocks that are written again together with new rows."""
        if added + sum(one.rows for one in self._open) >= MAX_ROWS:
            return self._open
        small = [one for one in self._open if one.rows < MERGED]
        return small if len(small) >= MERGED - 1 else []
