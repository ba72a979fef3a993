"""Filters of a list of requests, and the rows of a block that match."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from gateway.errors import StateError
from gateway.request_log.blocks import (
    CODED,
    Block,
    block_extremes,
    block_names,
    column_costs,
    column_latencies,
    column_numbers,
)
from gateway.request_log.entry import TIME_BITS

MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Requests to list: those that meet all conditions.

    Attributes:
        since_us, until_us: Unix time in microseconds, the first inclusive.
        equal: Values by the name of a coded column: key, task, model, backend, reason, endpoint.
        statuses: Ranges from and to, inclusive, of Row.status: streams that ended early have a negative one.
        search: Beginning of the request's ID or of the client's own.
        min_latency_ms: At least.
        min_cost_usd: At least; requests of unknown cost do not match.
    """

    since_us: int = 0
    until_us: int | None = None
    equal: Mapping[str, str] | None = None
    statuses: Sequence[tuple[int, int]] | None = None
    search: str = ""
    min_latency_ms: float | None = None
    min_cost_usd: float | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Numbers of the oldest and newest row that can match, within those that a store takes: 64 bits, signed."""
        last = MAX_NUMBER if self.until_us is None else (self.until_us << TIME_BITS) - 1
        return _within_numbers(self.since_us << TIME_BITS), _within_numbers(last)

    @property
    def block_test(self) -> Callable[[Block], bool] | None:
        """The test that tells by a block's `names` and `ids` whether a row may match, None where it tells nothing."""
        has_conditions = self.equal or self.statuses is not None
        is_limited = self.min_latency_ms is not None or self.min_cost_usd is not None
        return partial(may_match, self) if has_conditions or is_limited or self.search else None


def _within_numbers(number: int) -> int:
    return min(max(number, 0), MAX_NUMBER)


def may_match(wanted: RequestFilter, block: Block) -> bool:
    """Return False for a block that has no row that matches, as its `names` say, and its `ids` if they are sought."""
    if wanted.min_latency_ms is not None or wanted.min_cost_usd is not None:
        latency_ms, usd = block_extremes(block)
        if latency_ms < (wanted.min_latency_ms or 0) or usd < (
            -1 if wanted.min_cost_usd is None else wanted.min_cost_usd
        ):
            return False
    # The names hold every value in UTF-8: most blocks without a value are known by that, and nothing is decoded.
    if wanted.equal and not all(value.encode() in block.names for value in wanted.equal.values()):
        return False
    if wanted.search and wanted.search.encode() not in block.ids:
        return False
    if wanted.statuses is None:
        return True
    return any(_is_within(status, wanted.statuses) for status in block_names(block)[CODED.index("status")])


def match_rows(block: Block, wanted: RequestFilter, span: tuple[int, int]) -> Sequence[int]:
    """Return the places of a block's rows that match, ascending. span: numbers from and to, inclusive."""
    numbers = column_numbers(block)
    places: Sequence[int] = range(bisect_left(numbers, span[0]), bisect_right(numbers, span[1]))
    if places and (wanted.equal or wanted.statuses):
        places = _match_codes(block, wanted, places)
    if places and wanted.min_latency_ms is not None:
        latencies, least = column_latencies(block), wanted.min_latency_ms
        places = [place for place in places if latencies[place] >= least]
    if places and wanted.min_cost_usd is not None:
        costs, least = column_costs(block), wanted.min_cost_usd
        places = [place for place in places if costs[place] >= least]
    return _match_ids(block, wanted.search, places) if places and wanted.search else places


def _match_codes(block: Block, wanted: RequestFilter, places: Sequence[int]) -> Sequence[int]:
    """Return those of these rows whose coded columns match."""
    names, count = block_names(block), block.rows
    mask = -1
    for name, value in (wanted.equal or {}).items():
        at = CODED.index(name)
        if value not in names[at]:
            return ()
        mask &= _mask_of(block.codes[at * count : (at + 1) * count], _table((names[at].index(value),)))
    if wanted.statuses is not None:
        at = CODED.index("status")
        codes = tuple([code for code, status in enumerate(names[at]) if _is_within(status, wanted.statuses)])
        if not codes:
            return ()
        mask &= _mask_of(block.codes[at * count : (at + 1) * count], _table(codes))
    if not mask:
        return ()
    marks = mask.to_bytes(count)
    return [place for place in places if marks[place]]


def _is_within(status: object, ranges: Sequence[tuple[int, int]]) -> bool:
    return isinstance(status, int) and any(first <= status <= last for first, last in ranges)


def _match_ids(block: Block, search: str, places: Sequence[int]) -> Sequence[int]:
    """Return those of these rows whose ID, or the client's, begins with a text."""
    own, clients = search.encode(), b"\t" + search.encode()
    if own not in block.ids:
        return ()
    lines = block.ids.split(b"\n")
    if len(lines) != block.rows + 2:
        raise StateError("a block of the request log cannot be read: its IDs are cut off")
    # A line a row, behind an empty one.
    return [place for place in places if lines[place + 1].startswith(own) or clients in lines[place + 1]]


def _mask_of(codes: bytes, table: bytes) -> int:
    """Return a number with a byte a row: 1 where the row's code is marked in the table."""
    return int.from_bytes(codes.translate(table))


@cache
def _table(codes: tuple[int, ...]) -> bytes:
    return bytes(code in codes for code in range(256))
