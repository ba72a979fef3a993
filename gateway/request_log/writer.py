"""The thread that writes the request log: it makes rows of what the request path has handed over, and stores them.

The event loop appends a batch to a queue. All else happens in the thread, a few hundred requests at a time, so that the
interpreter's lock is never held for long.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

from gateway.errors import StateError
from gateway.request_log.blocks import MAX_ROWS
from gateway.request_log.compactor import Compactor
from gateway.request_log.entry import TIME_BITS, Columns, take_rows
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


class RecordBatch(Protocol):
    """Records of requests that have ended together, at least one."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Self: ...


R = TypeVar("R", bound=RecordBatch)


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
        make_columns: Callable[[R, float], Columns],
        limits: RetentionLimits,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.perf_counter,
    ) -> None:
        """make_columns: of a batch, with what has to be added to their clock for Unix time.

        clock: Unix time in seconds. steady: the records' clock.
        """
        self._store, self._make_columns, self._limits = store, make_columns, limits
        self._clock, self._steady = clock, steady
        self._compactor = Compactor(store)
        self._queue: deque[R] = deque()
        self._queued_rows = 0
        self._unwritten: list[Columns] = []
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

    def add_batch(self, batch: R) -> None:
        """Take records of requests that have ended. Never waits for the store."""
        with self._is_queued:
            had, room = self._queued_rows, MAX_QUEUED - self._waiting_rows
            taken = min(len(batch), max(0, room))
            if taken:
                self._queue.append(batch if taken == len(batch) else batch[:taken])
            self._queued_rows += taken
            # Not for every batch: to wake a thread costs more than its rows.
            if not had or self._queued_rows >= MAX_ROWS:
                self._is_queued.notify()
        if taken < len(batch):
            self._drop(len(batch) - taken, "queue_full")

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
        if left := self._waiting_rows:
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
        return sum([len(part[0]) for part in self._unwritten])

    @property
    def _waiting_rows(self) -> int:
        return self._queued_rows + self._unwritten_rows

    def _has_work(self) -> bool:
        return bool(self._queue or self._unwritten or self._is_closing)

    def _is_block_full(self) -> bool:
        # Not while the store fails: the queue stays full then, and the thread would spin.
        return self._is_closing or (self._waiting_rows >= MAX_ROWS and not self._last_fault)

    def _write_queued(self, least: int) -> None:
        """Write what waits, as long as there are so many rows."""
        offset = self._clock() - self._steady()
        while self._waiting_rows >= least:
            self._make_rows(self._take_batches(), offset)
            if not self._write_rows():
                return
            time.sleep(0)  # the event loop's turn

    def _take_batches(self) -> Sequence[R]:
        """Take from the queue what fills a block, or all there is."""
        taken: list[R] = []
        with self._is_queued:
            rows = self._unwritten_rows
            while self._queue and rows < MAX_ROWS:
                taken.append(self._queue.popleft())
                rows += len(taken[-1])
            self._queued_rows -= sum(map(len, taken))
        return taken

    def _make_rows(self, batches: Sequence[R], offset: float) -> None:
        try:
            self._unwritten += [self._make_columns(batch, offset) for batch in batches]
        except Exception:
            # A mistake of ours must not end the log: these rows are dropped, and the next ones written.
            log.exception("requests could not be logged")
            self._drop(sum(map(len, batches)), "error")

    def _write_rows(self) -> bool:
        """Write a full block, or all there is if that is less. Return False if the store fails."""
        if not self._unwritten:
            return True
        columns = take_rows(self._unwritten, MAX_ROWS)
        try:
            self._compactor.write_columns(columns)
        except StateError as error:
            self._unwritten.insert(0, columns)
            self._report(str(error))
            return False
        except Exception:
            log.exception("requests could not be logged")
            self._drop(len(columns[0]), "error")
            return True
        self.counts.written += len(columns[0])
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
