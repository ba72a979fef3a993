"""Writing of history to the store, every few seconds, before it is read, and at shutdown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.errors import StateError
from gateway.state.store import Store
from gateway.usage.history import (
    MINUTE_S,
    ChangeMark,
    HistoryBuffer,
    HistoryRows,
    NameRanking,
    SampleMaker,
    add_rows,
    place_changes,
    sum_samples,
    with_hours,
)

log = logging.getLogger("benchroute")

FLUSH_INTERVAL_S = 5.0
"""Maximum history that a kill -9 loses."""

MAX_BUCKETS = 200
"""Minutes and hours in memory while the store cannot be written: about three hours. The oldest minutes are dropped."""

MAX_CHANGES = 100_000
MAX_FINAL_ATTEMPTS = 3


class HistoryWriter:
    """Moves what a buffer has taken in to the store. One write at a time, each in a thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.buffer = HistoryBuffer(clock)
        self._store: Store | None = None
        self._ranking = NameRanking()
        self._rows = HistoryRows()
        self._changes: list[ChangeMark] = []
        self._writing = asyncio.Lock()
        self._pruned_at = float("-inf")
        self._has_failed = False

    @asynccontextmanager
    async def write_periodically(self, store: Store) -> AsyncIterator[None]:
        """Write to a store while the block runs, and once more after it."""
        self._store = store
        ended = asyncio.Event()
        task = asyncio.create_task(self._flush_until(ended))
        try:
            yield
        finally:
            ended.set()
            await asyncio.gather(task, return_exceptions=True)
            await self._flush_last()

    async def flush(self) -> bool:
        """Write what has been counted until now. Return False if the store could not take it: it is kept."""
        async with self._writing:
            if self._store is None:
                return False
            return await asyncio.to_thread(self._write, self._store, *self.buffer.drain())

    async def _flush_until(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), FLUSH_INTERVAL_S)
            await self.flush()

    async def _flush_last(self) -> None:
        """Try several times: there is no later flush."""
        for _ in range(MAX_FINAL_ATTEMPTS):
            if await self.flush():
                return
        log.error("history could not be written before shutdown and is lost")

    def _write(self, store: Store, samples: Sequence[SampleMaker], changes: Sequence[ChangeMark]) -> bool:
        now = self.buffer.clock()
        try:
            self._changes += place_changes(changes, self._ranking)
            add_rows(self._rows, with_hours(sum_samples(make() for make in samples), self._ranking, now))
            # Without rows too: the store may have some of before that it could not write.
            store.add_history(self._rows, self._changes)
            self._rows, self._changes = HistoryRows(), []
            if now - self._pruned_at >= MINUTE_S:
                store.prune_history(now)
                self._pruned_at = now
        except Exception as error:
            # A mistake of ours must not end the writer, and with it all history, until the next restart.
            self._on_failure(error)
            return False
        if self._has_failed:
            log.info("history is written again")
        self._has_failed = False
        return True

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, StateError):
            log.exception("history could not be written, retrying in %g s", FLUSH_INTERVAL_S)
        elif not self._has_failed:
            log.warning("history could not be written, retrying every %g s: %s", FLUSH_INTERVAL_S, error)
        self._has_failed = True
        for bucket in sorted(self._rows)[:-MAX_BUCKETS]:  # minutes before hours, which are few
            del self._rows[bucket]
        del self._changes[:-MAX_CHANGES]
