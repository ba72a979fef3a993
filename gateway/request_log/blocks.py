"""Rows in blocks of columns: what is stored.

A block holds up to MAX_ROWS requests, ordered by number. Its columns are stored in five parts, read only as needed:

    names    MessagePack: for each of CODED, its distinct values in the block
    codes    for each of CODED, a byte a row: the place of the row's value in `names`
    numbers  for each of NUMERIC, eight bytes a row: int64 or float64, little-endian
    ids      a line a row: LF, the request's ID, TAB and the client's own where there is one; LF at the end
    details  zlib of MessagePack: all other columns
    bodies   MessagePack: what was said, each compressed by itself; empty where no row has any

So a filter reads a few bytes a row, and a block whose `names` lack a value is passed over: a million rows are about
4,000 blocks. A B-tree for each filter would cost a request more than all else that is done for it.
"""

import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gateway.errors import StateError
from gateway.request_log.entry import FIELDS, LoggedAttempt, LoggedRequest, Row

MAX_ROWS = 256
"""Rows of a full block: a code is one byte."""

CODED = ("key", "task", "model", "backend", "reason", "status")
DETAILS = tuple(name for name in FIELDS if name not in (*CODED, "number", "id", "client_id", "latency_ms", "body"))
LEVEL = 1
UNKNOWN_COST = -1.0

_PLACES = {name: place for place, name in enumerate(FIELDS)}
_encode = msgspec.msgpack.Encoder().encode
_decode_names = msgspec.msgpack.Decoder(tuple[list[str | int | None], ...]).decode
_decode_bodies = msgspec.msgpack.Decoder(list[bytes | None]).decode


class _Details(msgspec.Struct, frozen=True, array_like=True):
    """The columns of DETAILS, in their order."""

    cost: list[str | None]
    endpoint: list[str]
    asked_model: list[str | None]
    version: list[int]
    is_stream: list[bool]
    read_ms: list[float]
    first_token_ms: list[float | None]
    overhead_ms: list[float]
    waited_ms: list[float]
    input_tokens: list[int | None]
    cached_tokens: list[int]
    output_tokens: list[int]
    reasoning_tokens: list[int]
    is_estimated: list[bool]
    is_cached: list[bool]
    shadow_model: list[str | None]
    attempts: list[tuple[LoggedAttempt, ...]]
    barred: list[tuple[tuple[str, str], ...]]
    stream_error: list[str | None]
    error: list[str | None]


_decode_details = msgspec.msgpack.Decoder(_Details).decode


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
    ids: bytes
    details: bytes = b""
    bodies: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        parts = (self.names, self.codes, self.numbers, self.ids, self.details, self.bodies)
        return sum(map(len, parts))


def encode_block(rows: Sequence[Row]) -> Block:
    """Return the block of 1 to MAX_ROWS rows, ordered by number."""
    columns = list(zip(*rows, strict=True))
    names: list[list[object]] = []
    codes: list[bytes] = []
    for name in CODED:
        values = columns[_PLACES[name]]
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        names.append(list(places))
        codes.append(bytes(map(places.__getitem__, values)))
    numbers = columns[_PLACES["number"]]
    costs = [UNKNOWN_COST if cost is None else float(cost) for cost in columns[_PLACES["cost"]]]
    bodies = columns[_PLACES["body"]]
    details = _encode([columns[_PLACES[name]] for name in DETAILS])
    return Block(
        first=numbers[0],
        last=numbers[-1],
        rows=len(rows),
        names=_encode(names),
        codes=b"".join(codes),
        numbers=_numbers("q", numbers) + _numbers("d", columns[_PLACES["latency_ms"]]) + _numbers("d", costs),
        ids=_encode_ids(columns[_PLACES["id"]], columns[_PLACES["client_id"]]),
        details=zlib.compress(details, LEVEL),
        bodies=_encode(bodies) if any(bodies) else b"",
    )


def decode_rows(block: Block, places: Sequence[int]) -> list[LoggedRequest]:
    """Return some of a block's rows. Raises StateError for a damaged block."""
    try:
        return _decode(block, places)
    except (zlib.error, msgspec.MsgspecError, ValueError, IndexError, UnicodeError) as error:
        raise StateError(f"a block of the request log cannot be read: {type(error).__name__}: {error}") from error


def block_names(block: Block) -> Sequence[list[str | int | None]]:
    """Return the distinct values of each of CODED. Raises StateError."""
    try:
        return _decode_names(block.names)
    except msgspec.MsgspecError as error:
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
    details = _decode_details(zlib.decompress(block.details))
    names, count = _decode_names(block.names), block.rows
    numbers, latencies = column_numbers(block), column_latencies(block)
    lines = block.ids.decode().split("\n")
    bodies = _decode_bodies(block.bodies) if block.bodies else None
    found = []
    for place in places:
        coded = {name: names[at][block.codes[at * count + place]] for at, name in enumerate(CODED)}
        more = {name: getattr(details, name)[place] for name in DETAILS}
        own, _, client = lines[place + 1].partition("\t")
        body = None if bodies is None else bodies[place]
        ids = {"id": own, "client_id": client or None}
        values = {**coded, **more, **ids, "number": numbers[place], "latency_ms": latencies[place], "body": body}
        found.append(LoggedRequest(**values))
    return found


def _encode_ids(own: Sequence[str], clients: Sequence[str | None]) -> bytes:
    lines = [one if client is None else f"{one}\t{client}" for one, client in zip(own, clients, strict=True)]
    return "\n".join(["", *lines, ""]).encode()


def _numbers(kind: str, values: Sequence[float]) -> bytes:
    found = array(kind, values)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _column(block: Block, at: int) -> memoryview:
    size = 8 * block.rows
    part = block.numbers[at * size : (at + 1) * size]
    if len(part) != size:
        raise StateError("a block of the request log cannot be read: it is cut off")
    if sys.byteorder == "big":
        swapped = array("q", part)
        swapped.byteswap()
        part = swapped.tobytes()
    return memoryview(part)
