"""Pages over the blocks of a store, by number: newest first for a list, oldest first for a live tail.

Blocks of several gateways, and blocks that were merged, overlap in time. Rows wait in a heap until no further block can
hold one that comes before them.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from heapq import heappop, heappush

from gateway.request_log.blocks import Block, column_numbers, decode_rows
from gateway.request_log.entry import LoggedRequest
from gateway.request_log.filters import MAX_NUMBER, RequestFilter, match_rows
from gateway.request_log.storage import BlockReader, RequestStore

ATTEMPTS = 3
"""Attempts at a page during which another gateway merges the very blocks that it needs."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    """A page. has_more: more rows follow."""

    rows: Sequence[LoggedRequest]
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Place:
    key: str
    row: int


def read_newest(
    store: RequestStore, wanted: RequestFilter, before: int | None, limit: int, with_bodies: bool = False
) -> RequestPage:
    """Return the newest rows that match, newest first. before: only rows with a lesser number. Raises StateError."""
    first, last = wanted.span
    span = (first, last if before is None else min(last, before - 1))
    return _read(store, wanted, span, limit, is_ascending=False, with_bodies=with_bodies)


def read_following(
    store: RequestStore, wanted: RequestFilter, after: int, limit: int, until: int = MAX_NUMBER
) -> RequestPage:
    """Return the rows that match and follow a number, oldest first. until: no greater number. Raises StateError."""
    first, last = wanted.span
    return _read(store, wanted, (max(first, after + 1), min(last, until)), limit, is_ascending=True)


def read_request(store: RequestStore, request_id: str) -> LoggedRequest | None:
    """Return the request with an ID, with its body; None if it is not logged. Raises StateError."""
    wanted = RequestFilter(search=request_id)
    with store.open_reader() as reader, closing(reader.scan(wanted.span, False, True, wanted.block_test)) as blocks:
        for stored in blocks:
            for place in match_rows(stored.block, wanted, wanted.span):
                (complete,) = reader.complete([stored.key], with_bodies=True)
                found = decode_rows(complete, [place])[0] if complete is not None else None
                if found is not None and found.id == request_id:
                    return found
    return None


def _read(
    store: RequestStore,
    wanted: RequestFilter,
    span: tuple[int, int],
    limit: int,
    is_ascending: bool,
    with_bodies: bool = False,
) -> RequestPage:
    found = RequestPage((), has_more=False)
    if span[0] > span[1]:
        return found
    for _ in range(ATTEMPTS):
        with store.open_reader() as reader:
            places = _first_places(reader, wanted, span, limit + 1, is_ascending)
            keys = list(dict.fromkeys(place.key for place in places[:limit]))
            blocks = dict(zip(keys, reader.complete(keys, with_bodies), strict=True))
        found = RequestPage(_rows_of(places[:limit], blocks), has_more=len(places) > limit)
        if None not in blocks.values():
            break
    return found


def _first_places(
    reader: BlockReader, wanted: RequestFilter, span: tuple[int, int], count: int, is_ascending: bool
) -> list[_Place]:
    """Return where the first rows that match are stored, in order."""
    sign = 1 if is_ascending else -1
    waiting: list[tuple[int, str, int]] = []
    found: dict[int, _Place] = {}
    with closing(reader.scan(span, is_ascending, bool(wanted.search), wanted.block_test)) as blocks:
        for stored in blocks:
            block = stored.block
            bound = sign * (block.first if is_ascending else block.last)
            _take_until(waiting, bound, found)
            if len(found) >= count:
                break
            matching = match_rows(block, wanted, span)
            if matching:
                numbers = column_numbers(block)
                for place in matching:
                    heappush(waiting, (sign * numbers[place], stored.key, place))
    _take_until(waiting, MAX_NUMBER + 1, found)
    return list(found.values())[:count]


def _take_until(waiting: list[tuple[int, str, int]], bound: int, found: dict[int, _Place]) -> None:
    """Move the rows before a number. A row that is being merged can be in two blocks: it counts once."""
    while waiting and waiting[0][0] < bound:
        number, key, place = heappop(waiting)
        found.setdefault(number, _Place(key, place))


def _rows_of(places: Sequence[_Place], blocks: dict[str, Block | None]) -> list[LoggedRequest]:
    """Return rows in the order of their places; each block is decoded once."""
    by_block: dict[str, list[int]] = {}
    for place in places:
        by_block.setdefault(place.key, []).append(place.row)
    decoded: dict[str, Iterator[LoggedRequest]] = {}
    for key, block in blocks.items():
        decoded[key] = iter(()) if block is None else iter(decode_rows(block, by_block[key]))
        time.sleep(0)  # the event loop's turn: nothing here lets go of the interpreter's lock
    found = (next(decoded[place.key], None) for place in places)
    return [row for row in found if row is not None]
