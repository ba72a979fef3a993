"""The decision table: which models a task's requests go to. The request path looks here and waits for nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.scoring.messages import InputSelector
from gateway.words import ROUTER_UNAVAILABLE

MAX_TASKS = 200_000
"""Decisions held at once. Tasks are named by clients, so the number must have a bound; the least recently decided go
first, and come back with their next input."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for a task.

    candidates: in the configuration's order. ranking: where its requests go while nothing is decided, best on average
    first; models that the pack does not know come last. reason: why, until something is decided. pin: whether
    decisions are left out of account.
    """

    candidates: tuple[str, ...]
    ranking: tuple[str, ...]
    reason: str
    pin: bool = False
    input: InputSelector = "last_user"


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy of every configured task, and the one of all others."""

    default: Policy
    tasks: Mapping[str, Policy]

    def of(self, task: str) -> Policy:
        """The policy of a task."""
        return self.tasks.get(task, self.default)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a task's request goes. ranking: the chosen model first. version: of the decision; 0 before the first."""

    ranking: tuple[str, ...]
    reason: str
    version: int


@dataclass(frozen=True, slots=True)
class Choice:
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
        self._choices: dict[str, Choice] = {}
        self._routes: dict[str, Route] = {}

    def route(self, task: str) -> Route:
        """Where a request of this task goes now."""
        route = self._routes.get(task)
        if route is None:
            policy = self._policies.of(task)
            route = Route(policy.ranking, policy.reason, 0)
        if self._router_works() or self._policies.of(task).pin:
            return route
        return Route(route.ranking, ROUTER_UNAVAILABLE, route.version)

    def policy(self, task: str) -> Policy:
        """What the configuration says of a task."""
        return self._policies.of(task)

    def apply(self, task: str, choice: Choice) -> None:
        """Takes over a decision, unless a newer one is there: two sources tell of the same decisions."""
        known = self._choices.pop(task, None)
        if known is not None and (known.version, known.n) > (choice.version, choice.n):
            choice = known
        elif len(self._choices) >= self._max_tasks:
            oldest = next(iter(self._choices))
            self.forget(oldest)
        self._choices[task] = choice
        self._place(task, choice)

    def forget(self, task: str) -> None:
        """The task starts cold again."""
        self._choices.pop(task, None)
        self._routes.pop(task, None)

    def renew(self, policies: Policies) -> None:
        """Other policies over the same decisions."""
        self._policies = policies
        self._routes.clear()
        for task, choice in self._choices.items():
            self._place(task, choice)

    def _place(self, task: str, choice: Choice) -> None:
        """A decision for a model that is no candidate any more is left out; the task is cold until its next input."""
        policy = self._policies.of(task)
        if policy.pin or choice.model not in policy.candidates:
            self._routes.pop(task, None)
            return
        kept = [name for name in choice.ranking if name in policy.candidates]
        rest = (name for name in policy.ranking if name not in kept)
        self._routes[task] = Route((*kept, *rest), choice.reason, choice.version)
