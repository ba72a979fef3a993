"""Rows in blocks of columns: what is stored.

A block holds up to MAX_ROWS requests, ordered by number. Its columns are stored in five parts, read only as needed:

    names    greatest latency and cost, float64; then MessagePack: for each of CODED, its distinct values in the block
    codes    for each of CODED, a byte a row: the place of the row's value in `names`
    numbers  for each of NUMERIC, eight bytes a row: int64 or float64, little-endian
    ids      a line a row: LF, the request's ID, TAB and the client's own where there is one; LF at the end
    details  MessagePack: the columns of TIMES, four bytes a row each (float32), and all others as zlib of MessagePack
    bodies   MessagePack: what was said, each compressed by itself; empty where no row has any

So a filter reads `names` of each block, which say whether a row may match, and a few bytes a row of those where one
may: a million rows are about 4,000 blocks. A B-tree for each filter would cost a request more than all else that is
done for it.
"""

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from operator import is_
from typing import Any

import msgspec

from gateway.errors import StateError
from gateway.request_log.entry import Columns, LoggedAttempt, LoggedRequest, RareFields, Row, join_values

MAX_ROWS = 256
"""Rows of a full block: a code is one byte."""

CODED = ("key", "task", "model", "backend", "reason", "status", "endpoint")
TIMES = ("read_ms", "overhead_ms", "waited_ms", "begun_ms", "ended_ms")
COMPRESSION = (1, zlib.DEFLATED, 12, 6)
"""Level, method, window and memory of zlib: with more memory than 48 KB some kilobytes get no smaller, and caches are
emptied for it (256 KB by default)."""

UNKNOWN_COST = -1.0
DIGITS = 3
"""Of milliseconds that are shown."""

_PLACES = {name: place for place, name in enumerate(Row._fields)}
_CODED_PLACES = [_PLACES[name] for name in CODED]
_TIME_PLACES = [_PLACES[name] for name in TIMES]
_FIRST_OTHER, _LAST_OTHER = _PLACES["asked_model"], _PLACES["rare"]
_EXTREMES = struct.Struct("<dd")
_encode = msgspec.msgpack.Encoder().encode
_decode_names = msgspec.msgpack.Decoder(tuple[list[str | int | None], ...]).decode
_decode_bodies = msgspec.msgpack.Decoder(list[bytes | None]).decode


class _OtherColumns(msgspec.Struct, frozen=True, array_like=True):
    """The columns of a row from `asked_model` to `rare`."""

    asked_model: list[str | None]
    version: list[int]
    is_stream: list[bool]
    input_tokens: list[int | None]
    cached_tokens: list[int]
    output_tokens: list[int]
    reasoning_tokens: list[int]
    is_estimated: list[bool]
    rare: list[RareFields | None]


_OTHERS = _OtherColumns.__struct_fields__[:-1]
_decode_others = msgspec.msgpack.Decoder(_OtherColumns).decode
_decode_details = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is stored.

    Attributes:
        first, last: Numbers of its oldest and newest row.
        rows: Their count.
    """

    first: int
    last: int
    rows: int
    names: bytes
    codes: bytes
    numbers: bytes
    ids: bytes = b""
    details: bytes = b""
    bodies: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        parts = (self.names, self.codes, self.numbers, self.ids, self.details, self.bodies)
        return sum(map(len, parts))


def encode_block(columns: Columns) -> Block:
    """Return the block of 1 to MAX_ROWS rows, ordered by number."""
    numbers, latencies, count = columns[0], columns[_PLACES["latency_ms"]], len(columns[0])
    coded = [_encode_values(columns[place]) for place in _CODED_PLACES]
    costs = _to_floats(columns[_PLACES["cost_usd"]])
    bodies = columns[-1]
    # One call for all columns of a kind, and no array: to fill one takes twice as many instructions.
    times = struct.pack(f"<{count * len(TIMES)}f", *join_values([columns[place] for place in _TIME_PLACES]))
    others = _encode(columns[_FIRST_OTHER : _LAST_OTHER + 1])
    return Block(
        first=numbers[0],
        last=numbers[-1],
        rows=count,
        names=_EXTREMES.pack(max(latencies), max(costs)) + _encode([names for names, _ in coded]),
        codes=b"".join([codes for _, codes in coded]),
        numbers=struct.pack(f"<{count}q{2 * count}d", *numbers, *latencies, *costs),
        ids=_encode_ids(columns[1], columns[2]),
        details=_encode((times, _compress(others))),
        bodies=_encode(bodies) if any(bodies) else b"",
    )


def decode_rows(block: Block, places: Sequence[int]) -> list[LoggedRequest]:
    """Return some of a block's rows. Raises StateError for a damaged block."""
    try:
        return _decode(block, places)
    except (zlib.error, msgspec.MsgspecError, ValueError, IndexError) as error:
        raise StateError(f"a block of the request log cannot be read: {type(error).__name__}: {error}") from error


def block_names(block: Block) -> Sequence[list[str | int | None]]:
    """Return the distinct values of each of CODED. Raises StateError."""
    try:
        return _decode_names(memoryview(block.names)[_EXTREMES.size :])
    except msgspec.MsgspecError as error:
        raise StateError(f"a block of the request log cannot be read: {error}") from error


