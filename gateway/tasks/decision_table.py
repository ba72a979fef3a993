"""The decision table: which models a task's requests go to. The request path looks here and waits for nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from gateway.config.schema import CacheConfig
from gateway.vocabulary import ROUTER_UNAVAILABLE, SHADOW

MAX_TASKS = 200_000
"""Decisions held at once. Tasks are named by clients, so the number must have a bound; the least recently decided go
first, and come back with their next input."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for a task.

    candidates: in the configuration's order. ranking: where its requests go while nothing is decided, best on average
    first; models that the pack does not know come last. reason: why, until something is decided. pin: whether
    decisions are left out of account. shadow: the same, but what they would have changed is told. fallbacks: who comes
    after the chosen model, first; score: in place of the configuration's; max_regret, objective (quality, price),
    costs, prices (input, output): what would be given for a cheaper model; cache: what is kept of answers;
    exploration: share of requests that goes to other candidates; keep_texts: whether its most recent inputs are kept
    as texts.
    """

    candidates: tuple[str, ...]
    ranking: tuple[str, ...]
    reason: str
    pin: bool = False
    input: str = "last_user"
    shadow: bool = False
    fallbacks: tuple[str, ...] = ()
    score: Literal["s1", "s2", "s3", "auto"] | None = None
    max_regret: float | None = None
    objective: tuple[float, float] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    response_cache: CacheConfig | None = None
    exploration: float = 0.0
    keep_texts: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy of every configured task, and the one of all others."""

    default: Policy
    tasks: Mapping[str, Policy]

    def policy_of(self, task: str) -> Policy:
        """The policy of a task."""
        return self.tasks.get(task, self.default)


class Route(msgspec.Struct, frozen=True, gc=False):
    """Where a task's request goes. ranking: the chosen model first. version: of the decision; 0 before the first.

    would: the model that the evidence would have chosen, where that is only told. exploration: the share of requests
    that is to go to another model; one that may be drawn by it goes through gateway.proxy.exploration. propensity: the
    probability of the first model for this request, None without exploration; exploration_set: see
    gateway.proxy.recent_responses.
    """

    ranking: tuple[str, ...]
    reason: str
    version: int
    shadow_model: str | None = None
    exploration: float = 0.0
    propensity: float | None = 1.0
    exploration_set: int = 0


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A task's decision as it came from the scorer or the store. n: inputs it rests on."""

    version: int
    n: int
    model: str
    reason: str
    ranking: Sequence[str]


class DecisionTable:
    """Decisions of live tasks over the policies of all."""

    def __init__(self, policies: Policies, router_works: Callable[[], bool], max_tasks: int = MAX_TASKS) -> None:
        """router_works: False while decisions cannot be renewed; requests then say router-unavailable."""
        self._policies = policies
        self._router_works = router_works
        self._max_tasks = max_tasks
        self._choices: dict[str, TableEntry] = {}
        self._routes: dict[str, Route] = {}

    def route_task(self, task: str) -> Route:
        """Where a request of this task goes now."""
        route, policy = self._routes.get(task), self._policies.policy_of(task)
        if policy.shadow:
            would = route or Route(policy.ranking, policy.reason, 0)
            return Route(policy.ranking, SHADOW, would.version, would.ranking[0])
        if route is None:
            route = Route(policy.ranking, policy.reason, 0, exploration=policy.exploration)
        if policy.pin or self._router_works():
            return route
        return Route(route.ranking, ROUTER_UNAVAILABLE, route.version)

    def policy_of(self, task: str) -> Policy:
        """What the configuration says of a task."""
        return self._policies.policy_of(task)

    def apply_decision(self, task: str, choice: TableEntry) -> TableEntry | None:
        """Takes over a decision, unless a newer one is there: two sources tell of the same decisions.

        Returns the task's decision until now.
        """
        known = self._choices.pop(task, None)
        if known is not None and (known.version, known.n) > (choice.version, choice.n):
            choice = known
        elif len(self._choices) >= self._max_tasks:
            oldest = next(iter(self._choices))
            self.forget_task(oldest)
        self._choices[task] = choice
        self._place(task, choice)
        return known

    def replace_all(self, task: str, choice: TableEntry) -> TableEntry | None:
        """Takes over a decision from who knows the order in which they were made. Returns the one until now."""
        known = self._choices.get(task)
        self.forget_task(task)
        self.apply_decision(task, choice)
        return known

    def task_names(self) -> Sequence[str]:
        """The tasks about which something is decided."""
        return list(self._choices)

    def forget_task(self, task: str) -> None:
        """The task starts cold again."""
        self._choices.pop(task, None)
        self._routes.pop(task, None)

    def set_policies(self, policies: Policies) -> None:
        """Other policies over the same decisions."""
        self._policies = policies
        self._routes.clear()
        for task, choice in self._choices.items():
            self._place(task, choice)

    def set_policy(self, task: str, policies: Policies) -> None:
        """Other policies, of which only this task's differs."""
        self._policies = policies
        if (choice := self._choices.get(task)) is not None:
            self._place(task, choice)

    def _place(self, task: str, choice: TableEntry) -> None:
        """A decision for a model that is no candidate any more is left out; the task is cold until its next input."""
        policy = self._policies.policy_of(task)
        if (policy.pin and not policy.shadow) or choice.model not in policy.candidates:
            self._routes.pop(task, None)
            return
        first = (choice.model, *policy.fallbacks) if policy.fallbacks else choice.ranking
        kept = dict.fromkeys(name for name in (*first, *choice.ranking, *policy.ranking) if name in policy.candidates)
        self._routes[task] = Route(tuple(kept), choice.reason, choice.version, exploration=policy.exploration)
