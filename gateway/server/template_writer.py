"""Storing and sharing of prompt templates, about once a second, beside the request path."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec

from gateway.errors import StateError
from gateway.loop_share import LoopShare
from gateway.state.store import Store
from gateway.task_records import TemplatePlace
from gateway.tasks.prompt_templates import PREFIX, PromptTemplates, TemplateChanges, TwinTemplates
from gateway.usage.timeseries import MinuteSeries

log = logging.getLogger("benchroute")

INTERVAL_S, SHARED_INTERVAL_S = 1.0, 0.3
USE_MINUTES = 2
TICKS_BETWEEN_USES = 30
NO_PLACE, NO_CHANGES = TemplatePlace(), TemplateChanges([], [])
STORED_AT_ONCE = 50
"""Templates encoded and written before requests have their turn."""

OnTwins = Callable[[Sequence[TwinTemplates]], Awaitable[None]]


@dataclass(slots=True)
class TemplateWriter:
    """Templates of a gateway, and where they are stored.

    Attributes:
        minutes: the requests of the last minutes, by task, which say which templates are in use.
        on_twins: receives pairs that are two ids of one template.
        is_shared: others store templates too.
        place: up to which others' are taken in.
    """

    templates: PromptTemplates
    store: Store
    minutes: MinuteSeries
    on_twins: OnTwins
    is_shared: bool
    place: TemplatePlace = NO_PLACE

    async def load(self) -> None:
        """Take in what is stored. A store that cannot be read is tried again with the next write."""
        with suppress(StateError):
            await self._read()

    async def sync(self) -> None:
        """Store what has changed, and take in what others have stored. Raises StateError."""
        while (changes := self.templates.drain_changes(STORED_AT_ONCE)) != NO_CHANGES:
            try:
                await asyncio.to_thread(self.store.put_templates, changes.changed, changes.removed)
            except BaseException:
                self.templates.restore_changes(changes)
                raise
        if self.is_shared:
            await self._read()

    async def note_uses(self) -> None:
        """Note which templates are in use."""
        share = LoopShare()
        for task, requests in self.minutes.requests_by_name("task", USE_MINUTES):
            if requests and task.startswith(PREFIX):
                self.templates.touch_tasks([task])
            await share.give_way()

    async def _read(self) -> None:
        templates = self.templates
        found, place = await asyncio.to_thread(self.store.read_templates, self.place)
        if not self.is_shared:  # nobody else makes templates: none is another's twin
            found, place = [msgspec.structs.replace(one, born=0) for one in found], NO_PLACE
        share, twins = LoopShare(), list[TwinTemplates]()
        for one in found:
            twins += templates.apply_stored([one])
            await share.give_way()
        if self.place.life not in ("", place.life):
            templates.share_again()  # the store was emptied
        self.place, templates.revision = place, place.revision
        if twins:
            await self.on_twins(twins)


@asynccontextmanager
async def write_templates_periodically(writer: TemplateWriter) -> AsyncIterator[None]:
    """Load templates, store them while the block runs, and once more after it."""
    await writer.load()
    ended = asyncio.Event()
    task = asyncio.create_task(_write_until(ended, writer))
    try:
        yield
    finally:
        # Not cancelled: a write in its thread would go on.
        ended.set()
        await asyncio.gather(task, return_exceptions=True)
        await _sync(writer)


async def _write_until(ended: asyncio.Event, writer: TemplateWriter) -> None:
    tick = 0
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), SHARED_INTERVAL_S if writer.is_shared else INTERVAL_S)
        tick += 1
        if tick % TICKS_BETWEEN_USES == 0:
            await writer.note_uses()
        await _sync(writer)


async def _sync(writer: TemplateWriter) -> None:
    try:
        await writer.sync()
    except StateError as error:
        log.debug("prompt templates are stored later: %s", error)
    except Exception:  # the edge of a background job
        log.exception("prompt templates could not be stored, retrying")
