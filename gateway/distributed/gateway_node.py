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
from gateway.distributed import packs, redis_keys
from gateway.distributed.client import FleetLink, Terms
from gateway.distributed.pack_library import RedisShelf
from gateway.distributed.redis_client import Client
from gateway.distributed.shared_limits import Common, Sharing
from gateway.distributed.store import RedisStore
from gateway.errors import GatewayError
from gateway.keys.client_keys import Held, created_keys
from gateway.keys.quotas import Quotas
from gateway.proxy.recent_responses import RecentAnswers
from gateway.proxy.session_affinity import Sessions
from gateway.scorer.messages import TaskDecision
from gateway.state.store import StoredPolicy
from gateway.tasks.decision_feed import Recent
from gateway.tasks.decision_table import Choice, DecisionTable
from gateway.upstream.load_balancer import Watched
from gateway.usage.ledger import Ledger
from routing.manifest import Manifest

log = logging.getLogger("benchroute.fleet")


@dataclass(frozen=True, slots=True)
class Takers:
    """Who takes over what has changed. Called in the event loop."""

    keys: Callable[[Mapping[str, Held]], None]
    plan: Callable[[Sequence[StoredPolicy], Manifest | None], Awaitable[None]]


class Followed:
    """The decision table, as the link fills it."""

    def __init__(self, table: DecisionTable, recent: Recent) -> None:
        self._table = table
        self._recent = recent

    def told(self, decisions: Sequence[TaskDecision]) -> None:
        """See gateway.distributed.client.Table."""
        for made in decisions:
            choice = _choice(made)
            before = self._table.replace(made.task, choice)
            self._recent.saw(made.task, choice, before.model if before else None)

    def whole(self, decisions: Mapping[str, TaskDecision], gone: Callable[[str], bool]) -> None:
        """See gateway.distributed.client.Table."""
        for task in self._table.names():
            if task not in decisions and gone(task):
                self._table.forget(task)
        for task, made in decisions.items():
            self._table.replace(task, _choice(made))

    def forgotten(self, tasks: Sequence[str]) -> None:
        """See gateway.distributed.client.Table."""
        for task in tasks:
            self._table.forget(task)


class Member:
    """One gateway's part in a fleet."""

    def __init__(self, config: Config, table: DecisionTable, recent: Recent, takers: Takers) -> None:
        state = config.state
        cache = Path(state.cache).expanduser()
        # The thread and the endpoints each speak for themselves: neither waits for a connection of the other's.
        self._client = Client(state.url, shards=state.shards)
        self.store = RedisStore(Client(state.url, shards=state.shards))
        terms = Terms(cache, state.max_backlog)
        self.link = FleetLink(self._client, Followed(table, recent), lambda task: table.policy(task).input, terms)
        self.link.jobs.append(self._look)
        self._own = RedisStore(self._client)
        self._has_file = config.routing.pack is not None
        self._cache = cache
        # Where the configuration names a file, packs are files, and each machine has its own.
        self.shelf = None if self._has_file else RedisShelf(Client(state.url, shards=state.shards), cache, time.time)
        self._takers = takers
        self._changes: Mapping[bytes, bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(
        self,
        quotas: Quotas,
        ledger: Ledger,
        sessions: Sessions,
        backends: Callable[[], Iterable[Watched]],
        answered: RecentAnswers,
    ) -> None:
        """What is shared. Called in the event loop, before the link is started."""
        self._loop, link = asyncio.get_running_loop(), self.link
        sessions.are_shared = True
        link.answered = answered
        common = Common(link.name, quotas, ledger, sessions, backends, lambda: link.gateways)
        link.often.append(Sharing(self._client, common, link.done_in_loop).turn)

    def remembered(self) -> Manifest | None:
        """What the active pack says of itself, as far as is known without Redis."""
        pushed = None if self._has_file else packs.remembered(self._cache)
        try:
            return None if pushed is None else packs.manifest_of(pushed)
        except GatewayError as error:
            log.warning("%s", error)
            return None

    def _look(self) -> None:
        """Raises StateError."""
        changes: Mapping[bytes, bytes] = self._client.ask("HGETALL", redis_keys.CHANGES)
        if changes == self._changes or self._loop is None:
            return
        created, said, manifest = created_keys(self._own), self._own.policies(), self._manifest()

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
        found = packs.checked(self._client)
        if found is None:
            return None
        packs.remember(self._cache, found[1])
        return packs.manifest_of(found[1])


def _choice(made: TaskDecision) -> Choice:
    return Choice(made.version, made.n, made.model, made.reason, made.ranking)
