"""The contract of a store of blocks."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.request_log.blocks import Block

MayMatch = Callable[[Block], bool]


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block in a store. key: what the store knows it by."""

    key: str
    block: Block


@dataclass(frozen=True, slots=True)
class LogSize:
    """What a store holds. oldest_us: Unix time of the oldest row's end, None without any."""

    rows: int
    bytes: int
    oldest_us: int | None


class BlockReader(Protocol):
    """Blocks of one moment. Every method may raise StateError."""

    def scan(
        self, span: tuple[int, int], is_ascending: bool, with_ids: bool, may_match: MayMatch | None = None
    ) -> Generator[StoredBlock, None, None]:
        """Yield the blocks that have rows in a span of numbers, without `details` and `bodies`.

        with_ids: with `ids`, which are half of what is read. may_match: called with a block that has only `names`, and
        `ids` if these are read; of one that cannot match nothing more is read.

        By their last number, greatest first; if ascending, by their first number, least first.
        """

    def scan_names(self, span: tuple[int, int]) -> Generator[bytes, None, None]:
        """Yield the `names` of the blocks that have rows in a span of numbers, newest first."""

    def complete(self, keys: Sequence[str], with_bodies: bool) -> Sequence[Block | None]:
        """Return blocks with their details; None for one that is gone."""


class RequestStore(Protocol):
    """Storage of the request log. Every method may raise StateError, and may be called from any thread."""

    is_shared: bool
    """True where other gateways write too: their rows can arrive a little later than newer ones of this gateway."""

    def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
        """Write blocks, and remove those that they replace; all or nothing. Return the new blocks' keys."""

    def open_reader(self) -> AbstractContextManager[BlockReader]:
        """Return a context in which blocks are read."""

    def remove_old(self, before: int, max_bytes: int) -> int:
        """Remove blocks whose last number is before this one, and the oldest beyond a size. Return the removed rows."""

    def measure(self) -> LogSize:
        """Return how much is stored."""

    def close(self) -> None:
        """Close the store."""
