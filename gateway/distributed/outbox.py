"""Observations between the request path and the thread that hands them on: bounded, the oldest making room."""

import fcntl
import mmap
import struct
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.scorer.observation_queue import MAX_BYTES, MAX_ITEM_BYTES, MAX_ITEMS, ObservationStats

COUNTER_FORMAT = struct.Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class QueuedObservation:
    """A request's task and the JSON that its input is in."""

    task: str
    messages: bytes


class CrashCounter:
    """Three numbers in a file, which are still there when the program was killed.

    accepted: observations taken in. dropped: those that found no room. before: settled in former lives of Redis.
    """

    def __init__(self, path: Path | None) -> None:
        """path: None keeps them in memory alone."""
        self.accepted = self.dropped = self.before = 0
        self._file: BinaryIO | None = None
        if path is not None:
            beside = path.with_suffix(".new")
            self._file = beside.open("w+b")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as this program lives
            self._file.truncate(COUNTER_FORMAT.size)
            self._map = mmap.mmap(self._file.fileno(), COUNTER_FORMAT.size)
            beside.rename(path)  # under its name it is never seen without its lock
        self.write_counts()

    def write_counts(self) -> None:
        """As they are now: a few bytes of memory that outlive the program, and no call to the system."""
        if self._file is not None:
            COUNTER_FORMAT.pack_into(self._map, 0, self.accepted, self.dropped, self.before)

    def close_file(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._map.close()
            self._file.close()


def read_crash_counter(path: Path) -> tuple[int, int, int]:
    """Accepted, dropped, settled before. Raises OSError, struct.error."""
    accepted, dropped, before = COUNTER_FORMAT.unpack(path.read_bytes())
    return accepted, dropped, before


class Outbox:
    """The request path puts, the thread takes. Neither ever waits for the other longer than a few instructions."""

    def __init__(
        self, counts: ObservationStats, tally: CrashCounter, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._counts = counts
        self._tally = tally
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: deque[QueuedObservation] = deque()
        self._lock = threading.Lock()

    def put_observation(self, task: str, messages: bytes) -> None:
        """Never waits, never raises."""
        with self._lock:
            self._tally.accepted += 1
            if len(messages) > MAX_ITEM_BYTES:
                self._drop("too_large")
            else:
                self._items.append(QueuedObservation(task, messages))
                self._bytes += len(messages)
                while len(self._items) > self._max_items or self._bytes > self._max_bytes:
                    self._bytes -= len(self._items.popleft().messages)
                    self._drop("queue_full")
            self._counts.queued = len(self._items)
            self._tally.write_counts()

    def take_all(self, most: int) -> Sequence[QueuedObservation]:
        """What is there, oldest first."""
        with self._lock:
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(len(seen.messages) for seen in taken)
            self._counts.queued = len(self._items)
            return taken

    @property
    def has_pending(self) -> bool:
        """Whether something is there."""
        return bool(self._items)

    def _drop(self, reason: str) -> None:
        self._counts.dropped[reason] += 1
        self._tally.dropped += 1
