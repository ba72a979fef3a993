"""What was spent, to the store once a second and at the end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.errors import StateError
from gateway.state.store import Store
from gateway.usage.ledger import Ledger

log = logging.getLogger("benchroute")

FLUSH_INTERVAL_S = 1.0
"""What a kill -9 can lose."""

MAX_FINAL_ATTEMPTS = 3


@asynccontextmanager
async def flush_ledger_periodically(ledger: Ledger, store: Store, *, is_shared: bool = False) -> AsyncIterator[None]:
    """Writes as long as the block runs, and once more after it. is_shared: what was spent before is told by others."""
    if not is_shared:
        ledger.load_rows(store.read_usage())
    ended = asyncio.Event()
    task = asyncio.create_task(_again_and_again(ledger, store, ended))
    try:
        yield
    finally:
        ended.set()  # no cancelling: what is on its way to the store would go on without anybody who looks after it
        await asyncio.gather(task, return_exceptions=True)
        await _last(ledger, store)


async def _again_and_again(ledger: Ledger, store: Store, ended: asyncio.Event) -> None:
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), FLUSH_INTERVAL_S)
        await _written(ledger, store)


async def _last(ledger: Ledger, store: Store) -> None:
    """There is no later: a store that is busy is asked again."""
    for _ in range(MAX_FINAL_ATTEMPTS):
        if await _written(ledger, store):
            return
    log.error("what was spent last could not be written, and is lost")


async def _written(ledger: Ledger, store: Store) -> bool:
    rows = ledger.drain_unsaved()
    if not rows:
        return True
    try:
        await asyncio.to_thread(store.add_usage, rows)
    except StateError as error:
        ledger.restore_unsaved(rows)
        log.warning("what was spent is not written yet: %s", error)
        return False
    return True
