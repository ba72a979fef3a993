"""Writing of usage and last uses to the store, once a second and at shutdown."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.errors import StateError
from gateway.keys.secret_uses import SecretUses
from gateway.state.store import Store
from gateway.usage.ledger import Ledger

log = logging.getLogger("benchroute")

FLUSH_INTERVAL_S = 1.0
"""Maximum usage that a kill -9 loses."""

MAX_FINAL_ATTEMPTS = 3


@asynccontextmanager
async def flush_ledger_periodically(
    ledger: Ledger, store: Store, *, is_shared: bool = False, uses: SecretUses | None = None
) -> AsyncIterator[None]:
    """Write while the block runs, and once more after it.

    is_shared: earlier usage arrives later, from Redis. uses: of secrets, written with the usage.
    """
    if not is_shared:
        ledger.load_rows(store.read_usage())
    ended = asyncio.Event()
    task = asyncio.create_task(_flush_until(ended, ledger, store, uses))
    try:
        yield
    finally:
        # Not cancelled: a write in its thread would go on, and its rows would be neither awaited nor restored.
        ended.set()
        await asyncio.gather(task, return_exceptions=True)
        await _flush_last(ledger, store)
        if uses is not None:
            await _flush_uses(uses, store, is_final=True)


async def _flush_until(ended: asyncio.Event, ledger: Ledger, store: Store, uses: SecretUses | None) -> None:
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), FLUSH_INTERVAL_S)
        if await _flush(ledger, store) and uses is not None:
            await _flush_uses(uses, store)


async def _flush_last(ledger: Ledger, store: Store) -> None:
    """Try several times: there is no later flush."""
    for _ in range(MAX_FINAL_ATTEMPTS):
        if await _flush(ledger, store):
            return
    log.error("usage could not be written before shutdown and is lost")


async def _flush(ledger: Ledger, store: Store) -> bool:
    rows = ledger.drain_unsaved()
    if not rows:
        return True
    try:
        await asyncio.to_thread(store.add_usage, rows)
    except StateError as error:
        ledger.restore_unsaved(rows)
        log.warning("usage could not be written, retrying in %g s: %s", FLUSH_INTERVAL_S, error)
        return False
    except Exception:
        # A mistake of ours must not end the writer, and with it everybody's budgets, until the next restart.
        ledger.restore_unsaved(rows)
        log.exception("usage could not be written, retrying in %g s", FLUSH_INTERVAL_S)
        return False
    return True


async def _flush_uses(uses: SecretUses, store: Store, is_final: bool = False) -> None:
    used = uses.drain_unsaved(is_final)
    if not used:
        return
    try:
        await asyncio.to_thread(store.record_secret_uses, used)
    except StateError as error:
        uses.restore_unsaved(used)
        log.warning("the last use of keys could not be written: %s", error)
    except Exception:
        uses.restore_unsaved(used)
        log.exception("the last use of keys could not be written")
