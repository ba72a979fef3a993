"""Observations in, decisions out: the part of the scorer that writes, without transports.

A batch is embedded together, since embedding takes the time; then every task's inputs are added one by one, in their
order, so that a decision does not depend on how inputs were batched. Of settled tasks only a sample is embedded.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from gateway.decision import Decision
from gateway.errors import StateError
from gateway.scorer import serialization
from gateway.scorer.eviction import used_at
from gateway.scorer.input_text import extract_text
from gateway.scorer.judged_labels import JUDGE_PREFIX
from gateway.scorer.messages import (
    AddJudgedLabels,
    BatchCounts,
    BatchDone,
    ForgetTask,
    MergeTasks,
    Observation,
    RemoveJudgedLabels,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
)
from gateway.scorer.recent_evidence import EvidenceFinder
from gateway.scorer.sampling import BatchPart, Commit, InputSampler, InputValues, SamplingState, commit_alone
from gateway.scorer.task_labels import TaskLabels, text_digest
from gateway.scorer.task_merge import merge_task
from gateway.scorer.task_reader import TaskReader, decision_view, labels_of
from gateway.scorer.task_update import TaskUpdate, decide_together
from gateway.state.store import StateChange, TaskRecord, TaskSums
from routing.adaptive_sampling import SamplingSettings
from routing.embedder import Embedder
from routing.task import InputEvidence

log = logging.getLogger("benchroute.scorer")

TASK_BATCH_SIZE = 100
ALL_DRAWN: Mapping[str, SamplingState] = MappingProxyType({})

Retry = Callable[[Callable[[], Any]], Any]
Answered = tuple[Sequence[Decision], dict[str, Any]]
"""Decisions that a question changed, and the document of its reply."""


@dataclass(frozen=True, slots=True)
class NewInputs:
    """Inputs of a task. texts: of each."""

    evidence: InputEvidence
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class TaskInChange:
    """A task that is being changed.

    Attributes:
        record: what is stored of it.
        new: inputs to add, None for none.
        evidence: of these, rounded as it is stored.
        update: adds them.
    """

    record: TaskRecord
    new: NewInputs | None
    evidence: InputEvidence | None
    update: TaskUpdate


class Scorer:
    """Scores observations with one pack, and stores the result."""

    def __init__(self, tasks: TaskReader, embedder: Embedder, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix time in seconds, of the use of tasks."""
        self._tasks = tasks
        self._clock = clock
        self._store = tasks.store
        self._embedder = embedder
        self._evidence = EvidenceFinder(tasks.router, embedder)
        self._sampler = InputSampler(SamplingSettings() if tasks.settings.routing.adaptive_sampling else None)

    def observe_batch(
        self, observations: Sequence[Observation], commit: Commit = commit_alone, retry: Retry = lambda work: work()
    ) -> BatchDone:
        """Store a batch of observations, in as few writes as sampling allows. Raises StateError where one fails.

        commit: wraps each write. retry: makes each call to the store. An error of another kind ends the batch: what is
        left of it counts as errors.
        """
        decided, counts, start = dict[str, Decision](), BatchCounts(), 0
        try:
            while start < len(observations):
                part = retry(partial(self._next_part, observations, start))
                with commit(part):
                    decided.update({one.task: one for one in retry(partial(self._apply_part, part))})
                counts, start = counts + part.count_places(range(part.start, part.start + part.size)), start + part.size
        except StateError:
            raise
        except Exception:  # the edge of a background job: one bad batch must not end the scorer
            log.exception("%d inputs could not be scored", len(observations) - start)
            counts += BatchCounts(errors=len(observations) - start)
        return BatchDone(list(decided.values()), len(observations), counts)

    def seed_task(self, seed: SeedInputs) -> Answered:
        """Store a sample of a task's inputs, labelled or not. May raise StateError.

        An input labelled again counts once; an outcome of a model that no pack knows waits for one that does.
        """
        decisions = self._add_labels(seed) if seed.outcomes else self._add_inputs(seed)
        return decisions, {**self._describe_labels(seed.task), "added": len(seed.texts)}

    def add_judged(self, labels: AddJudgedLabels) -> Answered:
        """Store labels of a judge model. May raise StateError.

        A task without any inputs begins with these. To another one none is added: they are most likely among its own,
        and a judge that is no better than chance must change nothing.
        """
        learn = partial(TaskLabels.with_judged, judge=labels.judge, texts=labels.texts, given=labels.outcomes)
        record = self._store.read_task(labels.task)
        texts = list(dict.fromkeys(labels.texts)) if record.task is None or not record.task.n else []
        new = self._find_evidence([(labels.task, text) for text in texts])
        decisions = self._update([labels.task], new, learn=learn, is_asked=True)
        return decisions, {**self._describe_labels(labels.task), "added": len(labels.texts)}

    def remove_judged(self, question: RemoveJudgedLabels) -> Answered:
        """Remove a judge's labels. `removed` is 0 where there are none. May raise StateError."""
        source = JUDGE_PREFIX + question.model
        removed = labels_of(self._store.read_task(question.task)).judges.counts.get(source, 0)
        decisions: Sequence[Decision] = ()
        if removed:
            decisions = self._update(
                [question.task],
                {},
                learn=lambda labels: replace(labels, judges=labels.judges.without_judge(source)),
                is_asked=True,
                is_used=False,
            )
        return decisions, {**self._describe_labels(question.task), "removed": removed}

    def add_feedback(self, feedback: SubmitFeedback) -> Answered:
        """Store scores of a task's answers. May raise StateError."""
        decisions = self._update([feedback.task], {}, learn=lambda known: known.with_feedback(feedback.answers))
        record = self._store.read_task(feedback.task)
        return decisions, {"feedback": len(labels_of(record).ratings.by_request), "decision": decision_view(record)}

    def set_policy(self, change: SetPolicy) -> Answered:
        """Score a task by another policy, and decide on it again. Raises PackMismatch, StateError.

        A task without inputs is decided where its policy names its dataset.
        """
        self._tasks.set_policy(change.task, change.policy)
        is_known = self._store.read_task(change.task).task is not None
        is_declared = self._tasks.score_of(change.policy).dataset is not None
        decisions = self._update([change.task], {}, is_used=False) if is_known or is_declared else []
        return decisions, {"decided": len(decisions)}

    def forget_task(self, change: ForgetTask) -> Answered:
        """Delete a task; one that is declared to be a dataset begins with its winner again. May raise StateError."""
        is_known = self._store.forget_task(change.task)
        is_declared = self._tasks.score_of(self._tasks.policy_of(change.task)).dataset is not None
        return self._update([change.task], {}, is_used=False) if is_declared else [], {"known": is_known}

    def merge_tasks(self, change: MergeTasks) -> Answered:
        """Move sums, labels and embeddings of tasks to another one, each in one write. May raise StateError."""
        moved, decisions = 0, list[Decision]()
        for source in change.sources:
            merged = merge_task(self._tasks, source, change.task, self._clock())
            moved += merged.moved
            decisions += [] if merged.decision is None else [merged.decision]
        return decisions[-1:], {"moved": moved}

    def rescore_stale(self) -> list[Decision]:
        """Score again the tasks whose sums were made with another pack, from their most recent embeddings.

        A decision without inputs rests on settings alone, which may have changed, and is made again too.
        """
        return self.rescore_tasks(self._store.outdated_tasks(self._tasks.sums_version))

    def decide_declared(self, names: Sequence[str]) -> list[Decision]:
        """Decide those of these tasks that are declared to be a dataset, where the decision is not the stored one.

        Without any input: the first request of such a task follows its dataset. Raises StateError.
        """
        return self.rescore_tasks([name for name in names if not self._tasks.is_decided(name)])

    def rescore_tasks(self, names: Sequence[str]) -> list[Decision]:
        """Score these tasks again. Raises StateError."""
        decisions: list[Decision] = []
        for start in range(0, len(names), TASK_BATCH_SIZE):
            decisions += self._update(names[start : start + TASK_BATCH_SIZE], {}, is_used=False)
        return decisions

    def _read_text(self, observation: Observation) -> str | None:
        """Return an observation's input, None without any text. Raises NoInputText."""
        return extract_text(observation.messages, self._tasks.policy_of(observation.task).input)

    def _next_part(self, observations: Sequence[Observation], start: int) -> BatchPart:
        """Return the first observations from `start` on that can be taken together. Raises StateError."""
        left = observations[start:] if start else observations
        return BatchPart(start, self._sampler.sample_batch(left, self._read_text, self._store.sampling_states))

    def _apply_part(self, part: BatchPart) -> list[Decision]:
        """Store inputs: those drawn are embedded, of the others only the count is kept. Raises StateError."""
        evidence = self._find_evidence(part.sampled.drawn)
        return self._update(list(evidence), evidence, part.sampled.states)

    def _add_inputs(self, seed: SeedInputs) -> list[Decision]:
        new = self._find_evidence([(seed.task, text) for text in seed.texts])
        return self._update(list(new), new, is_asked=True)

    def _add_labels(self, seed: SeedInputs) -> list[Decision]:
        known = labels_of(self._store.read_task(seed.task)).outcomes
        texts = list(dict.fromkeys(text for text in seed.texts if text_digest(text) not in known))
        new = self._find_evidence([(seed.task, text) for text in texts])
        learn = partial(TaskLabels.with_labels, texts=seed.texts, given=seed.outcomes)
        return self._update([seed.task], new, learn=learn, is_asked=True)

    def _describe_labels(self, task: str) -> dict[str, Any]:
        record = self._store.read_task(task)
        labels = labels_of(record)
        return {
            "object": "task",
            "id": task,
            "n": record.task.n if record.task else 0,
            "labels": len(labels.outcomes),
            "judged": labels.judges.counts,
            "decision": decision_view(record),
        }

    def _find_evidence(self, inputs: Sequence[InputValues]) -> dict[str, NewInputs]:
        """Embed inputs and find what the pack says of them, by task."""
        texts: dict[str, list[str]] = {}
        for task, text in inputs:
            texts.setdefault(task, []).append(text)
        found = self._evidence.find_evidence(inputs)
        return {task: NewInputs(evidence, texts[task]) for task, evidence in found.items()}

    def _update(
        self,
        tasks: Sequence[str],
        new: Mapping[str, NewInputs],
        states: Mapping[str, SamplingState] = ALL_DRAWN,
        learn: Callable[[TaskLabels], TaskLabels] = lambda labels: labels,
        is_asked: bool = False,
        is_used: bool = True,
    ) -> list[Decision]:
        """Add evidence to tasks, in one transaction; those without any are decided on again.

        states: sampling states behind these inputs, also of tasks of which nothing else is written. learn: adds to
        labels. is_asked: somebody waits for the decision, and so for its explanation. is_used: by a client, whose tasks
        are evicted last.
        """
        decisions: list[Decision] = []
        skipped = {task: state.to_bytes() for task, state in states.items() if task not in new}
        now = self._clock()

        def change(stored: Mapping[str, TaskRecord]) -> dict[str, StateChange]:
            changing = [self._begin_change(task, record, new.get(task), learn) for task, record in stored.items()]
            decide_together(one.update for one in changing)
            changes: dict[str, StateChange] = {}
            for one in changing:
                task = one.update.task
                state = states.get(task) or SamplingState.from_bytes(one.record.sampling_state)
                changes[task] = self._finish_change(one, state, is_asked)
                if is_used:
                    changes[task] = replace(changes[task], used_at=self._used_at(changes[task], now))
            decisions[:] = [change.decision for change in changes.values() if change.decision is not None]
            return changes

        if tasks or skipped:
            self._store.update_task(tasks, change, skipped, now if is_used else None)
        return decisions

    def _begin_change(
        self, task: str, record: TaskRecord, new: NewInputs | None, learn: Callable[[TaskLabels], TaskLabels]
    ) -> TaskInChange:
        """Add a task's inputs; decisions on them are left to be made."""
        update = self._tasks.begin_update(task, record, learn)
        if new is None or self._tasks.is_stale(record):
            update.make_decision()
        # One rounding for the sums and for the sampling state: where a batch is cut must change neither.
        evidence = None if new is None else serialization.as_stored(new.evidence)
        if evidence is not None:
            update.add_inputs(evidence)
        return TaskInChange(record, new, evidence, update)

    def _finish_change(self, one: TaskInChange, sampling: SamplingState, is_asked: bool) -> StateChange:
        update, record, new = one.update, one.record, one.new
        if is_asked:
            update.explain_last()
        decision, explanation = update.decision, None
        is_sampled = self._sampler.settings is not None
        if update.explained is not None:
            skips = sampling.skips_until(update.explained.place) if is_sampled else 0
            explanation = update.derive_explanation(update.explained, record.explanation.skipped + skips)
            decision = None if update.decision is None else explanation.add_figures(update.decision)
            sampling = sampling.after_explanation(skips)
        if one.evidence is not None:
            sampling = sampling.after_scoring(one.evidence, update.before, update.read_scores, update.current_model)
        embeddings = self._encode_embeddings(update.task, new) if new is not None else []
        seen = (record.task.total_seen if record.task else 0) + len(embeddings)
        encoded = serialization.state_to_bytes(update.state, update.labels)
        return StateChange(
            TaskSums(self._tasks.sums_version, update.state.n, seen, encoded),
            embeddings,
            decision,
            update.changes,
            sampling.to_bytes() if is_sampled else None,
            explanation,
        )

    def _used_at(self, change: StateChange, now: float) -> float:
        return used_at(TaskRecord(change.task, None), self._tasks.settings.limits, now)

    def _encode_embeddings(self, task: str, new: NewInputs) -> list[bytes]:
        """Encode embeddings, with their texts where the operator keeps them."""
        texts = new.texts if self._tasks.policy_of(task).keep_texts else [None] * len(new.texts)
        return [serialization.embedding_to_bytes(*one) for one in zip(new.evidence.vectors, texts, strict=True)]
