"""A gateway as one of many: what it has from the fleet beside decisions, and looks for once a second.

Keys that were created, what was said of tasks, and the manifest of the active pack. All of it is read by the link's
thread, and taken over in the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config
from gateway.decision import Decision
from gateway.distributed import packs, redis_keys
from gateway.distributed.client import ClientSettings, DistributedScorerClient
from gateway.distributed.pack_library import RedisPackLibrary
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.shared_limits import LocalState, SharedLimits
from gateway.distributed.store import RedisStore
from gateway.errors import GatewayError
from gateway.keys.client_keys import ClientKey, read_created_keys
from gateway.keys.quotas import Quotas
from gateway.proxy.recent_responses import ResponseRecord
from gateway.proxy.session_affinity import SessionAffinity
from gateway.state.store import StoredPolicy
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger
from routing.manifest import Manifest

log = logging.getLogger("benchroute.distributed")


@dataclass(frozen=True, slots=True)
class ChangeHandlers:
    """Who takes over what has changed. Called in the event loop."""

    keys: Callable[[Mapping[str, ClientKey]], None]
    plan: Callable[[Sequence[StoredPolicy], Manifest | None], Awaitable[None]]


class TableSubscriber:
    """The decision table, as the link fills it."""

    def __init__(self, table: DecisionTable, recent: DecisionFeed) -> None:
        self._table = table
        self._recent = recent

    def apply_decisions(self, decisions: Sequence[Decision]) -> None:
        """See gateway.distributed.client.Table."""
        for decision in decisions:
            before = self._table.replace_decision(decision)
            self._recent.publish(decision, before.model if before else None)

    def replace_shard(self, decisions: Mapping[str, Decision], is_gone: Callable[[str], bool]) -> None:
        """See gateway.distributed.client.Table."""
        for task in self._table.task_names():
            if task not in decisions and is_gone(task):
                self._table.forget_task(task)
        for decision in decisions.values():
            self._table.replace_decision(decision)

    def forget_tasks(self, tasks: Sequence[str]) -> None:
        """See gateway.distributed.client.Table."""
        for task in tasks:
            self._table.forget_task(task)


class GatewayNode:
    """One gateway's part in a fleet."""

    def __init__(self, config: Config, table: DecisionTable, recent: DecisionFeed, takers: ChangeHandlers) -> None:
        state = config.state
        cache = Path(state.cache_dir).expanduser()
        # The thread and the endpoints each speak for themselves: neither waits for a connection of the other's.
        self._client = RedisClient(state.url, shards=state.shards)
        self.store = RedisStore(RedisClient(state.url, shards=state.shards))
        terms = ClientSettings(cache, state.max_backlog)
        self.scorer = DistributedScorerClient(
            self._client, TableSubscriber(table, recent), lambda task: table.policy_of(task).input, terms
        )
        self.scorer.periodic_jobs.append(self._look)
        self._own = RedisStore(self._client)
        self._has_file = config.routing.pack is not None
        self._cache = cache
        # Where the configuration names a file, packs are files, and each machine has its own.
        self.shelf = (
            None if self._has_file else RedisPackLibrary(RedisClient(state.url, shards=state.shards), cache, time.time)
        )
        self._takers = takers
        self._changes: Mapping[bytes, bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start_jobs(
        self,
        quotas: Quotas,
        ledger: Ledger,
        sessions: SessionAffinity,
        backends: Callable[[], Iterable[BackendState]],
        find_response: Callable[[str], ResponseRecord | None],
    ) -> None:
        """What is shared. Called in the event loop, before the link is started."""
        self._loop, scorer = asyncio.get_running_loop(), self.scorer
        sessions.are_shared = True
        scorer.find_local = find_response
        common = LocalState(scorer.name, quotas, ledger, sessions, backends, lambda: scorer.gateways)
        scorer.frequent_jobs.append(SharedLimits(self._client, common, scorer.run_in_loop).sync)

    def cached_active_pack(self) -> Manifest | None:
        """What the active pack says of itself, as far as is known without Redis."""
        pushed = None if self._has_file else packs.cached_active(self._cache)
        try:
            return None if pushed is None else packs.read_stored_manifest(pushed)
        except GatewayError as error:
            log.warning("%s", error)
            return None

    def _look(self) -> None:
        """Raises StateError."""
        changes: Mapping[bytes, bytes] = self._client.execute("HGETALL", redis_keys.CHANGES)
        if changes == self._changes or self._loop is None:
            return
        created, said, manifest = read_created_keys(self._own), self._own.current_policies(), self._manifest()

        async def take() -> None:
            try:
                self._takers.keys(created)
                await self._takers.plan(said, manifest)
            except GatewayError as error:
                log.error("what has changed in the fleet cannot be taken over: %s", error)

        asyncio.run_coroutine_threadsafe(take(), self._loop)
        self._changes = changes

    def _manifest(self) -> Manifest | None:
        if self._has_file:
            return None
        found = packs.active_and_stored(self._client)
        if found is None:
            return None
        packs.cache_active(self._cache, found[1])
        return packs.read_stored_manifest(found[1])
