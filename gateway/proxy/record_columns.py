"""Records of requests as columns: what is counted and logged of many requests is read field by field.

To read a field of one record in Python takes as long as to read all fields of ten in C. So each record is turned into a
tuple by one call, and the tuples into a column per field by another.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import astuple

from gateway.http import headers as names
from gateway.http.endpoints import Endpoint
from gateway.http.token_usage import Usage
from gateway.proxy.access_log import logged_status
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.request_record import RequestRecord
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import Attempt, AttemptLog

T = TypeVar("T")
_FIELDS = RequestRecord.__struct_fields__
_NO_ATTEMPT = Attempt(names.NONE, names.NONE)


class RecordColumns:
    """Columns of records that have ended, one value a record each.

    Attributes:
        records: The records, at least one.
        model, backend: That answered, or whose error is the client's.
        status: As counted, which is 499 for a client that left.
        attempts, waited_s, times: Of the records' attempts.
        faults: Of the last attempts.
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
        vars(self).update(zip(_FIELDS, zip(*map(astuple, records), strict=True), strict=True))
        # Of a few fields, a list of each takes half the time of all as tuples.
        self.attempts = [trail.attempts for trail in self.trail]
        self.waited_s = [trail.waited_s for trail in self.trail]
        self.times = [trail.times for trail in self.trail]
        if all(self.attempts):
            last = [attempts[-1] for attempts in self.attempts]
        else:
            last = [attempts[-1] if attempts else _NO_ATTEMPT for attempts in self.attempts]
        self.model = [attempt.model for attempt in last]
        self.backend = [attempt.backend for attempt in last]
        self.faults = [attempt.fault for attempt in last]
        self.unusual: Sequence[int] = () if self._are_usual() else self._find_unusual()
        if self.unusual:
            self._correct_unusual()

    def by_route(self, value_of: Callable[[Route | None], T]) -> Sequence[T]:
        """Return a value of each record's route."""
        if is_constant(self.route):
            return [value_of(self.route[0])] * len(self.route)
        return list(map(value_of, self.route))

    def _are_usual(self) -> bool:
        """Return True where all are successes at the first attempt, after a glance at each column."""
        count = len(self.records)
        return (
            sum(map(len, self.attempts)) == count
            and all(self.is_complete)
            and not any(self.barred)
            and self.faults.count(None) == count
            and self.error.count(None) == count
            and self.stream_error.count(None) == count
            and self.cached_model.count(None) == count
            and not any(self.by_route(_shadow_of))
        )

    def _find_unusual(self) -> list[int]:
        columns = zip(
            *(self.attempts, self.faults, self.is_complete, self.error, self.stream_error),
            *(self.barred, self.cached_model, self.route),
            strict=True,
        )
        return [
            place
            for place, (attempts, fault, is_complete, error, stream_error, barred, cached, route) in enumerate(columns)
            if len(attempts) != 1
            or not is_complete
            or not (fault is error is stream_error is cached is None)
            or barred
            or (route is not None and route.shadow_model is not None)
        ]

    def _correct_unusual(self) -> None:
        """Set what is not the last attempt's."""
        statuses = list(self.status)
        for place in self.unusual:
            record = self.records[place]
            self.model[place], self.backend[place] = record.answered_by
            statuses[place] = logged_status(record)
        self.status = statuses


def _shadow_of(route: Route | None) -> str | None:
    return None if route is None else route.shadow_model


def reason_of(route: Route | None) -> str:
    """Return the reason why a request's model was chosen."""
    return names.NONE if route is None else route.reason


def is_constant(column: Sequence[object]) -> bool:
    """Return True for a column, not empty, with one value: nearly as fast as to look at the first."""
    return bool(column[0] == column[-1]) and column.count(column[0]) == len(column)
