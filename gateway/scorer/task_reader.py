"""Stored tasks under the open pack: policies, cost preferences, and the state that the next decision is made on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from gateway.scorer import serialization
from gateway.scorer.messages import Configure, TaskPolicy
from gateway.scorer.score_choice import ScoreChoice, choose_score
from gateway.scorer.task_labels import TaskLabels
from gateway.scorer.task_update import TaskUpdate
from gateway.state.store import Store, TaskRecord
from routing.arrays import unit_rows
from routing.decision import CostPreference
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState

ENOUGH_REQUESTS = 20
"""Responses from which on a task's own tokens weigh prices; before, input and output weigh the same."""


class TaskReader:
    """One pack, one store and the settings of all tasks."""

    def __init__(self, router: Router, store: Store, settings: Configure, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds. Raises PackMismatch where a task is scored by auto and the pack cannot."""
        self.router = router
        self.store = store
        self._settings = settings
        self._clock = clock
        for policy in (settings.policy, *settings.tasks.values()):
            self._check_policy(policy)
        pack, routing = router.pack.manifest.hash, router.settings
        self.sums_version = f"{pack}/{routing.k}/{routing.kappa}/{routing.threshold:g}"
        """Identifies the pack and the settings that g depends on: sums of another version are made anew."""

    @property
    def settings(self) -> Configure:
        """The settings now, with the policies that were set since."""
        return self._settings

    def policy_of(self, task: str | None) -> TaskPolicy:
        """Return the policy of a task, or of one without settings for None."""
        return self._settings.policy if task is None else self._settings.tasks.get(task, self._settings.policy)

    def score_of(self, policy: TaskPolicy) -> ScoreChoice:
        """Return the score that decides under a policy."""
        return choose_score(policy, self._settings.routing.score, self.router)

    def declared_tasks(self) -> Sequence[str]:
        """Return the tasks that are declared to be a dataset of the pack: they are decided without any input."""
        named = ((task, policy) for task, policy in self._settings.tasks.items() if policy.dataset is not None)
        return [task for task, policy in named if self.score_of(policy).dataset is not None]

    def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Score a task by another policy from now on. Raises PackMismatch for one that the pack cannot score."""
        self._check_policy(policy)
        self._settings = msgspec.structs.replace(self._settings, tasks={**self._settings.tasks, task: policy})

    def is_stale(self, record: TaskRecord) -> bool:
        """Return whether a task's sums were made with another pack, or other settings."""
        return record.task is not None and record.task.sums_version != self.sums_version

    def is_decided(self, task: str) -> bool:
        """Return whether a task's stored decision is what would be decided now. May raise StateError."""
        record = self.store.read_task(task)
        if record.decision is None or self.is_stale(record):
            return False
        scored = self.begin_update(task, record).score_state()
        return scored is None or scored.repeats(record.decision)

    def state_of(self, task: str, record: TaskRecord) -> TaskState:
        """Return a task's sums; stale ones are made anew from its most recent embeddings. May raise StateError."""
        if record.task is None:
            return self.router.empty_state()
        if not self.is_stale(record):
            return self._complete_state(task, serialization.state_from_bytes(record.task.sums, record.task.n))
        return self._rebuild_state(self.store.recent_embeddings(task))

    def _complete_state(self, task: str, state: TaskState) -> TaskState:
        """Return the state with sums of membership: an earlier version stored none, or those of other features.

        They are made from the most recent embeddings, so they cover RING_SIZE inputs of however many there were.
        """
        shape = self.router.membership_shape
        if shape is None or state.n == 0 or (state.membership is not None and state.membership.shape == shape):
            return state
        recent = self._rebuild_state(self.store.recent_embeddings(task))
        return replace(state, membership=recent.membership)

    def begin_update(
        self, task: str, record: TaskRecord, learn: Callable[[TaskLabels], TaskLabels] = lambda labels: labels
    ) -> TaskUpdate:
        """Start an update of a task. learn: adds to its labels. May raise StateError."""
        policy = self.policy_of(task)
        return TaskUpdate(
            task,
            self.router,
            self.score_of(policy),
            policy.candidates,
            self.state_of(task, record),
            record.decision,
            self._clock,
            learn(labels_of(record)),
            cost_preference(policy, self.store, task),
            record.explanation.is_dated,
        )

    def _rebuild_state(self, embeddings: Sequence[bytes]) -> TaskState:
        empty = self.router.empty_state()
        vectors = serialization.embeddings_from_bytes(list(embeddings), len(empty.embedding_sum))
        return TaskState.from_evidence(self.router.find_evidence(unit_rows(vectors))) if len(vectors) else empty

    def _check_policy(self, policy: TaskPolicy) -> None:
        if self.score_of(policy).score is ScoreKind.AUTO:
            self.router.require_training_data()


def labels_of(record: TaskRecord) -> TaskLabels:
    """Return a task's labels and scored answers. Raises StateError."""
    return serialization.labels_from_bytes(record.task.sums) if record.task else TaskLabels()


def decision_view(record: TaskRecord) -> Mapping[str, object] | None:
    """Return a stored decision with its reasons, for JSON; None where there is none."""
    decision = record.decision
    if decision is None:
        return None
    shown = {"version": decision.version, "model": decision.model, "reason": decision.reason}
    return {**shown, "ranking": list(decision.ranking), **record.explanation.to_dict()["decision"]}


def cost_preference(policy: TaskPolicy, store: Store, task: str | None) -> CostPreference | None:
    """Return a task's preference, None where it has none. task: None for inputs of no task. May raise StateError."""
    if policy.max_regret is None and policy.objective is None:
        return None
    quality, price = policy.objective or (1.0, 0.0)
    tokens = _used_tokens(store, task) if policy.prices and task is not None else None
    if tokens is None:
        return CostPreference(policy.max_regret, policy.costs, quality, price)
    share = tokens[0] / sum(tokens)
    costs = {model: share * into + (1 - share) * out for model, (into, out) in policy.prices.items()}
    return CostPreference(policy.max_regret, costs, quality, price, tokens)


def _used_tokens(store: Store, task: str) -> tuple[int, int] | None:
    """Return input and output tokens of the task's responses so far; None while they are few."""
    usage = list(store.usage_of([("task", task)]).values())
    into, out = sum(day.input_tokens for day in usage), sum(day.output_tokens for day in usage)
    return (into, out) if sum(day.requests for day in usage) >= ENOUGH_REQUESTS and into + out > 0 else None
