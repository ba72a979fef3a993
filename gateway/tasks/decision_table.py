"""Decision table: the models that a task's requests go to. The request path reads it and waits for nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.config.schema import CacheConfig
from gateway.decision import Decision
from gateway.vocabulary import NO_PACK, ROUTER_UNAVAILABLE, SHADOW, ScoreSetting

MAX_TASKS = 200_000
"""Decisions held at once. Tasks are named by clients, so the number must have a bound; the least recently decided go
first, and come back with their next input."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of a task on the request path, and of its scoring.

    Attributes:
        candidates: in the configuration's order.
        ranking: of candidates without a decision, best on average first; models that the pack does not know come last.
        reason: of a route without a decision.
        pin: decisions are ignored.
        input: see gateway.scorer.input_text.
        shadow: decisions are ignored and reported.
        fallbacks: after the chosen model, in place of the decision's ranking.
        score, max_regret, objective, costs, prices, keep_texts, dataset: see gateway.scorer.messages.TaskPolicy.
        response_cache: None for no caching.
        exploration: share of requests that go to another candidate.
        embedding_model: of embeddings with `auto`, None where none is configured.
    """

    candidates: tuple[str, ...]
    ranking: tuple[str, ...]
    reason: str
    pin: bool = False
    input: str = "last_user"
    shadow: bool = False
    fallbacks: tuple[str, ...] = ()
    score: ScoreSetting | None = None
    max_regret: float | None = None
    objective: tuple[float, float] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    response_cache: CacheConfig | None = None
    exploration: float = 0.0
    keep_texts: bool = False
    dataset: str | None = None
    embedding_model: str | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies of the configured tasks, and the default one of all others."""

    default: Policy
    tasks: Mapping[str, Policy]

    def policy_of(self, task: str) -> Policy:
        """Return the policy of a task."""
        return self.tasks.get(task, self.default)


class Route(msgspec.Struct, frozen=True, gc=False):
    """Where a task's requests go.

    Attributes:
        ranking: models in the order in which they are tried.
        version: of the decision; 0 without one.
        shadow_model: the model that routing would have chosen, in shadow mode.
        exploration: share of requests that go to another model; gateway.proxy.exploration draws them.
        propensity: probability of the first model for this request, None where chance had no part.
        exploration_set: see gateway.proxy.recent_responses.
    """

    ranking: tuple[str, ...]
    reason: str
    version: int
    shadow_model: str | None = None
    exploration: float = 0.0
    propensity: float | None = 1.0
    exploration_set: int = 0


class DecisionTable:
    """Decisions of live tasks over the policies of all."""

    def __init__(self, policies: Policies, router_works: Callable[[], bool], max_tasks: int = MAX_TASKS) -> None:
        """router_works: False while decisions cannot be renewed; requests then say router-unavailable."""
        self._policies = policies
        self._router_works = router_works
        self._max_tasks = max_tasks
        self._decisions: dict[str, Decision] = {}
        # Precomputed, so that a request pays for one look-up: a decision is made far less often than it is used.
        self._routes: dict[str, Route] = {}

    def route_task(self, task: str) -> Route:
        """Return where a request of this task goes now."""
        route, policy = self._routes.get(task), self._policies.policy_of(task)
        if policy.shadow:
            unseen = route or Route(policy.ranking, policy.reason, 0)
            return Route(policy.ranking, SHADOW, unseen.version, unseen.ranking[0])
        if route is None:
            route = Route(policy.ranking, policy.reason, 0, exploration=policy.exploration)
        if policy.pin or self._router_works():
            return route
        reason = NO_PACK if policy.reason == NO_PACK else ROUTER_UNAVAILABLE
        return Route(route.ranking, reason, route.version)

    def policy_of(self, task: str) -> Policy:
        """Return the policy of a task."""
        return self._policies.policy_of(task)

    def apply_decision(self, decision: Decision) -> Decision | None:
        """Apply a decision unless a newer one is there: it may arrive from the scorer and from the store.

        Returns the task's decision until now.
        """
        task = decision.task
        known = self._decisions.pop(task, None)
        if known is not None and (known.version, known.n) > (decision.version, decision.n):
            decision = known
        elif len(self._decisions) >= self._max_tasks:
            oldest = next(iter(self._decisions))
            self.forget_task(oldest)
        self._decisions[task] = decision
        self._set_route(decision)
        return known

    def replace_decision(self, decision: Decision) -> Decision | None:
        """Apply a decision of a source that knows their order, older or not. Returns the one until now.

        A Redis that comes back empty numbers decisions from 1 again.
        """
        known = self._decisions.get(decision.task)
        self.forget_task(decision.task)
        self.apply_decision(decision)
        return known

    def task_names(self) -> Sequence[str]:
        """Return the tasks that have a decision."""
        return list(self._decisions)

    def forget_task(self, task: str) -> None:
        """Remove a task's decision; it starts cold again."""
        self._decisions.pop(task, None)
        self._routes.pop(task, None)

    def set_policies(self, policies: Policies) -> None:
        """Apply other policies to the same decisions."""
        self._policies = policies
        self._routes.clear()
        for decision in self._decisions.values():
            self._set_route(decision)

    def set_policy(self, task: str, policies: Policies) -> None:
        """Apply other policies, of which only this task's differs."""
        self._policies = policies
        if (decision := self._decisions.get(task)) is not None:
            self._set_route(decision)

    def _set_route(self, decision: Decision) -> None:
        """Derive a task's route. One whose model is no candidate any more is cold until its next input."""
        policy = self._policies.policy_of(decision.task)
        if (policy.pin and not policy.shadow) or decision.model not in policy.candidates:
            self._routes.pop(decision.task, None)
            return
        first = (decision.model, *policy.fallbacks) if policy.fallbacks else decision.ranking
        ranking = dict.fromkeys(
            name for name in (*first, *decision.ranking, *policy.ranking) if name in policy.candidates
        )
        self._routes[decision.task] = Route(
            tuple(ranking), decision.reason, decision.version, exploration=policy.exploration
        )
