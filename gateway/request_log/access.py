"""The request log as endpoints read it: what has just ended is written first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.request_log.entry import TIME_BITS, LoggedRequest
from gateway.request_log.filters import MAX_NUMBER, RequestFilter
from gateway.request_log.pages import RequestPage, read_following, read_newest, read_request
from gateway.request_log.storage import LogSize, RequestStore
from gateway.request_log.values import FoundValues, read_values

SETTLED_S = 2.0
"""Of a shared log, how old a row is before a live tail shows it: until then, another gateway may write older ones."""

US = 1_000_000


class Flushable(Protocol):
    """A writer."""

    def flush(self) -> None:
        """Write what waits."""


class RequestLog:
    """Reads of the log. Every method blocks, and may raise StateError."""

    def __init__(self, store: RequestStore, writer: Flushable, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix time in seconds."""
        self._store, self._writer, self._clock = store, writer, clock

    def newest(self, wanted: RequestFilter, before: int | None, limit: int, with_bodies: bool = False) -> RequestPage:
        """Return the newest rows that match, newest first. before: only rows with a lesser number."""
        self._writer.flush()
        return read_newest(self._store, wanted, before, limit, with_bodies)

    def following(self, wanted: RequestFilter, after: int, limit: int) -> RequestPage:
        """Return the rows that match and follow a number, oldest first."""
        self._writer.flush()
        return read_following(self._store, wanted, after, limit, self._settled())

    def last_number(self) -> int:
        """Return the number behind which a live tail begins that shows what ends from now on."""
        self._writer.flush()
        found = read_newest(self._store, RequestFilter(), self._settled() + 1, 1).rows
        return found[0].number if found else 0

    def find(self, request_id: str) -> LoggedRequest | None:
        """Return the request with an ID, None if it is not logged."""
        self._writer.flush()
        return read_request(self._store, request_id)

    def values(self, column: str, part: str, wanted: RequestFilter, limit: int) -> FoundValues:
        """Return the values of a column that occur and contain a text. wanted: its times count."""
        self._writer.flush()
        return read_values(self._store, column, part, wanted, limit)

    def measure(self) -> LogSize:
        """Return how much is stored."""
        return self._store.measure()

    def _settled(self) -> int:
        if not self._store.is_shared:
            return MAX_NUMBER - 1
        return int((self._clock() - SETTLED_S) * US) << TIME_BITS


@dataclass(frozen=True, slots=True)
class RequestLogAccess:
    """The log, or why there is none.

    Attributes:
        log: None where it is switched off, or cannot be opened.
        fault: Why.
    """

    log: RequestLog | None
    fault: str = ""
