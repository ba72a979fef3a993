"""The objects that answer requests by a configuration, from the parts that outlive it."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.services import Services
from gateway.config import Config
from gateway.config.history import ConfigHistory
from gateway.keys.auth import Authenticator
from gateway.keys.client_keys import ClientKeys
from gateway.keys.host_check import HostCheck
from gateway.keys.quotas import Quotas
from gateway.keys.secret_uses import SecretUses
from gateway.observability.metrics import Metrics
from gateway.packs import PackLibrary
from gateway.proxy.accounting import Accounting, Tracing
from gateway.proxy.capabilities import build_capability_table
from gateway.proxy.deadlines import DeadlineTimer
from gateway.proxy.exchange import ExchangeContext
from gateway.proxy.history_recorder import HistoryRecorder, names_of_other_kinds
from gateway.proxy.passthrough.answer import Passthrough
from gateway.proxy.passthrough.target import TargetResolver, models_by_kind
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.prompt_task import PromptTasks
from gateway.proxy.recent_responses import RecentResponses
from gateway.proxy.response_affinity import ResponseAffinity
from gateway.proxy.response_cache import ResponseCache
from gateway.proxy.session_affinity import SessionAffinity
from gateway.proxy.task_target import TaskResolver
from gateway.scorer.client import ScorerClient, observe_with
from gateway.server.history_writer import HistoryWriter
from gateway.server.request_logging import RequestLogging
from gateway.server.runtime import Runtime, Serving
from gateway.server.task_manager import TaskManager
from gateway.state.store import Store
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.eviction_log import EvictionLog
from gateway.tasks.resolved_config import ResolvedConfig
from gateway.tasks.task_directory import TaskDirectory
from gateway.upstream.factory import build_backends, build_forwarding
from gateway.upstream.failover import Failover
from gateway.upstream.load_balancer import LoadBalancer
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.retry import RetryPolicy
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries


@dataclass(frozen=True, slots=True)
class ServingParts:
    """The parts of a gateway that answer requests under every configuration.

    Attributes:
        tracing, request_log: those of the running gateway.
    """

    table: DecisionTable
    metrics: Metrics
    history: HistoryWriter
    decision_feed: DecisionFeed
    evictions: EvictionLog
    scorer: ScorerClient | None
    minutes: MinuteSeries
    recent_responses: RecentResponses
    response_cache: ResponseCache
    directory: TaskDirectory
    prompt_tasks: PromptTasks
    responses: ResponseAffinity
    sessions: SessionAffinity
    ledger: Ledger
    authenticator: Authenticator
    host_check: HostCheck
    quotas: Quotas
    secret_uses: SecretUses
    client_keys: ClientKeys
    runtime: Runtime
    task_manager: TaskManager
    config_history: ConfigHistory
    packs: PackLibrary
    deadlines: DeadlineTimer
    pool: ConnectionPool
    tracing: Tracing | None
    request_log: RequestLogging
    is_draining: Callable[[], bool]


def build_serving(parts: ServingParts, resolved: ResolvedConfig, store: Store) -> Serving:
    """Build the objects that answer requests by a configuration; changes nothing that is in use."""
    config, upstream = resolved.config, resolved.config.upstream
    backends = LoadBalancer(build_backends(config, parts.pool), upstream.breaker)
    pipeline = _build_pipeline(parts, resolved, backends)
    resolver = TargetResolver(
        models_by_kind(config.models),
        upstream.files_backend,
        pipeline.capabilities,
        parts.table,
        backends,
        parts.responses,
    )
    server = config.server
    passthrough = Passthrough(pipeline, resolver, server.max_upload_bytes, server.body_timeout_s)
    context = ExchangeContext(pipeline, parts.deadlines, server.body_timeout_s, not parts.is_draining())
    return Serving(_build_services(parts, resolved, store, backends), context, passthrough)


def _build_services(parts: ServingParts, resolved: ResolvedConfig, store: Store, backends: LoadBalancer) -> Services:
    """Build what the endpoints need."""
    return Services(
        config=resolved.config,
        authenticator=parts.authenticator,
        table=parts.table,
        store=store,
        scorer=parts.scorer,
        metrics=parts.metrics,
        backends=backends,
        ledger=parts.ledger,
        client_keys=parts.client_keys,
        quotas=parts.quotas,
        config_history=parts.config_history,
        packs=parts.packs,
        decision_feed=parts.decision_feed,
        evictions=parts.evictions,
        minutes=parts.minutes,
        flush_history=parts.history.flush,
        recent_responses=parts.recent_responses,
        request_log=parts.request_log.access,
        manager=parts.runtime,
        tasks=parts.task_manager,
        policy_errors=resolved.errors,
        unknown_datasets=resolved.unknown_datasets,
        is_draining=parts.is_draining,
        evidence=resolved.evidence_by_model,
    )


def _build_pipeline(parts: ServingParts, resolved: ResolvedConfig, backends: LoadBalancer) -> Pipeline:
    """Build the request path."""
    config, upstream = resolved.config, resolved.config.upstream
    return Pipeline(
        authenticator=parts.authenticator,
        host_check=parts.host_check,
        capabilities=build_capability_table(config.models),
        tasks=TaskResolver(config.routing.task_sources, parts.prompt_tasks, parts.directory),
        table=parts.table,
        failover=Failover(backends, resolved.timeouts, RetryPolicy(upstream), upstream.max_attempts),
        observe=observe_with(parts.scorer),
        accounting=_build_accounting(parts, config),
        sessions=parts.sessions,
        responses=parts.responses,
        response_cache=parts.response_cache,
        forwarding=build_forwarding(upstream.forwarding),
        max_body_bytes=config.server.max_body_bytes,
        max_response_bytes=upstream.max_response_bytes,
        keepalive_s=upstream.keepalive_s,
        captures_bodies=config.log.enabled and config.log.bodies,
    )


def _build_accounting(parts: ServingParts, config: Config) -> Accounting:
    """Build what counts, charges and logs finished requests."""
    other_kinds, table = names_of_other_kinds(config.models), parts.table

    def baseline(task: str, model: str) -> str:
        """Return the model that a response's cost is compared with: the task's first, where it could have answered."""
        return model if model in other_kinds else table.policy_of(task).ranking[0]

    return Accounting(
        parts.metrics,
        parts.ledger,
        parts.quotas,
        baseline,
        parts.minutes,
        parts.tracing,
        (
            parts.recent_responses.record_batch,
            lambda of: parts.secret_uses.observe_requests(of.secret),
            *parts.request_log.observers,
        ),
        HistoryRecorder(parts.history.buffer, other_kinds).add_batch,
    )
