"""Observations in, decisions out: what the scorer's process does, without sockets.

A batch is embedded together, since that is what takes the time; then every task's inputs are folded one by one, in the
order they came, so that a decision does not depend on how the inputs were cut into batches. Of tasks that are settled
only some inputs are embedded.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from gateway.errors import StateError
from gateway.scorer import inspection, serialization
from gateway.scorer.cost_preference import cost_preference
from gateway.scorer.input_text import NoInputText, extract_text
from gateway.scorer.label_suggestions import suggest_labels
from gateway.scorer.messages import (
    BatchDone,
    Configure,
    Decision,
    DryRun,
    Inspect,
    Observation,
    SeedInputs,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.sampling import BatchPart, Commit, InputSampler, InputValues, SamplingState, commit_alone
from gateway.scorer.task_labels import TaskLabels, text_digest
from gateway.scorer.task_update import TaskUpdate, build_explanation, to_message
from gateway.state.store import StateChange, Store, TaskRecord, TaskSums
from routing.adaptive_sampling import SamplingSettings
from routing.arrays import unit_rows
from routing.embedder import Embedder
from routing.manifest import EmbedderId
from routing.pack import open_pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import InputEvidence, TaskState

log = logging.getLogger("benchroute.scorer")

TASK_BATCH_SIZE = 100
ALL_DRAWN: Mapping[str, SamplingState] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewInputs:
    """Inputs of a task. texts: of each."""

    evidence: InputEvidence
    texts: Sequence[str]


LearnedUpdate = Callable[[TaskLabels], TaskLabels]


def _as_before(known: TaskLabels) -> TaskLabels:
    return known


Retry = Callable[[Callable[[], Any]], Any]


class Scorer:
    """One pack at work on all tasks."""

    def __init__(
        self,
        router: Router,
        embedder: Embedder,
        store: Store,
        start: Configure,
        clock: Callable[[], float],
        pack_at: Callable[[str], Path] = Path,
    ) -> None:
        """clock: Unix time in seconds. pack_at: where the files of another pack are that is to be looked at.

        Raises PackMismatch where a task is scored by auto and the pack cannot.
        """
        self._router = router
        self._embedder = embedder
        self._store = store
        self._start = start
        self._clock = clock
        self._pack_at = pack_at
        self._thinning = InputSampler(SamplingSettings() if start.routing.adaptive_sampling else None)
        settings = router.settings
        for policy in (start.policy, *start.tasks.values()):
            self._check(policy)
        self.basis = f"{router.pack.manifest.hash}/{settings.k}/{settings.kappa}/{settings.threshold:g}"

    def observe_batch(
        self, observations: Sequence[Observation], commit: Commit = commit_alone, retry: Retry = lambda work: work()
    ) -> BatchDone:
        """Store a batch of observations, in as few writes as sampling allows. Raises StateError where one fails.

        commit: wraps each write. retry: makes each call to the store. An error of another kind ends the batch: what is
        left of it counts as errors.
        """
        inputs, unreadable = self._parse_inputs(observations)
        decided, errors, skipped, start = dict[str, Decision](), 0, 0, 0
        try:
            while start < len(inputs):
                part = retry(partial(self._next_part, inputs, unreadable, start))
                with commit(part):
                    decided.update({one.task: one for one in retry(partial(self._apply_part, part))})
                errors, skipped, start = errors + len(part.errors), skipped + len(part.skipped), start + part.size
        except StateError:
            raise
        except Exception:  # the edge of a background job: one bad batch must not end the scorer
            log.exception("%d inputs could not be scored", len(inputs) - start)
            errors += len(inputs) - start
        return BatchDone(list(decided.values()), len(observations), errors, skipped=skipped)

    def _next_part(self, inputs: Sequence[InputValues | None], unreadable: Collection[int], start: int) -> BatchPart:
        """Return the first inputs from `start` on that can be taken together. Raises StateError."""
        sampled = self._thinning.sample_batch(inputs[start:], self._store.sampling_states)
        places = range(start, start + sampled.size)
        errors = frozenset(place for place in unreadable if place in places)
        return BatchPart(start, errors, frozenset(start + place for place in sampled.skipped), sampled)

    def _apply_part(self, part: BatchPart) -> list[Decision]:
        """Store inputs: those drawn are embedded, of the others only the count is kept. Raises StateError."""
        evidence = self._evidence(part.sampled.drawn)
        return self._update(list(evidence), evidence, part.sampled.states)

    def _parse_inputs(self, observations: Sequence[Observation]) -> tuple[list[InputValues | None], set[int]]:
        """Return each one's task and input, None without any text, and the places of those that cannot be read."""
        inputs: list[InputValues | None] = []
        faults: set[int] = set()
        for place, seen in enumerate(observations):
            try:
                text = extract_text(seen.messages, self._policy(seen.task).input)
            except NoInputText:
                text = None
                faults.add(place)
            inputs.append(None if text is None else (seen.task, text))
        return inputs, faults

    def seed_task(self, seed: SeedInputs) -> tuple[list[Decision], dict[str, Any]]:
        """Stores a sample of a task's inputs, labelled or not: the decision, and an answer for who gave them.

        An input labelled again counts once; an outcome of a model that no pack knows waits for one that does.
        """
        decisions = self._label(seed) if seed.outcomes else self._add(seed)
        stored = self._store.read_task(seed.task)
        n, labels = stored.task.n if stored.task else 0, len(_labelled(stored).outcomes)
        answer = {"object": "task", "id": seed.task, "n": n, "added": len(seed.texts), "labels": labels}
        return decisions, {**answer, "decision": _shown(stored)}

    def add_feedback(self, rate: SubmitFeedback) -> tuple[list[Decision], dict[str, Any]]:
        """Stores scores of a task's answers: the decision, and an answer for who gave them."""
        decisions = self._update([rate.task], {}, learnt=lambda known: known.with_feedback(rate.answers))
        stored = self._store.read_task(rate.task)
        return decisions, {"feedback": len(_labelled(stored).ratings.by_request), "decision": _shown(stored)}

    def _add(self, seed: SeedInputs) -> list[Decision]:
        evidence = self._evidence([(seed.task, text) for text in seed.texts])
        return self._update(list(evidence), evidence)

    def _label(self, seed: SeedInputs) -> list[Decision]:
        known = _labelled(self._store.read_task(seed.task)).outcomes
        texts = list(dict.fromkeys(text for text in seed.texts if text_digest(text) not in known))
        new = self._evidence([(seed.task, text) for text in texts])
        return self._update([seed.task], new, learnt=lambda known: known.with_labels(seed.texts, seed.outcomes))

    def dry_run(self, asked: DryRun) -> dict[str, Any]:
        """What these inputs would be decided as, from nothing (eq. 6 to the letter). Raises ValueError."""
        policy = self._policy(asked.task) if asked.task is not None else self._start.policy
        candidates = self._router.select_candidates(asked.candidates or policy.candidates)
        if not candidates:
            raise ValueError("the pack knows none of the candidates")
        state = TaskState.from_evidence(self._router.find_evidence(self._embedder.embed_texts(list(asked.texts))))
        score = self._score(policy)
        scores = self._router.score_task(state, candidates, score)
        thrift = cost_preference(policy, self._store, asked.task)
        made = self._router.make_decision(scores, None, score, thrift)
        shown = build_explanation(self._router, state, made, scores, score, thrift)
        decision = {
            "model": made.model,
            "reason": made.reason.value,
            "ranking": list(made.ranking),
            **shown["decision"],
        }
        return {"object": "route", "n": state.n, **shown, "decision": decision}

    def forget_task(self, task: str) -> bool:
        """Removes all that is known of a task. False if nothing was."""
        return self._store.forget_task(task)

    def set_policy(self, task: str, policy: TaskPolicy) -> list[Decision]:
        """Holds a task to another policy, and decides on it again where there is something to decide on."""
        self._check(policy)
        self._start = msgspec.structs.replace(self._start, tasks={**self._start.tasks, task: policy})
        return self._update([task], {}) if self._store.read_task(task).task is not None else []

    def inspect_pack(self, asked: Inspect) -> dict[str, Any]:
        """Shows what was asked for, stored nowhere. Raises RoutingError for a pack that this scorer could not use."""
        if asked.view == "evidence":
            return inspection.task_evidence(self._router, self._store.recent_embeddings(asked.task))
        if asked.view == "suggestions":
            return self._suggested(asked.task, asked.n)
        embedder = EmbedderId(self._embedder.name, self._embedder.revision, self._embedder.dim)
        pack = (
            open_pack(self._pack_at(asked.pack), embedder if asked.view == "difference" else None)
            if asked.pack
            else None
        )
        if asked.view == "outcomes":
            return inspection.pack_outcomes(pack or self._router.pack)
        other = Router(pack, self._router.settings) if pack else self._router
        return inspection.pack_diff(
            self._store, self._router, other, inspection.ComparisonPolicy(self._policy, self._score)
        )

    def _suggested(self, task: str, n: int) -> dict[str, Any]:
        policy = self._policy(task)
        if not policy.keep_texts:
            raise ValueError(f"no texts are kept of task {task!r}: the scorer's configuration has no keep_texts for it")
        stored = self._store.read_task(task)
        state = self._rebuilt(task) if self._is_stale(stored) else self._state(stored)
        return suggest_labels(
            self._router, state, _labelled(stored), policy.candidates, self._store.recent_embeddings(task), n
        )

    def rescore_stale(self) -> list[Decision]:
        """Scores every task again whose sums were made with another pack, from its most recent embeddings."""
        return self.rescore_tasks(
            [name for name in self._store.task_names() if self._is_stale(self._store.read_task(name))]
        )

    def rescore_tasks(self, names: Sequence[str]) -> list[Decision]:
        """Scores these tasks again. Raises StateError."""
        made: list[Decision] = []
        for start in range(0, len(names), TASK_BATCH_SIZE):
            made += self._update(names[start : start + TASK_BATCH_SIZE], {})
        return made

    def _policy(self, task: str) -> TaskPolicy:
        return self._start.tasks.get(task, self._start.policy)

    def _check(self, policy: TaskPolicy) -> None:
        """Raises PackMismatch where a task is to be scored by what the pack has not."""
        if self._score(policy) is ScoreKind.AUTO:
            self._router.require_training_data()

    def _score(self, policy: TaskPolicy) -> ScoreKind:
        return ScoreKind(policy.score or self._start.routing.score)

    def _evidence(self, inputs: Sequence[InputValues]) -> dict[str, NewInputs]:
        """What the pack says of these, by task."""
        if not inputs:
            return {}
        evidence = self._router.find_evidence(self._embedder.embed_texts([text for _, text in inputs]))
        rows: dict[str, list[int]] = {}
        for row, (task, _) in enumerate(inputs):
            rows.setdefault(task, []).append(row)
        return {
            task: NewInputs(evidence.select_rows(np.array(found)), [inputs[row][1] for row in found])
            for task, found in rows.items()
        }

    def _update(
        self,
        tasks: Sequence[str],
        new: Mapping[str, NewInputs],
        paces: Mapping[str, SamplingState] = ALL_DRAWN,
        learnt: LearnedUpdate = _as_before,
    ) -> list[Decision]:
        """Adds evidence to tasks, in one transaction; those without any are only brought up to the open pack.

        paces: behind the inputs that the evidence was drawn from, of other tasks too, of which only that is written.
        learnt: what becomes of what is told of outcomes.
        """
        decisions: list[Decision] = []
        passed_over = {task: pace.to_bytes() for task, pace in paces.items() if task not in new}

        def change(stored: Mapping[str, TaskRecord]) -> dict[str, StateChange]:
            changes = {
                task: self._changed(
                    task, kept, new.get(task), paces.get(task) or SamplingState.from_bytes(kept.sampling_state), learnt
                )
                for task, kept in stored.items()
            }
            decisions[:] = [to_message(task, made.decision) for task, made in changes.items() if made.decision]
            return changes

        if tasks or passed_over:
            self._store.update_task(tasks, change, passed_over)
        return decisions

    def _folded(self, task: str, stored: TaskRecord, came: NewInputs | None, learnt: LearnedUpdate) -> TaskUpdate:
        policy = self._policy(task)
        stale = self._is_stale(stored)
        state = self._rebuilt(task) if stale else self._state(stored)
        labelled = learnt(_labelled(stored))
        score, held = self._score(policy), stored.decision
        thrift = cost_preference(policy, self._store, task)
        fold = TaskUpdate(self._router, score, policy.candidates, state, held, self._clock, labelled, thrift)
        if stale or came is None:
            fold.make_decision()
        if came is not None:
            fold.add_inputs(came.evidence)
        return fold

    def _changed(
        self, task: str, stored: TaskRecord, came: NewInputs | None, paced: SamplingState, learnt: LearnedUpdate
    ) -> StateChange:
        fold = self._folded(task, stored, came, learnt)
        embeddings = self._embeddings(task, came) if came is not None else []
        seen = (stored.task.total_seen if stored.task else 0) + len(embeddings)
        task_sums = TaskSums(self.basis, fold.state.n, seen, serialization.state_to_bytes(fold.state, fold.labelled))
        made = fold.with_explanation(paced.skips_to_report)
        if came is not None:
            paced = paced.after_scoring(came.evidence, fold.before, fold.compute_scores, fold.current_model)
        kept = paced.to_bytes() if self._thinning.settings else None
        return StateChange(task_sums, embeddings, made, fold.turns, kept)

    def _embeddings(self, task: str, came: NewInputs) -> list[bytes]:
        """For the ring, with the texts where the operator wants them kept."""
        texts = came.texts if self._policy(task).keep_texts else [None] * len(came.texts)
        return [serialization.embedding_to_bytes(*one) for one in zip(came.evidence.vectors, texts, strict=True)]

    def _is_stale(self, stored: TaskRecord) -> bool:
        return stored.task is not None and stored.task.sums_version != self.basis

    def _state(self, stored: TaskRecord) -> TaskState:
        return (
            serialization.state_from_bytes(stored.task.sums, stored.task.n)
            if stored.task
            else self._router.empty_state()
        )

    def _rebuilt(self, task: str) -> TaskState:
        empty = self._router.empty_state()
        vectors = serialization.embeddings_from_bytes(
            list(self._store.recent_embeddings(task)), len(empty.embedding_sum)
        )
        return TaskState.from_evidence(self._router.find_evidence(unit_rows(vectors))) if len(vectors) else empty


def _labelled(stored: TaskRecord) -> TaskLabels:
    return serialization.labels_from_bytes(stored.task.sums) if stored.task else TaskLabels()


def _shown(stored: TaskRecord) -> dict[str, Any] | None:
    made = stored.decision
    if made is None:
        return None
    about = {"version": made.version, "model": made.model, "reason": made.reason, "ranking": list(made.ranking)}
    return {**about, **made.explanation["decision"]}
