"""One gateway of many: created keys, policy overrides and the active pack, which it polls once a second.

The client's thread reads them; the event loop applies them.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.config import Config
from gateway.decision import Decision
from gateway.distributed import packs
from gateway.distributed.client import ClientSettings, DistributedScorerClient
from gateway.distributed.pack_library import RedisPackLibrary
from gateway.distributed.redis_client import open_client, own_installation
from gateway.distributed.request_log import RedisRequestStore
from gateway.distributed.shared_limits import RedisLimits
from gateway.distributed.state_copy import StateCopy, read_revocations
from gateway.distributed.store import RedisStore
from gateway.errors import GatewayError
from gateway.keys.client_keys import to_client_keys
from gateway.sharing.changes import ChangeHandlers, SharedSettings
from gateway.sharing.limits import LocalState, SharedLimits
from gateway.sharing.node import SharedParts
from gateway.state.store import Eviction
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.eviction_log import EvictionLog
from routing.manifest import Manifest

log = logging.getLogger("benchroute.distributed")


class TableSubscriber:
    """Applies decisions from Redis to the decision table and the feed."""

    def __init__(self, table: DecisionTable, feed: DecisionFeed, evictions: EvictionLog) -> None:
        self._table = table
        self._feed = feed
        self._evictions = evictions

    def apply_decisions(self, decisions: Sequence[Decision]) -> None:
        """Apply decisions in the order in which they were made."""
        for decision in decisions:
            # Redis publishes in order, and an emptied one begins at version 1 again: the later one counts.
            before = self._table.replace_decision(decision)
            self._feed.publish(decision, before.model if before else None)

    def replace_decisions(self, decisions: Sequence[Decision]) -> None:
        """Apply some of a shard's decisions, which are no news."""
        for decision in decisions:
            self._table.replace_decision(decision)

    def task_names(self) -> Sequence[str]:
        """Return the tasks that have a decision."""
        return self._table.task_names()

    def forget_tasks(self, tasks: Sequence[str]) -> None:
        """Forget tasks, which start cold again."""
        self._table.forget_tasks(tasks)

    def record_evictions(self, evicted: Sequence[Eviction]) -> None:
        """Record which of the forgotten tasks were evicted."""
        self._evictions.record(evicted)


class GatewayNode:
    """One gateway's part in a distributed deployment."""

    is_remote = True

    def __init__(
        self,
        config: Config,
        table: DecisionTable,
        feed: DecisionFeed,
        handlers: ChangeHandlers,
        evictions: EvictionLog | None = None,
    ) -> None:
        """evictions: receives those of all scorers."""
        state = config.state
        cache = Path(state.cache_dir).expanduser()
        # A connection each for thread and endpoints: neither waits for the other's commands.
        self._installation = installation = own_installation(config)
        self._client = open_client(config, installation)
        self._copy = StateCopy()
        self.store = RedisStore(open_client(config, installation), self._copy)
        settings = ClientSettings(cache, state.max_backlog)
        self.scorer = DistributedScorerClient(
            self._client,
            TableSubscriber(table, feed, evictions or EvictionLog()),
            lambda task: table.policy_of(task).input,
            settings,
        )
        self.scorer.periodic_jobs.append(self._poll_changes)
        self._own = RedisStore(self._client)
        self._has_file = config.routing.pack is not None
        self._cache = cache
        # Where the configuration names a file, packs are files, and each machine has its own.
        self.pack_library = (
            None if self._has_file else RedisPackLibrary(open_client(config, installation), cache, time.time)
        )
        self._handlers = handlers
        self._changes: tuple[str, Mapping[bytes, bytes]] | None = None
        self._manifest: Manifest | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start_jobs(self, parts: SharedParts) -> None:
        """Start sharing this gateway's state. Called in the event loop, before the client is started."""
        self._loop, scorer = asyncio.get_running_loop(), self.scorer
        parts.sessions.are_shared = parts.responses.are_shared = True
        scorer.find_own_response = parts.find_response
        local = LocalState(
            *(scorer.name, parts.quotas, parts.ledger, parts.sessions, parts.responses, parts.backends),
            lambda: scorer.gateways,
        )
        # On the thread's connection: it waits for Redis, and the endpoints' one does not wait for it.
        limits = RedisLimits(self._client, self._copy)
        scorer.frequent_jobs.append(SharedLimits(limits, local, scorer.run_in_loop).sync)

    def begin_serving(self) -> None:
        """Do nothing: what other gateways change arrives through Redis."""

    async def stop_jobs(self) -> None:
        """Do nothing: the scorer's client runs the jobs, and ends them."""

    def open_request_store(self, config: Config) -> RedisRequestStore:
        """Return the store of the request log that all gateways share."""
        return RedisRequestStore(open_client(config, self._installation), config.log.retention_days)

    def cached_active_pack(self) -> Manifest | None:
        """Return the manifest of the pack that was active when Redis was last reached; None if there was none."""
        pushed = None if self._has_file else packs.cached_active(self._cache)
        try:
            return None if pushed is None else packs.read_stored_manifest(pushed)
        except GatewayError as error:
            log.warning("%s", error)
            return None

    def _poll_changes(self) -> None:
        """Apply keys, policies and pack if one of them has changed. Raises StateError."""
        # First: what an emptied Redis lost is in it again before anything is read and applied.
        life = self._copy.follow_life(self._client)
        # One small hash once a second, in place of reading everything.
        changes: Mapping[bytes, bytes] = self._client.execute("HGETALL", self._client.keys.changes)
        if (life, changes) == self._changes or self._loop is None:
            return
        keys, policies, manifest = self._own.created_keys(), self._own.current_policies(), self._read_manifest()
        entries = self._own.task_entries()
        created = to_client_keys(keys, self._handlers.known_keys())
        revoked = read_revocations(self._client)
        if self._copy.follow_life(self._client) != life:
            return  # emptied while it was read
        self._copy.keep_keys(keys, revoked)
        self._copy.keep_policies(policies)
        self._copy.keep_entries(entries)
        # Applied in the event loop, which owns what requests read; this thread goes on meanwhile.
        settings = SharedSettings(created, entries, policies, manifest)
        asyncio.run_coroutine_threadsafe(settings.apply(self._handlers), self._loop)
        self._changes = life, changes

    def _read_manifest(self) -> Manifest | None:
        if self._has_file:
            return None
        found = packs.active_and_stored(self._client)
        if found is None:
            return self._manifest  # none was activated, or Redis was emptied: scorers go on with what they have
        # On disk too, for a start while Redis is down.
        packs.cache_active(self._cache, found[1])
        self._manifest = packs.read_stored_manifest(found[1])
        return self._manifest
