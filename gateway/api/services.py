"""The services that endpoints use, and what a principal sees. Without FastAPI: the gateway builds them at its start."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from gateway.config import Config
from gateway.config.history import ConfigHistory
from gateway.errors import InvalidRequest, NotFound, ScorerUnavailable
from gateway.keys.auth import Authenticator, Principal
from gateway.keys.client_keys import ClientKeys
from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.packs import PackLibrary
from gateway.proxy.recent_responses import RecentResponses
from gateway.request_log.access import RequestLogAccess
from gateway.scorer.client import ScorerClient
from gateway.state.store import Store, StoredPolicy
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.eviction_log import EvictionLog
from gateway.tasks.prompt_templates import PromptTemplates
from gateway.tasks.task_directory import TaskDirectory
from gateway.upstream.load_balancer import LoadBalancer
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries
from gateway.vocabulary import TASK_ID_RULE, is_task_id
from routing.catalogue.evidence import EvidenceMatch


class TaskPolicyManager(Protocol):
    """The gateway's interface for endpoints that change policies."""

    async def set_policy(self, policy: StoredPolicy) -> None:
        """Apply a policy override. Raises InvalidRequest, Conflict, StateError."""


class TaskChanges(Protocol):
    """The gateway's interface for endpoints that name, merge and delete tasks."""

    directory: TaskDirectory
    templates: PromptTemplates

    def is_known(self, task: str) -> bool:
        """Return whether anything is known of a task."""

    async def rename_task(self, task: str, name: str | None, changed_by: str | None) -> None:
        """Set or remove a task's display name. Raises NotFound, Conflict, StateError."""

    async def merge_tasks(self, target: str, sources: Sequence[str], changed_by: str | None) -> int:
        """Merge tasks into one; return the number of inputs that were moved.

        Raises InvalidRequest, NotFound, Conflict, ScorerUnavailable, StateError.
        """

    async def unmerge_task(self, task: str, changed_by: str | None) -> str:
        """Let a merged task's later requests be its own again; return the task it was merged into. Raises NotFound."""

    async def forget_task(self, task: str) -> None:
        """Remove what is known of a task beside its state."""


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a running gateway.

    Attributes:
        config: the active configuration, with policy overrides applied.
        scorer: None if no pack is configured.
        policy_errors: why a policy override is not applied, by task.
        unknown_datasets: why the dataset that a task names has no effect, by task.
        evidence: whose outcomes in the pack every configured model has, by model; empty without a pack.
        flush_history: writes what has been counted until now to the store; False if the store could not take it.
        is_draining: true from the signal to stop until the gateway stops to listen.
    """

    config: Config
    authenticator: Authenticator
    table: DecisionTable
    store: Store
    scorer: ScorerClient | None
    metrics: Metrics
    backends: LoadBalancer
    ledger: Ledger
    client_keys: ClientKeys
    quotas: Quotas
    config_history: ConfigHistory
    packs: PackLibrary
    decision_feed: DecisionFeed
    evictions: EvictionLog
    minutes: MinuteSeries
    flush_history: Callable[[], Awaitable[bool]]
    recent_responses: RecentResponses
    request_log: RequestLogAccess
    manager: TaskPolicyManager
    tasks: TaskChanges
    policy_errors: Mapping[str, str]
    unknown_datasets: Mapping[str, str]
    is_draining: Callable[[], bool]
    evidence: Mapping[str, EvidenceMatch]


def require_scorer(services: Services) -> ScorerClient:
    """Return the scorer. Raises ScorerUnavailable if no pack is configured."""
    if services.scorer is None:
        raise ScorerUnavailable("No scorer: no pack is configured. Set `routing.pack`.")
    return services.scorer


def check_task_id(task: str) -> str:
    """Return a valid task ID. Raises InvalidRequest for any other text."""
    if not is_task_id(task):
        raise InvalidRequest(f"Invalid task ID {task[:150]!r}: expected {TASK_ID_RULE}.", code="invalid_task_id")
    return task


def check_task_access(task: str, client: Principal) -> str:
    """Return the ID of a task that the key may use. Raises InvalidRequest, Forbidden."""
    client.check_task(check_task_id(task))
    return task


def check_not_merged(task: str, services: Services) -> str:
    """Return the ID of a task that was not merged into another one. Raises NotFound."""
    target = services.tasks.directory.target_of(task)
    if target != task:
        raise NotFound(f"Task {task!r} was merged into {target!r}: its requests go there.", code="task_merged")
    return task


def task_not_found(task: str, services: Services) -> NotFound:
    """Return the error for a task of which nothing is known."""
    evicted = services.evictions.find_eviction(task)
    if evicted is None:
        message = f"Task {task!r} not found: no request of it was seen, and no input was scored."
        return NotFound(message, code="task_not_found")
    at = datetime.fromtimestamp(evicted.at, UTC).isoformat(timespec="milliseconds")
    message = f"Task {task!r} was evicted at {at} by `state.{evicted.reason}`. Its next request starts it."
    return NotFound(message, code="task_evicted")


def count_inputs(services: Services, client: Principal, inputs: int) -> None:
    """Count the inputs of a request: each counts as a request. Raises RateLimited, BudgetExceeded."""
    services.quotas.admit_inputs(client.name, inputs)


def sees_all(services: Services, client: Principal) -> bool:
    """Return True if a principal sees the whole gateway's figures: an admin, or without admin keys any client.

    Not a client with a list of tasks: what belongs to others is not its.
    """
    return client.is_admin or (client.tasks is None and not services.authenticator.has_admin)


def sees_usage_of(services: Services, client: Principal, task: str) -> bool:
    """Return True if a principal sees what a task costs: all keys' requests of that task count in it."""
    return sees_all(services, client) or (client.tasks is not None and task in client.tasks)
