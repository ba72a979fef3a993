"""A worker as one of several on a SQLite state: its store, its part of the limits, and what others have changed."""

import asyncio
import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.config import Config
from gateway.config.history import ConfigHistory, ConfigVersion
from gateway.errors import GatewayError, StateError
from gateway.hub.limits import ParentLimits
from gateway.hub.link import CALL_S, ParentLink
from gateway.hub.messages import ConfigChanged
from gateway.hub.scorer import ScorerHandlers, WorkerScorerClient
from gateway.keys.client_keys import to_client_keys
from gateway.request_log.sqlite import SqliteRequestStore, log_path
from gateway.scorer.messages import Configure
from gateway.sharing.changes import ChangeHandlers, SharedSettings
from gateway.sharing.event_loop import run_in_loop
from gateway.sharing.limits import LocalState, SharedLimits
from gateway.sharing.node import SharedParts
from gateway.state.sqlite import open_store
from routing.manifest import Manifest

log = logging.getLogger("benchroute.workers")

SYNC_S, CHANGES_S = 0.25, 1.0
DAY_S = 86_400

BY_THEMSELVES = ("start", "signal", "watch")
"""Changes of the configuration that every worker makes by itself."""


class WorkerNode:
    """One worker's part in a gateway of several processes."""

    is_remote = False
    pack_library = None

    def __init__(
        self,
        config: Config,
        link: ParentLink,
        settings: Configure | None,
        scorer_handlers: ScorerHandlers,
        change_handlers: ChangeHandlers,
    ) -> None:
        """settings: the scorer's; None without a pack. Raises StateError."""
        self.store = open_store(config.state.url)
        self.scorer = None if settings is None else WorkerScorerClient(link, settings, scorer_handlers)
        self._link = link
        self._handlers = change_handlers
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        # Before anything is read of what they count.
        self._changes: Mapping[str, int] = self.store.change_numbers()
        self._fault = ""
        self._is_serving = asyncio.Event()
        self._announce_start: Callable[[], None] = lambda: None
        self._adopting: set[asyncio.Task[None]] = set()

    async def start_jobs(self, parts: SharedParts) -> None:
        """Connect with the parent, learn what the other workers have, and sync with them from now on."""
        loop = asyncio.get_running_loop()
        parts.sessions.are_shared = parts.responses.are_shared = True
        limits = ParentLimits(self._link, self.store, _yesterday)
        if self.scorer is not None:
            self.scorer.find_own_response = parts.find_response
        self._follow_config(parts.config_history)
        await self._link.open()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(limits.has_peers.wait(), CALL_S)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        local = LocalState(
            *(name, parts.quotas, parts.ledger, parts.sessions, parts.responses, parts.backends),
            lambda: limits.gateways,
        )
        shared = SharedLimits(limits, local, lambda work: run_in_loop(loop, work))
        # Before the first request: until it has its share, a worker would give out whole limits.
        await asyncio.to_thread(self._attempt, shared.sync)
        self._thread = threading.Thread(target=self._run, args=(shared, loop), name="workers", daemon=True)
        self._thread.start()

    def begin_serving(self) -> None:
        """Adopt the configuration that the other workers have, if it is another one."""
        self._announce_start()
        self._is_serving.set()

    async def stop_jobs(self) -> None:
        """Hand over what was used last, and close the connection."""
        self._ended.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        await self._link.close()

    def open_request_store(self, config: Config) -> SqliteRequestStore:
        """Return the store of the request log that all workers share. Raises StateError."""
        return SqliteRequestStore(log_path(config.state.url.removeprefix("sqlite:///")), is_shared=True)

    def cached_active_pack(self) -> Manifest | None:
        """Return None: packs are files."""
        return None

    def _run(self, shared: SharedLimits, loop: asyncio.AbstractEventLoop) -> None:
        """Sync until the worker stops, and once more then: the thread."""
        looked_at = time.monotonic()
        while not self._ended.wait(SYNC_S):
            self._attempt(shared.sync)
            if time.monotonic() - looked_at >= CHANGES_S:
                self._attempt(lambda: self._poll_changes(loop))
                looked_at = time.monotonic()
        self._attempt(shared.sync)

    def _attempt(self, job: Callable[[], None]) -> None:
        fault = ""
        try:
            job()
        except StateError as error:
            fault = str(error)
        except Exception:  # the edge of a background job
            log.exception("syncing with the other workers failed, and goes on")
        if fault and fault != self._fault and not self._ended.is_set():
            log.warning("not in sync with the other workers, trying again: %s", fault)
        self._fault = fault

    def _poll_changes(self, loop: asyncio.AbstractEventLoop) -> None:
        """Apply keys, policies and entries if one of them has changed. Raises StateError."""
        changes = self.store.change_numbers()
        if changes == self._changes:
            return
        created = to_client_keys(self.store.created_keys(), self._handlers.known_keys())
        settings = SharedSettings(created, self.store.task_entries(), self.store.current_policies())
        asyncio.run_coroutine_threadsafe(settings.apply(self._handlers), loop)
        self._changes = changes

    def _follow_config(self, history: ConfigHistory) -> None:
        """Tell the others of changes of this worker's configuration, and adopt theirs."""

        def announce(version: ConfigVersion) -> None:
            for_others = version.changed_by not in BY_THEMSELVES
            pack = version.config.routing.pack
            self._link.send(ConfigChanged(version.text, pack, version.changed_by, for_others))

        async def adopt(changed: ConfigChanged) -> None:
            await self._is_serving.wait()
            try:
                await history.adopt(changed.text, changed.pack, is_file=changed.by == "api")
            except GatewayError as error:
                log.error("the configuration of another worker cannot be applied: %s", error)

        def on_changed(changed: ConfigChanged) -> None:
            now = history.current_version
            if changed.by == "start" and (now.text, now.config.routing.pack) == (changed.text, changed.pack):
                return
            task = asyncio.create_task(adopt(changed))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)

        history.announce = announce
        self._announce_start = lambda: announce(history.current_version)
        self._link.handlers[ConfigChanged] = on_changed


def _yesterday() -> str:
    return datetime.fromtimestamp(time.time() - DAY_S, UTC).date().isoformat()
