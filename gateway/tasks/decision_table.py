"""Decision table: the models that a task's requests go to. The request path reads it and waits for nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.config.schema import CacheConfig
from gateway.decision import Decision
from gateway.loop_share import LoopShare
from gateway.vocabulary import NO_PACK, ROUTER_UNAVAILABLE, SHADOW, ScoreSetting

MAX_TASKS = 200_000
"""Decisions held at once. Tasks are named by clients, so the number must have a bound; the least recently decided go
first, and come back with their next input."""


MAX_COMPLETED = 200
"""Rankings that a policy remembers."""


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
    allowed: frozenset[str] = field(init=False, repr=False, compare=False)
    """The candidates: a tuple of 1,000 would be searched a thousand times for every decision."""
    _completed: dict[tuple[str, ...], tuple[str, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    undecided: "Route" = field(init=False, repr=False, compare=False)
    """The route without a decision: without a pack no task has one, and every request would make its own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", frozenset(self.candidates))
        route = Route(self.ranking, self.reason, 0, exploration=self.exploration)
        object.__setattr__(self, "undecided", route)

    def complete_ranking(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Return the candidates among some models, each once, and all others behind them, as they are ranked here."""
        found = self._completed.get(chosen)
        if found is None:
            names = dict.fromkeys((*chosen, *self.ranking))
            found = tuple([name for name in names if name in self.allowed])
            # Most tasks have one of a few rankings: of 1,000 models, those of 100,000 tasks would be 800 MB.
            if len(self._completed) >= MAX_COMPLETED:
                self._completed.clear()
            self._completed[chosen] = found
        return found


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies of the configured tasks, and the default one of all others."""

    default: Policy
    tasks: Mapping[str, Policy]

    def policy_of(self, task: str) -> Policy:
        """Return the policy of a task."""
        return self.tasks.get(task, self.default)


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """Other policies, and the tasks whose routes they may change; None for all."""

    policies: Policies
    tasks: Sequence[str] | None


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
        self._placed: Counter[tuple[str, str]] = Counter()
        """Tasks with a route by model and reason. Counted as routes change: a page must not look at all tasks."""
        self._unsettled: dict[str, object] = {}
        """Tasks whose route is one of earlier policies: derived again at their next request, or by `settle`."""

    def route_task(self, task: str) -> Route:
        """Return where a request of this task goes now."""
        if self._unsettled and task in self._unsettled:
            self._set_route(self._decisions[task])
        route, policy = self._routes.get(task), self._policies.policy_of(task)
        if policy.shadow:
            unseen = route or policy.undecided
            return Route(policy.ranking, SHADOW, unseen.version, unseen.ranking[0])
        if route is None:
            route = policy.undecided
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

    def __len__(self) -> int:
        """Return the number of tasks that have a decision."""
        return len(self._decisions)

    def decision_of(self, task: str) -> Decision | None:
        """Return a task's decision, None without one."""
        return self._decisions.get(task)

    def decisions_of(self, tasks: Sequence[str]) -> list[Decision | None]:
        """Return the decisions of many tasks; threads may call it."""
        get = self._decisions.get
        return [get(task) for task in tasks]

    async def count_routes(self, undecided: Iterable[str] = ()) -> tuple[Counter[str], Counter[str]]:
        """Count the tasks with a decision, and those in `undecided`, by the model and the reason of their route.

        Looks at `undecided` and at the tasks with a policy of their own, however many decisions there are.
        """
        placed = self._placed + Counter({(self._default_place): len(self._decisions) - len(self._routes)})
        own = [task for task in self._policies.tasks if task in self._decisions]
        for task in own:
            route = self._routes.get(task)
            placed[self._default_place if route is None else (route.ranking[0], route.reason)] -= 1
        models, reasons = Counter[str](), Counter[str]()
        works = self._router_works()
        outage = NO_PACK if self._policies.default.reason == NO_PACK else ROUTER_UNAVAILABLE
        for (model, reason), count in placed.items():
            models[model] += count
            reasons[reason if works else outage] += count
        more = await self.count_routes_of((*own, *(task for task in undecided if task not in self._decisions)))
        return models + more[0], reasons + more[1]  # without zeros

    async def count_routes_of(self, tasks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
        """Count these tasks by the model and the reason of their route, while requests go on."""
        share, models, reasons = LoopShare(), Counter[str](), Counter[str]()
        for route in map(self.route_task, tasks):
            models[route.ranking[0]] += 1
            reasons[route.reason] += 1
            await share.give_way()
        return models, reasons

    def forget_task(self, task: str) -> None:
        """Remove a task's decision; it starts cold again."""
        self._decisions.pop(task, None)
        self._drop_route(task)

    def forget_tasks(self, tasks: Iterable[str]) -> None:
        """Remove the decisions of tasks."""
        for task in tasks:
            self.forget_task(task)

    def plan_policies(self, policies: Policies) -> PolicyChange:
        """Return the change to other policies, for `set_policies`. For a thread, while no policy is changed."""
        before = self._policies
        if _route_terms(before.default) != _route_terms(policies.default):
            return PolicyChange(policies, None)
        named = {*before.tasks, *policies.tasks}
        terms = ((task, _route_terms(before.policy_of(task)), _route_terms(policies.policy_of(task))) for task in named)
        return PolicyChange(policies, [task for task, old, new in terms if old != new])

    def set_policies(self, change: PolicyChange) -> None:
        """Apply other policies to the same decisions, at once; `settle` is to follow."""
        self._policies = change.policies
        if change.tasks is None:
            self._unsettled = dict(self._decisions)
        else:
            self._unsettled.update((task, None) for task in change.tasks if task in self._decisions)

    async def settle(self) -> None:
        """Derive the routes that other policies have changed, while requests go on; counts are right afterwards."""
        share = LoopShare()
        while self._unsettled:
            task, _ = self._unsettled.popitem()
            self._set_route(self._decisions[task])
            await share.give_way()

    def set_policy(self, task: str, policies: Policies) -> None:
        """Apply other policies, of which only this task's differs."""
        self._policies = policies
        if (decision := self._decisions.get(task)) is not None:
            self._set_route(decision)

    def _set_route(self, decision: Decision) -> None:
        """Derive a task's route. One whose model is no candidate any more is cold until its next input."""
        self._drop_route(decision.task)
        policy = self._policies.policy_of(decision.task)
        if (policy.pin and not policy.shadow) or decision.model not in policy.allowed:
            return
        first = (decision.model, *policy.fallbacks) if policy.fallbacks else decision.ranking
        ranking = policy.complete_ranking((*first, *decision.ranking))
        # The decision's own tuple where it is the same: of 100,000 tasks the copies are 10 MB.
        models = decision.ranking if ranking == decision.ranking else ranking
        route = Route(models, decision.reason, decision.version, exploration=policy.exploration)
        self._routes[decision.task] = route
        self._placed[route.ranking[0], route.reason] += 1

    def _drop_route(self, task: str) -> None:
        self._unsettled.pop(task, None)
        route = self._routes.pop(task, None)
        if route is not None:
            self._placed[route.ranking[0], route.reason] -= 1

    @property
    def _default_place(self) -> tuple[str, str]:
        return self._policies.default.ranking[0], self._policies.default.reason


def _route_terms(policy: Policy) -> tuple[object, ...]:
    """Return what the route of a decision depends on."""
    return policy.candidates, policy.ranking, policy.fallbacks, policy.pin, policy.shadow, policy.exploration
