"""Records of requests as columns: what is counted and logged of many requests is read field by field.

To read a field of one record in Python takes as long as to read all fields of ten in C. So each record is turned into a
tuple by one call, and every 27th value of all tuples is a column.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import astuple

from gateway.http import headers as names
from gateway.http.endpoints import Endpoint
from gateway.http.token_usage import Usage
from gateway.proxy.access_log import logged_status
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.request_record import RequestRecord
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import Attempt, AttemptLog

_FIELDS = RequestRecord.__struct_fields__
_NO_ATTEMPT = Attempt(names.NONE, names.NONE)
_NO_USAGE = Usage(0, 0)


class RecordColumns:
    """Columns of records that have ended, one value a record each. Nothing changes them, so threads may share them.

    Attributes:
        records: The records, at least one.
        model, backend: That answered, or whose error is the client's.
        status: As counted, which is 499 for a client that left.
        attempts, waited_s, times: Of the records' attempts.
        faults: Of the last attempts.
        reason, version, shadow_model: Of the route; `none`, 0 and None without one.
        has_usage: Whether there is any usage.
        tokens: A column for each field of Usage, zeros where there is none.
        unusual: Places of records that are no success at the first attempt, ascending: few.
        others: Attributes of RequestRecord by the same name.
    """

    request_id: Sequence[str]
    started: Sequence[float]
    read_at: Sequence[float]
    task: Sequence[str | None]
    route: Sequence[Route | None]
    trail: Sequence[AttemptLog]
    status: Sequence[int]
    overhead_s: Sequence[float]
    seconds: Sequence[float]
    is_complete: Sequence[bool]
    stream_error: Sequence[str | None]
    key: Sequence[str | None]
    usage: Sequence[Usage | None]
    cost_usd: Sequence[Decimal | None]
    endpoint: Sequence[Endpoint | None]
    client_id: Sequence[str | None]
    cached_model: Sequence[str | None]
    asked_model: Sequence[str | None]
    is_stream: Sequence[bool]
    barred: Sequence[tuple[tuple[str, str], ...]]
    error: Sequence[str | None]
    capture: Sequence[BodyCapture | None]
    secret: Sequence[str | None]

    def __init__(self, records: Sequence[RequestRecord]) -> None:
        self.records = records
        vars(self).update(zip(_FIELDS, transpose(map(astuple, records), len(_FIELDS)), strict=True))
        # Of a few fields, a list of each takes half the time of all as tuples.
        self.attempts = [trail.attempts for trail in self.trail]
        self.waited_s = [trail.waited_s for trail in self.trail]
        self.times = [trail.times for trail in self.trail]
        has_one_each = all(self.attempts) and sum(map(len, self.attempts)) == len(records)
        if has_one_each:
            last = [attempt for (attempt,) in self.attempts]
        else:
            last = [attempts[-1] if attempts else _NO_ATTEMPT for attempts in self.attempts]
        self.model = [attempt.model for attempt in last]
        self.backend = [attempt.backend for attempt in last]
        self.faults = [attempt.fault for attempt in last]
        self._add_routes()
        self._add_tokens()
        self.unusual: Sequence[int] = () if has_one_each and self._are_usual() else self._find_unusual()
        if self.unusual:
            self._correct_unusual()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.records)

    def __getitem__(self, part: slice) -> "RecordColumns":
        """Return the columns of some of the records, at least one."""
        return RecordColumns(self.records[part])

    def _add_routes(self) -> None:
        # Where all have one route, it is looked at once. Two that are equal but not one are not compared: each
        # comparison takes longer than to look at them.
        routes = self.route[:1] if self.route[0] is self.route[-1] and is_constant(self.route) else self.route
        times = len(self.route) // len(routes)
        self.reason = times * [names.NONE if route is None else route.reason for route in routes]
        self.version = times * [0 if route is None else route.version for route in routes]
        self.shadow_model = times * [None if route is None else route.shadow_model for route in routes]

    def _add_tokens(self) -> None:
        usages = self.usage
        if all(usages):  # a Struct is true, be all its numbers 0
            self.has_usage = len(usages) * [True]
        else:
            self.has_usage = [usage is not None for usage in usages]
            usages = [usage or _NO_USAGE for usage in usages]
        rows = map(astuple, usages)  # type: ignore[arg-type]  # none is None
        self.tokens: Sequence[Sequence[int]] = transpose(rows, len(_NO_USAGE.__struct_fields__))

    def _are_usual(self) -> bool:
        """Return True where all are successes, after a glance at each column. All have one attempt."""
        count = len(self.records)
        return (
            all(self.is_complete)
            and not any(self.barred)
            and self.faults.count(None) == count
            and self.error.count(None) == count
            and self.stream_error.count(None) == count
            and self.cached_model.count(None) == count
            and self.shadow_model.count(None) == count
        )

    def _find_unusual(self) -> list[int]:
        columns = zip(
            *(self.attempts, self.faults, self.is_complete, self.error, self.stream_error),
            *(self.barred, self.cached_model, self.shadow_model),
            strict=True,
        )
        return [
            place
            for place, (attempts, fault, is_complete, error, stream_error, barred, cached, shadow) in enumerate(columns)
            if len(attempts) != 1
            or not is_complete
            or not (fault is error is stream_error is cached is shadow is None)
            or barred
        ]

    def _correct_unusual(self) -> None:
        """Set what is not the last attempt's."""
        statuses = list(self.status)
        for place in self.unusual:
            record = self.records[place]
            self.model[place], self.backend[place] = record.answered_by
            statuses[place] = logged_status(record)
        self.status = statuses


def transpose(rows: Iterable[Sequence[Any]], width: int) -> Sequence[list[Any]]:
    """Return the columns of rows that have so many values each."""
    # Row by row, and no zip(*rows): hundreds of tuples and iterators at once bring about a garbage collection, and that
    # looks at all that is in them.
    values: list[Any] = []
    for row in rows:
        values += row
    return [values[place::width] for place in range(width)]


def is_constant(column: Sequence[object]) -> bool:
    """Return True for a column, not empty, with one value: nearly as fast as to look at the first."""
    return bool(column[0] == column[-1]) and column.count(column[0]) == len(column)
