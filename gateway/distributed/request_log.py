"""The request log in Redis, shared by all gateways: every gateway's page shows the requests of all of them.

A sorted set lists the blocks by the time of their last row; a hash holds a block's parts. All have one hash tag, so
that a block is written and listed in one call, on one node of a Cluster.
"""

import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.distributed import scripts
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.request_log.blocks import Block
from gateway.request_log.entry import TIME_BITS
from gateway.request_log.storage import BlockReader, LogSize, MayMatch, StoredBlock

SCANNED = ("names", "codes", "numbers", "ids")
EMPTY = {"names": b"", "codes": b"", "numbers": b""}
FIRST_FETCHED, FETCHED = 4, 64
"""Blocks that are read in one round trip: the first ones, which most pages are full with, and at most."""

KEPT_LONGER_S = 86_400
"""Blocks expire by themselves so much after `log.retention_days`, should no gateway be left to remove them."""

_WRITE = scripts.Script(
    """#!lua
-- Writes a block of the request log, and lists it.
-- KEYS: list, block  ARGV: score, member, expiry in s, then the parts as (name, bytes)
redis.call('HSET', KEYS[2], unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[2], ARGV[3])
return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
"""
)


@dataclass(frozen=True, slots=True)
class ListedBlock:
    """A block's entry in the list."""

    name: str
    first: int
    last: int
    rows: int
    size: int

    def member(self) -> str:
        """Return it as it is listed."""
        return f"{self.name}:{self.first}:{self.last}:{self.rows}:{self.size}"

    @classmethod
    def parse(cls, member: bytes) -> "ListedBlock":
        """Parse a member of the list. Raises ValueError."""
        name, *numbers = member.decode().split(":")
        first, last, rows, size = map(int, numbers)
        return cls(name, first, last, rows, size)


class RedisBlocks:
    """Blocks that were listed at one moment; some of them can be gone when they are read."""

    def __init__(self, client: RedisClient, listed: Sequence[ListedBlock]) -> None:
        self._client = client
        self._listed = {one.member(): one for one in listed}

    def scan(
        self, span: tuple[int, int], is_ascending: bool, with_ids: bool, may_match: MayMatch | None = None
    ) -> Generator[StoredBlock, None, None]:
        """Yield the blocks that have rows in a span of numbers, without `details` and `bodies`."""
        found = self._within(span)
        found.sort(key=lambda one: one.first if is_ascending else -one.last)
        tested, parts = ("names", "ids") if with_ids else ("names",), SCANNED if with_ids else SCANNED[:-1]
        for some in _growing(found):
            if may_match is not None:
                named = zip(some, self._fetch(some, tested), strict=True)
                some = [one for one, block in named if block is not None and may_match(block)]
            for one, block in zip(some, self._fetch(some, parts) if some else (), strict=True):
                if block is not None:
                    yield StoredBlock(one.member(), block)

    def scan_names(self, span: tuple[int, int]) -> Generator[bytes, None, None]:
        """Yield the `names` of the blocks that have rows in a span of numbers, newest first."""
        for some in _growing(sorted(self._within(span), key=lambda one: -one.last)):
            yield from (block.names for block in self._fetch(some, ("names",)) if block is not None)

    def complete(self, keys: Sequence[str], with_bodies: bool) -> Sequence[Block | None]:
        """Return blocks with their details; None for one that is gone."""
        parts = (*SCANNED, "details", *(("bodies",) if with_bodies else ()))
        return self._fetch([self._listed[key] for key in keys], parts)

    def _within(self, span: tuple[int, int]) -> list[ListedBlock]:
        return [one for one in self._listed.values() if one.last >= span[0] and one.first <= span[1]]

    def _fetch(self, listed: Sequence[ListedBlock], parts: Sequence[str]) -> list[Block | None]:
        commands = [("HMGET", self._client.keys.logged_block(one.name), *parts) for one in listed]
        answers = self._client.pipeline(commands)
        return [
            None
            if None in found
            else Block(one.first, one.last, one.rows, **{**EMPTY, **dict(zip(parts, found, strict=True))})
            for one, found in zip(listed, answers, strict=True)
        ]


def _growing(blocks: Sequence[ListedBlock]) -> Iterator[Sequence[ListedBlock]]:
    """Yield blocks in pieces, each twice as long as the one before, up to FETCHED."""
    start, size = 0, FIRST_FETCHED
    while start < len(blocks):
        yield blocks[start : start + size]
        start, size = start + size, min(2 * size, FETCHED)


class RedisRequestStore:
    """A store of blocks in Redis."""

    is_shared = True

    def __init__(self, client: RedisClient, retention_days: float) -> None:
        """retention_days: after which blocks may expire. Connects when it is first used."""
        self._client = client
        self._expiry_s = int(retention_days * 86_400) + KEPT_LONGER_S

    def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
        """Write blocks, and remove those that they replace. Return the new blocks' keys.

        New ones first: who reads meanwhile sees a row twice, which counts once, and never misses it.
        """
        keys = self._client.keys
        listed = []
        for block in blocks:
            one = ListedBlock(secrets.token_hex(8), block.first, block.last, block.rows, block.size)
            parts: list[RedisArg] = []
            for name in (*SCANNED, "details", "bodies"):
                parts += [name, getattr(block, name)]
            words: list[RedisArg] = [block.last >> TIME_BITS, one.member(), self._expiry_s, *parts]
            self._client.eval_script(_WRITE, [keys.logged_blocks, keys.logged_block(one.name)], words)
            listed.append(one.member())
        self._remove(replaced)
        return listed

    @contextmanager
    def open_reader(self) -> Iterator[BlockReader]:
        """Read the blocks that are listed now."""
        yield RedisBlocks(self._client, self._list())

    def remove_old(self, before: int, max_bytes: int) -> int:
        """Remove blocks whose last number is before this one, and the oldest beyond a size. Return the removed rows.

        Any gateway may: of two that remove the same, one finds nothing.
        """
        listed = sorted(self._list(), key=lambda one: one.last)
        excess, removed = sum(one.size for one in listed) - max_bytes, []
        for one in listed:
            if one.last >= before and excess <= 0:
                break
            removed.append(one)
            excess -= one.size
        return self._remove([one.member() for one in removed])

    def measure(self) -> LogSize:
        """Return how much is stored."""
        listed = self._list()
        oldest = min((one.first for one in listed), default=None)
        size = sum(one.size for one in listed)
        return LogSize(sum(one.rows for one in listed), size, None if oldest is None else oldest >> TIME_BITS)

    def close(self) -> None:
        """Close the connection."""
        self._client.close_connections()

    def _list(self) -> list[ListedBlock]:
        key = self._client.keys.logged_blocks
        members = self._client.execute("ZRANGE", key, 0, -1)
        with translate_content(key):
            return [ListedBlock.parse(member) for member in members]

    def _remove(self, members: Sequence[str]) -> int:
        """Remove blocks. Return the rows of those that were still listed."""
        keys, rows = self._client.keys, 0
        for start in range(0, len(members), FETCHED):
            some = [ListedBlock.parse(member.encode()) for member in members[start : start + FETCHED]]
            gone = self._client.pipeline([("ZREM", keys.logged_blocks, one.member()) for one in some])
            self._client.pipeline([("DEL", keys.logged_block(one.name)) for one in some])
            rows += sum(one.rows for one, is_gone in zip(some, gone, strict=True) if is_gone)
        return rows
