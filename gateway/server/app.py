"""The one room that puts the gateway together."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi import FastAPI

from gateway.api.build import build_api
from gateway.api.middleware import ApiMiddleware
from gateway.api.services import Services
from gateway.config import Config
from gateway.config.history import ConfigHistory, ConfigSource
from gateway.errors import ConfigError, Conflict, InvalidRequest, ScorerUnavailable
from gateway.http.asgi import Receive, Scope, Send
from gateway.http.endpoints import BY_PATH
from gateway.keys.auth import Authenticator
from gateway.keys.client_keys import ClientKeys
from gateway.keys.quotas import Quotas
from gateway.observability.metrics import (
    BreakerCollector,
    Metrics,
    RoutingCollector,
    RoutingStats,
    ScorerCollector,
    ScorerStats,
    TaskLabels,
)
from gateway.packs.library import LocalPackLibrary, PackLibrary
from gateway.proxy.accounting import Accounting
from gateway.proxy.asgi_adapter import answer_request
from gateway.proxy.capabilities import build_capability_table
from gateway.proxy.deadlines import DeadlineTimer
from gateway.proxy.exchange import ExchangeContext
from gateway.proxy.inflight import InflightRequests
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.recent_responses import RecentResponses
from gateway.proxy.response_cache import ResponseCache
from gateway.proxy.session_affinity import SessionAffinity
from gateway.proxy.tracing import Tracing
from gateway.scorer.embedded.client import EmbeddedScorerClient
from gateway.scorer.messages import Decision
from gateway.server.ledger_writer import flush_ledger_periodically
from gateway.state.sqlite import open_store
from gateway.state.store import Store, StoredPolicy
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable, Policies, TableEntry
from gateway.tasks.policies import build_prices, models_not_in_pack
from gateway.tasks.resolved_config import ResolvedConfig, check_reloadable, resolve_config, task_policy
from gateway.upstream.factory import build_backends
from gateway.upstream.failover import Failover
from gateway.upstream.load_balancer import BackendState, LoadBalancer
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.retry import RetryPolicy
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries
from routing.manifest import Manifest

if TYPE_CHECKING:
    from gateway.distributed.client import DistributedScorerClient
    from gateway.distributed.gateway_node import GatewayNode

log = logging.getLogger("benchroute")


class Gateway:
    """The whole service as one ASGI application."""

    def __init__(self, config: Config, origin: ConfigSource | None = None) -> None:
        """origin: the file that the configuration is from, to be read again when asked.

        Raises ConfigError for a pack that is none, or a task without candidates.
        """
        self._manifest: Manifest | None = None
        self._plan = resolve_config(config)
        self._table = DecisionTable(self._plan.policies, self._router_works)
        self._metrics = Metrics(TaskLabels(config.metrics.max_tasks, config.tasks))
        self._recent = DecisionFeed(time.time)
        self._member = self._join(config)
        self._link: EmbeddedScorerClient | DistributedScorerClient | None = (
            self._member.link if self._member else self._own_scorer(config)
        )
        self._minutes = MinuteSeries(time.time)
        self._answered = RecentResponses(config.routing.feedback_window)
        self._answers = ResponseCache(time.monotonic)
        self._sessions = SessionAffinity(config.routing.session_ttl_s, time.monotonic)
        self._ledger = Ledger(build_prices(config, self._plan.manifest), time.time)
        self._keys = Authenticator(config.keys, config.admin.keys)
        self._quotas = Quotas(config.keys, self._ledger, time.monotonic)
        self._keyring = ClientKeys(config, self._keys, self._quotas, time.time)
        self.config_history = ConfigHistory(config, origin, self.reload, time.time)
        self._packs: PackLibrary = (self._member and self._member.shelf) or LocalPackLibrary(self.config_history)
        self._underway = InflightRequests()
        self._tracing: Tracing | None = None
        _check_otel(config)
        self._api = build_api(self._lifespan)
        self._front = ApiMiddleware(self._api, config.server.max_body_bytes)
        self._lane: Pipeline | None = None
        self._sweep = DeadlineTimer()
        self.exchange_context: ExchangeContext | None = None
        """What a server with an express lane works with; None while nothing is served."""
        self._services: Services | None = None
        self._pool = ConnectionPool()
        _warn(self._plan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request path goes its own way; all else goes to the endpoints."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
        elif scope["path"] in BY_PATH and b"%" not in scope["raw_path"] and self.exchange_context is not None:
            await answer_request(self.exchange_context, scope, receive, send)
        else:
            self._settle()
            await self._underway.track(self._front, scope, receive, send)

    @property
    def scorer_pid(self) -> int | None:
        """The scorer's process, None while there is none."""
        return self._link.pid if self._link else None

    def abort_requests(self) -> None:
        """Ends all requests under way, in words: the gateway stops, and has waited long enough."""
        if cut := self._underway.abort_all() + self._sweep.abort_all():
            log.warning("%d requests are cut off: the time to end them is over", cut)

    async def reload(self, config: Config) -> None:
        """Takes over another configuration, or the same one with its pack built again, while requests go on.

        Requests in flight finish with the old one. Raises ConfigError, PackRejected, ScorerUnavailable, unchanged.
        """
        assert self._services is not None  # noqa: S101 - called while serving
        check_reloadable(self._plan.config, config)
        async with self._keyring.changing:
            self._keyring.validate_config(config)
            plan = resolve_config(
                config, await asyncio.to_thread(self._services.store.current_policies), self._manifest
            )
            backends = self._backends(plan)
            if self._link is not None and plan.start is not None:
                await self._link.reload(plan.start)
            self._settle()
            self._plan = plan
            self._keyring.set_config(config)
            self._table.set_policies(plan.policies)
            self._ledger.set_prices(build_prices(config, plan.manifest))
            self._serve(backends, self._services.store)
        _warn(plan)

    async def set_policy(self, policy: StoredPolicy) -> None:
        """Holds a task to what is said of it from now on. Raises InvalidRequest for what does not fit, Conflict where
        something else was said meanwhile, StateError.
        """
        assert self._services is not None  # noqa: S101 - called while serving
        store, task = self._services.store, policy.task
        async with self._keyring.changing:
            others = [other for other in await asyncio.to_thread(store.current_policies) if other.task != task]
            plan = resolve_config(self.config_history.current_version.config, [*others, policy], self._manifest)
            if task in plan.errors:
                raise InvalidRequest(plan.errors[task], code="invalid_policy")
            await self._tell_scorer(task, plan.policies)  # which may refuse it: then nothing has changed
            if not await asyncio.to_thread(store.put_policy, policy):
                await self._tell_scorer(task, self._plan.policies)
                raise Conflict(f"the policy of task {task!r} was changed meanwhile: look at it again")
            self._plan = plan
            self._table.set_policy(task, plan.policies)
            self._services = replace(self._services, config=plan.config, policy_errors=plan.errors)
        log.info(
            "task %s has policy %d, set by %s: %s",
            task,
            policy.version,
            policy.changed_by,
            policy.settings_json or "taken back",
        )

    async def _tell_scorer(self, task: str, policies: Policies) -> None:
        """Of a task's policy. Raises InvalidRequest for what it cannot do; one that is away is told when it is back."""
        if self._link is None:
            return
        try:
            await self._link.set_policy(task, task_policy(policies.policy_of(task)))
        except ScorerUnavailable as error:
            log.warning("the scorer will hear of task %s's policy later: %s", task, error)

    @asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            store = self._member.store if self._member else open_store(self._plan.config.state.url)
            stack.callback(store.close)
            if self._plan.config.otel.endpoint is not None:
                await self._trace(stack)
            await stack.enter_async_context(
                flush_ledger_periodically(self._ledger, store, is_shared=self._member is not None)
            )
            await self._remember(store)
            stack.callback(self._settle)
            stack.callback(self._pool.close)
            stack.push_async_callback(self._close_backends)
            if self._link is not None:
                self._metrics.registry.register(ScorerCollector(partial(_figures, self._link)))
                await self._link.start(self._plan.start)
                stack.push_async_callback(self._link.stop)
            self._serve(self._backends(self._plan), store)
            self._metrics.registry.register(BreakerCollector(self._breakers))
            self._metrics.registry.register(RoutingCollector(self._routing))
            api.state.services = lambda: self._services
            yield

    async def _trace(self, stack: AsyncExitStack) -> None:
        """Tells a collector of requests from now on, and at the end of what is left."""
        from gateway.otel.exporters import build_telemetry  # takes a while, and needs its extra

        made = await asyncio.to_thread(build_telemetry, self._plan.config.otel)
        stack.push_async_callback(asyncio.to_thread, made.close)
        self._tracing = made.tracer

    def _serve(self, backends: LoadBalancer, store: Store) -> None:
        """From now on requests are answered by the plan."""
        config = self._plan.config
        upstream = config.upstream
        if self._keys.is_open:
            log.warning("NO KEYS: whoever reaches this gateway may use it")
        self._services = Services(
            config=config,
            authenticator=self._keys,
            table=self._table,
            store=store,
            scorer=self._link,
            metrics=self._metrics,
            backends=backends,
            ledger=self._ledger,
            client_keys=self._keyring,
            config_history=self.config_history,
            packs=self._packs,
            decision_feed=self._recent,
            minutes=self._minutes,
            recent_responses=self._answered,
            manager=self,
            policy_errors=self._plan.errors,
        )
        self._lane = Pipeline(
            authenticator=self._keys,
            capabilities=build_capability_table(config.models),
            table=self._table,
            failover=Failover(backends, self._plan.timeouts, RetryPolicy(upstream), upstream.max_attempts),
            observe=_observer(self._link),
            accounting=Accounting(
                self._metrics,
                self._ledger,
                self._quotas,
                lambda task: self._table.policy_of(task).ranking[0],
                self._minutes,
                self._tracing,
                self._answered.record,
            ),
            sessions=self._sessions,
            response_cache=self._answers,
            max_body_bytes=config.server.max_body_bytes,
            keepalive_s=upstream.keepalive_s,
        )
        self.exchange_context = ExchangeContext(self._lane, self._sweep)

    def _backends(self, plan: ResolvedConfig) -> LoadBalancer:
        return LoadBalancer(build_backends(plan.config, self._pool), plan.config.upstream.breaker)

    def _settle(self) -> None:
        """What has ended is in the books."""
        if self._lane is not None:
            self._lane.accounting.flush_counts()

    async def _close_backends(self) -> None:
        for watched in self._services.backends.all_backends() if self._services else ():
            await watched.backend.close()

    async def _remember(self, store: Store) -> None:
        """What the run before left holds until the scorer knows better. A fleet tells it once it can be reached."""
        if self._member is not None:
            self._keyring.attach_store(store)
            self._member.start_jobs(self._quotas, self._ledger, self._sessions, self._watched, self._answered)
            await self._replan((), self._member.cached_active_pack())
            return
        self._keyring.load_keys(store)
        await self._replan(await asyncio.to_thread(store.current_policies), None)
        for task, kept in store.read_decisions().items():
            self._table.apply_decision(task, TableEntry(kept.version, kept.n, kept.model, kept.reason, kept.ranking))

    async def _replan(self, said: Sequence[StoredPolicy], manifest: Manifest | None) -> None:
        """Holds tasks to what is said of them, and to the fleet's active pack. Raises ConfigError."""
        async with self._keyring.changing:
            plan = resolve_config(self.config_history.current_version.config, said, manifest)
            self._manifest, self._plan = manifest, plan
            self._table.set_policies(plan.policies)
            self._ledger.set_prices(build_prices(plan.config, plan.manifest))
            if self._services is not None:
                self._services = replace(self._services, config=plan.config, policy_errors=plan.errors)

    def _watched(self) -> Iterable[BackendState]:
        return self._services.backends.all_backends() if self._services else ()

    def _join(self, config: Config) -> "GatewayNode | None":
        if not config.state.is_shared:
            return None
        from gateway.distributed.gateway_node import (  # Redis' client is only there where it is wanted
            ChangeHandlers,
            GatewayNode,
        )

        takers = ChangeHandlers(lambda created: self._keyring.replace_created(created), self._replan)
        return GatewayNode(config, self._table, self._recent, takers)

    def _own_scorer(self, config: Config) -> EmbeddedScorerClient | None:
        return (
            EmbeddedScorerClient(self._plan.start, self._decided, nice=config.scorer.nice) if self._plan.start else None
        )

    def _decided(self, decisions: Sequence[Decision]) -> None:
        for made in decisions:
            choice = TableEntry(made.version, made.n, made.model, made.reason, made.ranking)
            before = self._table.apply_decision(made.task, choice)
            self._recent.publish(made.task, choice, before.model if before else None)

    def _router_works(self) -> bool:
        return self._link is not None and self._link.status != "down"

    def _routing(self) -> RoutingStats:
        manifest = self._plan.manifest
        recent, pack = self._recent, None
        if manifest is not None:
            pack = {"name": manifest.name, "hash": manifest.hash, "embedder": manifest.embedder.name}
        return RoutingStats(
            version("benchroute"),
            pack,
            self.config_history.current_version.number,
            dict(recent.reasons),
            recent.changes,
            float(self._ledger.baseline_usd),
        )

    def _breakers(self) -> dict[str, str]:
        served = self._services.backends.all_backends() if self._services else ()
        return {watched.backend.name: watched.breaker.state for watched in served}


def _observer(link: "EmbeddedScorerClient | DistributedScorerClient | None") -> Callable[[str, bytes], None]:
    return link.observe_input if link is not None else lambda task, messages: None


def _figures(link: "EmbeddedScorerClient | DistributedScorerClient") -> ScorerStats:
    counts = link.counts
    return ScorerStats(
        link.status == "ready",
        counts.observed,
        counts.dropped,
        counts.errors,
        counts.queued,
        counts.restarts,
        counts.scoring_s,
        counts.backlog,
        counts.skipped,
    )


def _check_otel(config: Config) -> None:
    """Raises ConfigError where telling a collector needs what is not installed."""
    is_here = find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None
    if config.otel.endpoint is not None and not is_here:
        raise ConfigError("otel", [("otel.endpoint", "OpenTelemetry is missing: pip install 'benchroute[otel]'")])


def _warn(plan: ResolvedConfig) -> None:
    """What an operator should know before the first request."""
    config = plan.config
    if plan.manifest is None:
        log.warning("NO PACK: every task goes to %s; build one with `benchroute pack build`", config.models[0].name)
    elif unknown := models_not_in_pack(config, plan.manifest):
        log.warning("the pack does not know %s: never chosen by score", ", ".join(unknown))
