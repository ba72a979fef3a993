"""The one room that puts the gateway together."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from gateway.api.build import build_api
from gateway.api.front import Front
from gateway.api.services import Services
from gateway.asgi import App, Receive, Scope, Send
from gateway.config import Config
from gateway.decisions import Choice, DecisionTable, Policies, Policy
from gateway.errors import ConfigError, GatewayError, StateError
from gateway.keys import Keys
from gateway.lane.account import Accountant
from gateway.lane.eligible import abilities
from gateway.lane.forward import Forwarder
from gateway.lane.lane import Lane
from gateway.lane.retry import RetryPolicy
from gateway.lane.timeouts import Timeouts
from gateway.metrics import BreakerCollector, Metrics, ScorerCollector, ScorerFigures
from gateway.policy import policies, prices, strangers
from gateway.quotas import Quotas
from gateway.scoring.link import ScorerLink
from gateway.scoring.messages import ScoreSettings, Start, TaskDecision, TaskPolicy
from gateway.spending import Ledger
from gateway.state import Store, open_store
from gateway.upstream.build import build_backends
from gateway.upstream.choose import Backends
from gateway.upstream.openai_kind import client_session
from gateway.wire.operations import BY_PATH
from routing.errors import RoutingError
from routing.manifest import Manifest, read_manifest

log = logging.getLogger("benchroute")

WRITE_EVERY_S = 1.0
"""How often what was spent is written: what a kill -9 can lose."""


class Gateway:
    """The whole service as one ASGI application."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError for a pack that is none, or a task without candidates."""
        self._config = config
        manifest = _manifest(config)
        self._policies = policies(config, manifest)
        self._link = ScorerLink(_start(config, self._policies), self._decided) if manifest else None
        self._table = DecisionTable(self._policies, self._router_works)
        self._keys = Keys(config.keys)
        self._metrics = Metrics()
        self._ledger = Ledger(prices(config, manifest), time.time)
        self._api = build_api(self._lifespan)
        self._front = Front(self._api, config.server.max_body_bytes)
        self._lane: App | None = None
        _warn(config, manifest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request path goes its own way; all else goes to the endpoints."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
        elif scope["path"] in BY_PATH and self._lane is not None:
            await self._lane(scope, receive, send)
        else:
            await self._front(scope, receive, send)

    @property
    def scorer_pid(self) -> int | None:
        """The scorer's process, None while there is none."""
        return self._link.pid if self._link else None

    async def reload_pack(self) -> None:
        """Opens the configured pack anew, as after it was built again; one that cannot be used changes nothing."""
        if self._link is None or self._config.routing.pack is None:
            return
        try:
            manifest = _manifest(self._config)
            renewed = policies(self._config, manifest)
            await self._link.reload(self._config.routing.pack)
        except GatewayError as error:
            log.error("the pack stays as it was: %s", error)
            return
        self._policies = renewed
        self._table.renew(renewed)
        log.info("pack %s opened again", self._config.routing.pack)

    @asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            store = open_store(self._config.state.url)
            stack.callback(store.close)
            self._remember(store)
            writing = asyncio.create_task(self._write_spending(store))
            stack.push_async_callback(self._stop_writing, writing, store)
            session = await stack.enter_async_context(client_session())
            backends = Backends(build_backends(self._config, session), self._config.upstream.breaker)
            self._metrics.registry.register(BreakerCollector(partial(_breakers, backends)))
            for watched in backends.all():
                stack.push_async_callback(watched.backend.close)
            if self._link is not None:
                self._metrics.registry.register(ScorerCollector(partial(_figures, self._link)))
                await self._link.start()
                stack.push_async_callback(self._link.stop)
            self._lane = self._made_lane(backends)
            api.state.services = Services(
                self._config, self._keys, self._table, store, self._link, self._metrics, backends, self._ledger
            )
            yield

    def _made_lane(self, backends: Backends) -> Lane:
        upstream = self._config.upstream
        general = Timeouts().under(upstream.limits)
        timeouts = {model.name: general.under(model.limits) for model in self._config.models}
        return Lane(
            keys=self._keys,
            abilities=abilities(self._config.models),
            table=self._table,
            forwarder=Forwarder(backends, timeouts, RetryPolicy(upstream), upstream.max_attempts),
            observe=_observer(self._link),
            books=self._accountant(),
            max_body_bytes=self._config.server.max_body_bytes,
        )

    def _accountant(self) -> Accountant:
        quotas = Quotas(self._config.keys, self._ledger, time.monotonic)
        return Accountant(self._metrics, self._ledger, quotas, lambda task: self._table.policy(task).ranking[0])

    async def _write_spending(self, store: Store) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._write_once(store)

    async def _write_once(self, store: Store) -> None:
        rows = self._ledger.unwritten()
        if not rows:
            return
        try:
            await asyncio.to_thread(store.spend, rows)
        except StateError as error:
            self._ledger.give_back(rows)
            log.warning("what was spent will be written later: %s", error)

    async def _stop_writing(self, writing: "asyncio.Task[None]", store: Store) -> None:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await self._write_once(store)

    def _remember(self, store: Store) -> None:
        """The decisions of the run before hold until the scorer knows better."""
        self._ledger.load(store.spent())
        for task, kept in store.decisions().items():
            self._table.apply(task, Choice(kept.version, kept.n, kept.model, kept.reason, kept.ranking))

    def _decided(self, decisions: Sequence[TaskDecision]) -> None:
        for made in decisions:
            self._table.apply(made.task, Choice(made.version, made.n, made.model, made.reason, made.ranking))

    def _router_works(self) -> bool:
        return self._link is not None and self._link.status != "down"


def _manifest(config: Config) -> Manifest | None:
    """What the configured pack says of itself. Raises ConfigError if it is no pack."""
    if config.routing.pack is None:
        return None
    try:
        return read_manifest(Path(config.routing.pack))
    except RoutingError as error:
        raise ConfigError("routing", [("routing.pack", str(error))]) from error


def _start(config: Config, made: Policies) -> Start:
    routing = config.routing
    return Start(
        pack=routing.pack or "",
        state_url=config.state.url,
        routing=ScoreSettings(
            score=routing.score, k=routing.k, kappa=routing.kappa, sigma=routing.sigma, eta=routing.eta
        ),
        policy=_task_policy(made.default),
        tasks={name: _task_policy(policy) for name, policy in made.tasks.items()},
    )


def _task_policy(policy: Policy) -> TaskPolicy:
    return TaskPolicy(policy.candidates, policy.input)


def _observer(link: ScorerLink | None) -> Callable[[str, bytes], None]:
    return link.observe if link is not None else lambda task, messages: None


def _figures(link: ScorerLink) -> ScorerFigures:
    counts = link.counts
    return ScorerFigures(
        link.status == "ready", counts.observed, counts.dropped, counts.faults, counts.queued, counts.restarts
    )


def _breakers(backends: Backends) -> dict[str, str]:
    return {watched.backend.name: watched.breaker.state for watched in backends.all()}


def _warn(config: Config, manifest: Manifest | None) -> None:
    """What an operator should know before the first request."""
    if manifest is None:
        log.warning("NO PACK: every task goes to %s; build one with `benchroute pack build`", config.models[0].name)
    else:
        unknown = strangers(config, manifest)
        if unknown:
            log.warning("the pack does not know %s: never chosen by score", ", ".join(unknown))
    if not config.keys:
        log.warning("NO KEYS: whoever reaches this gateway may use it")
