"""The thread that writes the request log: it makes rows of what the request path has handed over, and stores them.

The event loop appends a batch to a list. All else happens in the thread, a few hundred requests at a time, so that the
interpreter's lock is never held for long.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.errors import StateError
from gateway.request_log.blocks import MAX_ROWS
from gateway.request_log.compactor import Compactor
from gateway.request_log.entry import TIME_BITS, Columns, join_columns
from gateway.request_log.storage import RequestStore

log = logging.getLogger("benchroute.requests")

FLUSH_INTERVAL_S = 1.0
"""For so long requests wait until they fill a block: what a kill -9 loses, while the store works."""

MAX_QUEUED = 20_000
"""Requests that wait for a store that is slow or down; more are dropped, and counted."""

RETENTION_INTERVAL_S = 30.0
US = 1_000_000
DAY_US = 86_400 * US
CLOSE_S = 10.0

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """What is kept. days: by age. max_bytes: of all blocks."""

    days: float
    max_bytes: int


@dataclass(slots=True)
class LogCounts:
    """Counts since the start.

    Attributes:
        written: requests stored.
        dropped: requests not stored, by reason.
        removed: requests removed by age or size.
    """

    written: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    removed: int = 0


class RequestLogWriter(Generic[R]):
    """Takes batches of records and writes them to a store, from a thread of its own."""

    def __init__(
        self,
        store: RequestStore,
        make_columns: Callable[[Sequence[R], float], Columns],
        limits: RetentionLimits,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.perf_counter,
    ) -> None:
        """make_columns: of records, with what has to be added to their clock for Unix time.

        clock: Unix time in seconds. steady: the records' clock.
        """
        self._store, self._make_columns, self._limits = store, make_columns, limits
        self._clock, self._steady = clock, steady
        self._compactor = Compactor(store)
        self._queue: list[R] = []
        self._unwritten: Columns = ()
        self._is_queued = threading.Condition()
        self._working = threading.Lock()
        self._is_closing = False
        self._next_removal = 0.0
        self._last_fault = ""
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self.counts = LogCounts()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add_batch(self, records: Sequence[R]) -> None:
        """Take records of requests that have ended. Never waits for the store."""
        room = MAX_QUEUED - len(self._queue) - self._unwritten_rows
        with self._is_queued:
            had = len(self._queue)
            self._queue.extend(records[: max(0, room)] if room < len(records) else records)
            # Not for every batch: to wake a thread costs more than its rows.
            if not had or len(self._queue) >= MAX_ROWS:
                self._is_queued.notify()
        if room < len(records):
            self._drop(len(records) - max(0, room), "queue_full")

    def flush(self) -> None:
        """Write what waits, so that whoever reads next sees it."""
        with self._working:
            self._write_queued(1)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._is_queued:
            self._is_closing = True
            self._is_queued.notify()
        self._thread.join(CLOSE_S)
        if left := len(self._queue) + self._unwritten_rows:
            self._drop(left, "shutdown")

    def _run(self) -> None:
        while not self._is_closing:
            with self._is_queued:
                self._is_queued.wait_for(self._has_work)
                # Together with those that end within the next moment: a full block is written once.
                is_full = self._is_queued.wait_for(self._is_block_full, FLUSH_INTERVAL_S)
            with self._working:
                self._write_queued(MAX_ROWS if is_full and not self._is_closing else 1)
            self._remove_old()
        self.flush()

    @property
    def _unwritten_rows(self) -> int:
        return len(self._unwritten[0]) if self._unwritten else 0

    def _has_work(self) -> bool:
        return bool(self._queue or self._unwritten or self._is_closing)

    def _is_block_full(self) -> bool:
        # Not while the store fails: the queue stays full then, and the thread would spin.
        return self._is_closing or (len(self._queue) >= MAX_ROWS and not self._last_fault)

    def _write_queued(self, least: int) -> None:
        """Write what waits, as long as there are so many rows."""
        offset = self._clock() - self._steady()
        while len(self._queue) + self._unwritten_rows >= least:
            with self._is_queued:
                taken = self._queue[: MAX_ROWS - self._unwritten_rows] if self._unwritten_rows < MAX_ROWS else []
                del self._queue[: len(taken)]
            if not self._write(taken, offset):
                return
            time.sleep(0)  # the event loop's turn

    def _write(self, records: Sequence[R], offset: float) -> bool:
        """Write records, after the rows that could not be written before. Return False if the store fails."""
        try:
            if records:
                made = self._make_columns(records, offset)
                self._unwritten = join_columns([self._unwritten, made]) if self._unwritten else made
            rows = self._unwritten_rows
            self._compactor.write_columns(self._unwritten)
        except StateError as error:
            self._report(str(error))
            return False
        except Exception:
            # A mistake of ours must not end the log: these rows are dropped, and the next ones written.
            log.exception("requests could not be logged")
            self._drop(max(len(records), self._unwritten_rows), "error")
            self._unwritten = ()
            return True
        self._unwritten = ()
        self.counts.written += rows
        self._report("")
        return True

    def _remove_old(self) -> None:
        now = self._clock()
        if now < self._next_removal:
            return
        self._next_removal = now + RETENTION_INTERVAL_S
        before = max(0, int(now * US - self._limits.days * DAY_US)) << TIME_BITS
        try:
            self.counts.removed += self._store.remove_old(before, self._limits.max_bytes)
        except StateError as error:
            self._report(str(error))
        except Exception:
            log.exception("old requests could not be removed from the log")

    def _drop(self, count: int, reason: str) -> None:
        if not self.counts.dropped[reason]:
            log.warning("the request log drops requests (%s): see benchroute_request_log_dropped_total", reason)
        self.counts.dropped[reason] += count

    def _report(self, fault: str) -> None:
        """Log a fault once, and when it is over."""
        if fault and fault != self._last_fault:
            log.warning("requests cannot be logged, retrying every %g s: %s", FLUSH_INTERVAL_S, fault)
        elif self._last_fault and not fault:
            log.info("requests are logged again")
        self._last_fault = fault
