"""What was spent, to the store once a second and at the end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.errors import StateError
from gateway.spending import Ledger
from gateway.state import Store

log = logging.getLogger("benchroute")

EVERY_S = 1.0
"""What a kill -9 can lose."""


@asynccontextmanager
async def writing(ledger: Ledger, store: Store) -> AsyncIterator[None]:
    """Writes as long as the block runs, and once more after it."""
    ledger.load(store.spent())
    task = asyncio.create_task(_again_and_again(ledger, store))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await _once(ledger, store)


async def _again_and_again(ledger: Ledger, store: Store) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        await _once(ledger, store)


async def _once(ledger: Ledger, store: Store) -> None:
    rows = ledger.unwritten()
    if not rows:
        return
    try:
        await asyncio.to_thread(store.spend, rows)
    except StateError as error:
        ledger.give_back(rows)
        log.warning("what was spent will be written later: %s", error)
