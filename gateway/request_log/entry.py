"""The fields of a logged request."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

TIME_BITS = 10
"""Bits of a row's number below its time: they tell gateways apart that log in the same microsecond."""


class LoggedAttempt(msgspec.Struct, frozen=True, array_like=True):
    """An attempt at a backend.

    Attributes:
        fault: What failed, None where it answered.
        kind: Of the fault: unreachable, timeout, status, broken, error, unsupported, local.
        status: HTTP status of the backend's refusal, None where it said none.
        start_ms: From the request's first byte to the attempt's beginning.
        took_ms: To a stream's first token, a whole response's last byte, or the fault.
    """

    model: str
    backend: str
    fault: str | None
    kind: str | None
    status: int | None
    start_ms: float
    took_ms: float


class LoggedRequest(msgspec.Struct, frozen=True):
    """A request that has ended. Times in milliseconds.

    Attributes:
        number: Unix time of its end in microseconds, above TIME_BITS bits of the gateway's own; unique, and the order
            of the log.
        client_id: The client's own x-request-id.
        model, backend: That answered, or whose error the client got; `none` where none did.
        reason: Why the model was chosen.
        status: As counted: 499 for a client that left.
        cost: In US dollars, as text; None where the price is unknown.
        latency_ms: From the request's first byte to the response's last.
        version: Of the decision, 0 without one.
        read_ms: From the request's first byte to its last.
        first_token_ms: From the request's first byte to a stream's first token; None for other responses.
        waited_ms: Spent waiting for backends, and in pauses before retries.
        input_tokens: None where the response reported no usage.
        barred: Candidates that could not answer, and why.
        stream_error: Why a stream ended early.
        error: The gateway's own error, as the client got it.
        body: What was said, as gateway.request_log.bodies stores it; None where it is not stored.
    """

    number: int
    id: str
    client_id: str | None
    key: str | None
    task: str | None
    model: str
    backend: str
    reason: str
    status: int
    cost: str | None
    latency_ms: float
    endpoint: str
    asked_model: str | None
    version: int
    is_stream: bool
    read_ms: float
    first_token_ms: float | None
    overhead_ms: float
    waited_ms: float
    input_tokens: int | None
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    is_cached: bool
    shadow_model: str | None
    attempts: tuple[LoggedAttempt, ...]
    barred: tuple[tuple[str, str], ...]
    stream_error: str | None
    error: str | None
    body: bytes | None = None

    @property
    def at_us(self) -> int:
        """Unix time of its end, in microseconds."""
        return self.number >> TIME_BITS


class RareFields(msgspec.Struct, frozen=True, array_like=True):
    """What few requests have: all that is not a success at the first attempt.

    Attributes:
        attempts: All of them; the last may be the one that answered.
        others: See LoggedRequest.
    """

    attempts: tuple[LoggedAttempt, ...]
    is_cached: bool = False
    shadow_model: str | None = None
    barred: tuple[tuple[str, str], ...] = ()
    stream_error: str | None = None
    error: str | None = None


class Row(NamedTuple):
    """A request as it is stored: nothing is rounded or formatted. The request path makes Columns of them at once.

    Attributes:
        status: As LoggedRequest's; negative for a stream that ended early, by which it is told from a success.
        cost_usd: None where the price is unknown.
        begun_ms, ended_ms: Of the last attempt, from the request's first byte; 0 without one.
        rare: None for a success at the first attempt.
    """

    number: int
    id: str
    client_id: str | None
    key: str | None
    task: str | None
    model: str
    backend: str
    reason: str
    status: int
    latency_ms: float
    cost_usd: Decimal | None
    read_ms: float
    overhead_ms: float
    waited_ms: float
    begun_ms: float
    ended_ms: float
    endpoint: str
    asked_model: str | None
    version: int
    is_stream: bool
    input_tokens: int | None
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    rare: RareFields | None
    body: bytes | None


Columns = Sequence[Sequence[Any]]
"""Rows by column: for each field of Row the rows' values. To make a Row of each would cost as much as all the rest."""


def to_columns(rows: Sequence[Row]) -> Columns:
    """Return rows, at least one, as columns."""
    return list(zip(*rows, strict=True))


def join_columns(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several parts, one after the other."""
    return parts[0] if len(parts) == 1 else [join_values(columns) for columns in zip(*parts, strict=True)]


def slice_columns(columns: Columns, start: int, stop: int) -> Columns:
    """Return some of the rows."""
    return columns if start == 0 and stop >= len(columns[0]) else [column[start:stop] for column in columns]


def take_rows(parts: list[Columns], count: int) -> Columns:
    """Remove the first rows, `count` or as many as there are, from parts, at least one. Return them."""
    taken, missing = list[Columns](), count
    while parts and missing:
        part = parts.pop(0)
        if len(part[0]) > missing:
            parts.insert(0, slice_columns(part, missing, len(part[0])))
            part = slice_columns(part, 0, missing)
        taken.append(part)
        missing -= len(part[0])
    return join_columns(taken)


def sort_columns(columns: Columns) -> Columns:
    """Return the rows ordered by number."""
    numbers = columns[0]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return [[column[place] for place in order] for column in columns]


def join_values(columns: Iterable[Sequence[Any]]) -> Sequence[Any]:
    """Return the values of several columns, one after the other."""
    joined: list[Any] = []
    for column in columns:
        joined += column  # all at once: to look at each value takes longer than to have made it
    return joined