def block_extremes(block: Block) -> tuple[float, float]:
    """Return the greatest latency in milliseconds, and the greatest known cost, negative without one."""
    try:
        return _EXTREMES.unpack_from(block.names)
    except struct.error as error:
        raise StateError(f"a block of the request log cannot be read: {error}") from error


def list_values(names: bytes, column: str) -> Sequence[str | int | None]:
    """Return the distinct values of one of CODED. names: a block's. Raises StateError."""
    try:
        return _decode_names(memoryview(names)[_EXTREMES.size :])[CODED.index(column)]
    except (msgspec.MsgspecError, IndexError) as error:
        raise StateError(f"a block of the request log cannot be read: {error}") from error


def column_numbers(block: Block) -> "memoryview[int]":
    """Return the rows' numbers."""
    return _column(block, 0).cast("q")


def column_latencies(block: Block) -> "memoryview[float]":
    """Return the rows' latencies in milliseconds."""
    return _column(block, 1).cast("d")


def column_costs(block: Block) -> "memoryview[float]":
    """Return the rows' costs in US dollars, UNKNOWN_COST where it is not known."""
    return _column(block, 2).cast("d")


def _decode(block: Block, places: Sequence[int]) -> list[LoggedRequest]:
    packed, compressed = _decode_details(block.details)
    others, times = _decode_others(zlib.decompress(compressed)), _to_array("f", packed)
    names, count = block_names(block), block.rows
    numbers, latencies, costs = column_numbers(block), column_latencies(block), column_costs(block)
    lines = block.ids.decode().split("\n")
    bodies = _decode_bodies(block.bodies) if block.bodies else None
    found = []
    for place in places:
        values: dict[str, Any] = {name: names[at][block.codes[at * count + place]] for at, name in enumerate(CODED)}
        values |= {name: round(times[at * count + place], DIGITS) for at, name in enumerate(TIMES)}
        values |= {name: getattr(others, name)[place] for name in _OTHERS}
        values["status"] = abs(values["status"])
        values["id"], _, client = lines[place + 1].partition("\t")
        values |= {"client_id": client or None, "number": numbers[place], "cost": _format_cost(costs[place])}
        values |= {"latency_ms": round(latencies[place], DIGITS), "body": None if bodies is None else bodies[place]}
        found.append(_with_rare(values, others.rare[place]))
    return found


def _with_rare(values: dict[str, Any], rare: RareFields | None) -> LoggedRequest:
    """Return a request. Without rare fields, its one attempt is what the other fields say."""
    begun, ended = values.pop("begun_ms"), values.pop("ended_ms")
    if rare is None:
        rare = RareFields((LoggedAttempt(values["model"], values["backend"], None, None, None, begun, ended - begun),))
    attempts = tuple(
        msgspec.structs.replace(one, start_ms=round(one.start_ms, DIGITS), took_ms=round(one.took_ms, DIGITS))
        for one in rare.attempts
    )
    more = {name: getattr(rare, name) for name in RareFields.__struct_fields__[1:]}
    is_answered = bool(attempts) and attempts[-1].fault is None
    first_token_ms = ended if values["is_stream"] and is_answered else None
    return LoggedRequest(**values, **more, attempts=attempts, first_token_ms=first_token_ms)


def _format_cost(cost: float) -> str | None:
    """Return an amount without an exponent, None for UNKNOWN_COST. A float64 holds 15 digits exactly."""
    return None if cost == UNKNOWN_COST else f"{Decimal(repr(cost)).normalize():f}"


def _compress(data: bytes) -> bytes:
    compressor = zlib.compressobj(*COMPRESSION)
    return compressor.compress(data) + compressor.flush()


def _encode_ids(own: Sequence[str], clients: Sequence[str | None]) -> bytes:
    if any(clients):
        own = [one if client is None else f"{one}\t{client}" for one, client in zip(own, clients, strict=True)]
    return "\n".join(["", *own, ""]).encode()


def _encode_values(values: Sequence[object]) -> tuple[list[object], bytes]:
    """Return the distinct values of a column, and the place of each row's among them."""
    if values.count(values[0]) == len(values):
        return [values[0]], bytes(len(values))
    places = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return list(places), bytes(map(places.__getitem__, values))


def _to_floats(costs: Sequence[Decimal | None]) -> list[float]:
    if any(map(is_, costs, repeat(None))):
        return [UNKNOWN_COST if cost is None else float(cost) for cost in costs]
    return list(map(float, costs))  # type: ignore[arg-type]  # as has just been seen


def _to_array(kind: str, data: bytes) -> "array[float]":
    found: array[float] = array(kind, data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _column(block: Block, at: int) -> memoryview:
    size = 8 * block.rows
    part = block.numbers[at * size : (at + 1) * size]
    if len(part) != size:
        raise StateError("a block of the request log cannot be read: it is cut off")
    return memoryview(part if sys.byteorder == "little" else _to_array("q", part).tobytes())
