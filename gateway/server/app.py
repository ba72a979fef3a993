"""Composition of the gateway: every part is built here and given what it needs."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from gateway.api.lazy import LazyApi, build_management_api
from gateway.api.middleware import ApiMiddleware
from gateway.api.probes import ProbeEndpoints
from gateway.api.services import Services
from gateway.config import Config
from gateway.config.history import ConfigHistory, ConfigSource
from gateway.decision import Decision
from gateway.http.asgi import Receive, Scope, Send, run_lifespan
from gateway.http.azure import accept_azure_request
from gateway.http.cors import CorsPolicy
from gateway.http.endpoints import BY_PATH
from gateway.http.headers import Headers
from gateway.hub.link import ParentLink
from gateway.hub.scorer import ScorerHandlers
from gateway.keys.auth import Authenticator
from gateway.keys.client_keys import ClientKeys
from gateway.keys.host_check import HostCheck
from gateway.keys.quotas import Quotas
from gateway.keys.secret_uses import SecretUses
from gateway.observability.loop_lag import LoopLagSampler
from gateway.observability.metrics import (
    BreakerCollector,
    Metrics,
    RoutingCollector,
    RoutingStats,
    ScorerCollector,
)
from gateway.observability.request_log_metrics import RequestLogCollector
from gateway.observability.task_labels import MetricTasks
from gateway.packs import LocalPackLibrary, PackLibrary
from gateway.processes.descriptors import Descriptors
from gateway.proxy.accounting import Tracing
from gateway.proxy.asgi_adapter import answer_request
from gateway.proxy.deadlines import DeadlineTimer
from gateway.proxy.exchange import ExchangeContext
from gateway.proxy.inflight import InflightRequests
from gateway.proxy.passthrough.endpoints import is_passed_through
from gateway.proxy.prompt_task import PromptTasks
from gateway.proxy.recent_responses import RecentResponses, ResponseRecord
from gateway.proxy.response_affinity import ResponseAffinity
from gateway.proxy.response_cache import ResponseCache
from gateway.proxy.session_affinity import SessionAffinity
from gateway.scorer.client import ScorerClient
from gateway.scorer.embedded.client import EmbeddedScorerClient
from gateway.server.build_serving import ServingParts, build_serving
from gateway.server.front import Front
from gateway.server.history_writer import HistoryWriter
from gateway.server.ledger_writer import flush_ledger_periodically
from gateway.server.nodes import NodeHandlers, join_gateways
from gateway.server.request_logging import RequestLogging, open_request_log
from gateway.server.runtime import Reloadable, Runtime, Serving, warn_of_gaps
from gateway.server.task_manager import TaskManager, TaskParts
from gateway.server.telemetry import check_otel, start_tracing
from gateway.sharing.changes import ChangeHandlers
from gateway.sharing.node import SharedParts
from gateway.state.sqlite import open_own_store
from gateway.state.store import Eviction, Store
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.eviction_log import EvictionLog
from gateway.tasks.prompt_templates import PromptTemplates
from gateway.tasks.resolved_config import ResolvedConfig, resolve_config
from gateway.tasks.task_directory import TaskDirectory
from gateway.upstream.pool import ConnectionPool
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries

log = logging.getLogger("benchroute")


class Gateway:
    """The gateway as an ASGI application."""

    def __init__(self, config: Config, origin: ConfigSource | None = None, link: ParentLink | None = None) -> None:
        """origin: the configuration's file, which a reload reads again. link: of a worker with its parent.

        Raises ConfigError for an unreadable pack or a task without candidates.
        """
        resolved = resolve_config(config)
        self._table = DecisionTable(resolved.policies, self._router_works)
        self._metrics = Metrics(MetricTasks(config.metrics.max_tasks, config.tasks))
        self._history = HistoryWriter(time.time)
        self._decision_feed = DecisionFeed(time.time, on_change=self._history.buffer.add_change)
        self._evictions = EvictionLog(on_evicted=lambda task: self._minutes.discard("task", task))
        self._node = join_gateways(config, resolved.start, link, self._node_handlers())
        self._scorer: ScorerClient | None = self._make_scorer(config, resolved)
        self._minutes = MinuteSeries(time.time)
        self._recent_responses = RecentResponses(config.routing.feedback_window)
        self._response_cache = ResponseCache(time.monotonic)
        self._directory = TaskDirectory()
        self._templates = PromptTemplates(keeps_texts=lambda: self.runtime.resolved.config.routing.keep_texts)
        self._prompt_tasks = PromptTasks(self._templates)
        self._responses = ResponseAffinity(config.routing.response_ttl_s, time.monotonic)
        self._sessions = SessionAffinity(config.routing.session_ttl_s, time.monotonic)
        self._ledger = Ledger(resolved.prices, time.time)
        self._authenticator = Authenticator(config.keys, config.admin.keys)
        self._quotas = Quotas(config.keys, self._ledger, time.monotonic)
        self._secret_uses = SecretUses(time.time)
        self._client_keys = ClientKeys(config, self._authenticator, self._quotas, time.time, self._secret_uses)
        parts = Reloadable(self._table, self._ledger, self._client_keys, self._scorer)
        self.runtime = Runtime(config, resolved, parts, self._build_serving)
        tasks = TaskParts(self._directory, self._templates, self._table, self._ledger, self._minutes, self._scorer)
        self._task_manager = TaskManager(tasks, self.runtime, time.time)
        self.config_history = ConfigHistory(config, origin, self.runtime.reload, time.time)
        self._packs: PackLibrary = (self._node and self._node.pack_library) or LocalPackLibrary(self.config_history)
        self._inflight = InflightRequests()
        self._tracing: Tracing | None = None
        self._request_log = RequestLogging(None, "The gateway has not started.")
        check_otel(config)
        server = config.server
        self._host_check = HostCheck(
            lambda: self._authenticator.is_open, server.host, server.allowed_hosts, server.cors_origins
        )
        self._cors = CorsPolicy(server.cors_origins)
        self._front = Front(self._dispatch, self._cors)
        self._middleware = ApiMiddleware(
            ProbeEndpoints(LazyApi(lambda: build_management_api(self._services)), self._services),
            server.max_body_bytes,
            server.body_timeout_s,
            self._host_check,
            lambda: self._is_draining,
        )
        self._deadlines = DeadlineTimer()
        self._is_draining = False
        self._version = version("benchroute")  # read from a file
        self.descriptors = Descriptors()
        """File descriptors of the process: clients' connections and backends' share them."""
        self._pool = ConnectionPool(self.descriptors)
        self.descriptors.add_release(self._pool.close_idle)
        warn_of_gaps(resolved)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: by the request path where it is for a backend, else by an endpoint."""
        if scope["type"] == "lifespan":
            await run_lifespan(self.running(), receive, send)
        elif scope["method"] == "POST" and scope["path"] in BY_PATH and not self.needs_front(scope["headers"]):
            await self._dispatch(scope, receive, send)
        else:
            await self._front(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope, receive = accept_azure_request(scope, receive, self.runtime.resolved.config.server.max_body_bytes)
        is_forwarded = scope["path"] in BY_PATH and b"%" not in scope["raw_path"] and scope["method"] != "OPTIONS"
        if is_forwarded and self.exchange_context is not None:
            await answer_request(self.exchange_context, scope, receive, send)
        elif self.runtime.serving is not None and is_passed_through(scope["path"]) and b"%" not in scope["raw_path"]:
            await self._inflight.track(self.runtime.serving.passthrough, scope, receive, send)
        else:
            # Successful requests are counted in batches; an endpoint shows those that have just finished too.
            await self.runtime.flush_in_slices()
            await self._inflight.track(self._middleware, scope, receive, send)

    @property
    def write_timeout_s(self) -> float:
        """Seconds that a client may leave its response unread."""
        return self.runtime.resolved.config.server.write_timeout_s

    def needs_front(self, headers: Headers) -> bool:
        """Return whether a POST to an endpoint of the request path needs a step before it: a page sends it."""
        return self._cors.concerns(headers)

    @property
    def exchange_context(self) -> ExchangeContext | None:
        """The objects that answer requests below ASGI; None before startup."""
        serving = self.runtime.serving
        return None if serving is None else serving.exchange_context

    @property
    def scorer_pid(self) -> int | None:
        """Process ID of the scorer, None while it does not run."""
        return self._scorer.pid if self._scorer else None

    @property
    def is_draining(self) -> bool:
        """True from the first signal to stop: not ready, and still serving."""
        return self._is_draining

    def begin_drain(self) -> None:
        """Report not to be ready, and ask clients to open other connections; go on serving."""
        self._is_draining = True
        self.runtime.end_keep_alive()

    def skip_observations(self) -> None:
        """Wait for no observation to be scored at the shutdown."""
        if isinstance(self._scorer, EmbeddedScorerClient):
            self._scorer.skip_pending()

    def abort_requests(self) -> None:
        """End all requests in flight with an error: the grace period of the shutdown is over."""
        if aborted := self._inflight.abort_all() + self._deadlines.abort_all():
            log.warning("shutdown grace period over: %d requests aborted", aborted)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything, and stop it after the block. Raises StateError, ConfigError."""
        async with AsyncExitStack() as stack:
            config = self.runtime.resolved.config
            store: Store = self._node.store if self._node else open_own_store(config.state.url)
            stack.callback(store.close)
            self._task_manager.attach_store(store)
            if config.otel.endpoint is not None:
                self._tracing = await start_tracing(stack, config.otel)
            is_remote = self._node is not None and self._node.is_remote
            await stack.enter_async_context(
                flush_ledger_periodically(self._ledger, store, is_shared=is_remote, uses=self._secret_uses)
            )
            await stack.enter_async_context(self._history.write_periodically(store))
            await self._restore_settings(store)
            if self._node is not None:
                await self._node.start_jobs(self._shared_parts())
                stack.push_async_callback(self._node.stop_jobs)
            await stack.enter_async_context(self._task_manager.run(store, is_shared=self._node is not None))
            self._request_log = await stack.enter_async_context(open_request_log(config, self._node))
            self._metrics.registry.register(RequestLogCollector(self._request_log.counts))
            stack.callback(self.runtime.flush_counts)
            stack.callback(self._pool.close)
            stack.push_async_callback(self.runtime.close_backends)
            if self._scorer is not None:
                self._metrics.registry.register(ScorerCollector(self._scorer.counts, self._scorer_is_ready))
                await self._scorer.start(self.runtime.resolved.start)
                stack.push_async_callback(self._scorer.stop)
            if not is_remote:  # while the scorer starts; of a shared state they arrive once Redis is reached
                for decision in (await asyncio.to_thread(store.read_decisions)).values():
                    self._table.apply_decision(decision)
            self.runtime.start(store)
            if self._node is not None:
                self._node.begin_serving()
            stack.enter_context(LoopLagSampler(self._metrics.registry))
            self._metrics.registry.register(BreakerCollector(self._breaker_states))
            self._metrics.registry.register(RoutingCollector(self._routing_stats))
            yield

    def _build_serving(self, resolved: ResolvedConfig, store: Store) -> Serving:
        parts = ServingParts(
            table=self._table,
            metrics=self._metrics,
            history=self._history,
            decision_feed=self._decision_feed,
            evictions=self._evictions,
            scorer=self._scorer,
            minutes=self._minutes,
            recent_responses=self._recent_responses,
            response_cache=self._response_cache,
            directory=self._directory,
            prompt_tasks=self._prompt_tasks,
            responses=self._responses,
            sessions=self._sessions,
            ledger=self._ledger,
            authenticator=self._authenticator,
            host_check=self._host_check,
            quotas=self._quotas,
            secret_uses=self._secret_uses,
            client_keys=self._client_keys,
            runtime=self.runtime,
            task_manager=self._task_manager,
            config_history=self.config_history,
            packs=self._packs,
            deadlines=self._deadlines,
            pool=self._pool,
            tracing=self._tracing,
            request_log=self._request_log,
            is_draining=lambda: self._is_draining,
        )
        return build_serving(parts, resolved, store)

    def _services(self) -> Services | None:
        return None if self.runtime.serving is None else self.runtime.serving.services

    async def _restore_settings(self, store: Store) -> None:
        """Load the keys and policies of earlier runs. Redis sends them once it is reached."""
        if self._node is not None and self._node.is_remote:
            self._client_keys.attach_store(store)
            await self.runtime.apply_shared_state((), self._node.cached_active_pack())
            return
        self._client_keys.load_keys(store)
        await self._task_manager.apply_entries(await asyncio.to_thread(store.task_entries))
        await self.runtime.apply_shared_state(await asyncio.to_thread(store.current_policies), None)

    def _shared_parts(self) -> SharedParts:
        own = self._quotas, self._ledger, self._sessions, self._responses
        return SharedParts(*own, self.runtime.backend_states, self._find_response, self.config_history)

    def _node_handlers(self) -> NodeHandlers:
        changes = ChangeHandlers(
            lambda: self._client_keys.created_keys,
            lambda created: self._client_keys.replace_created(created),
            lambda policies, manifest: self.runtime.apply_shared_state(policies, manifest),
            lambda entries: self._task_manager.apply_entries(entries),
        )
        scorer = ScorerHandlers(self._apply_decisions, self._on_evicted, self._table.forget_tasks)
        return NodeHandlers(changes, scorer, self._table, self._decision_feed, self._evictions)

    def _make_scorer(self, config: Config, resolved: ResolvedConfig) -> ScorerClient | None:
        if self._node is not None:
            return self._node.scorer
        if resolved.start is None:
            return None
        return EmbeddedScorerClient(
            resolved.start, self._apply_decisions, nice=config.scorer.nice, on_evicted=self._on_evicted
        )

    def _apply_decisions(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            before = self._table.apply_decision(decision)
            self._decision_feed.publish(decision, before.model if before else None)

    def _on_evicted(self, evicted: Sequence[Eviction]) -> None:
        """Forget tasks that the scorer has evicted; what was spent on them moves into the sum of all others."""
        self._evictions.record(evicted)
        for one in evicted:
            self._table.forget_task(one.task)
        self.runtime.fold_usage([one.task for one in evicted])

    def _find_response(self, request: str) -> ResponseRecord | None:
        """Find one of this gateway's responses, the latest included, for another gateway that got its feedback."""
        self.runtime.flush_counts()
        return self._recent_responses.find_response(request)

    def _scorer_is_ready(self) -> bool:
        return self._scorer is not None and self._scorer.status == "ready"

    def _router_works(self) -> bool:
        return self._scorer is not None and self._scorer.status != "down"

    def _routing_stats(self) -> RoutingStats:
        manifest = self.runtime.resolved.manifest
        recent, pack = self._decision_feed, None
        if manifest is not None:
            pack = {"name": manifest.name, "hash": manifest.hash, "embedder": manifest.embedder.name}
        return RoutingStats(
            self._version,
            pack,
            self.config_history.current_version.number,
            dict(recent.reasons),
            recent.changes,
            float(self._ledger.compared_usd),
            float(self._ledger.baseline_usd),
            len(self._table),
            dict(self._evictions.counts),
        )

    def _breaker_states(self) -> dict[str, str]:
        return {state.backend.name: state.breaker.state for state in self.runtime.backend_states()}
