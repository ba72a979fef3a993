"""Observations in, decisions out: what the scorer's process does, without sockets.

A batch is embedded together, since that is what takes the time; then every task's inputs are folded one by one, in the
order they came, so that a decision does not depend on how the inputs were cut into batches. Of tasks that are settled
only some inputs are embedded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from gateway.scorer import inspection, serialization
from gateway.scorer.cost_preference import thrift_of
from gateway.scorer.input_text import NoMessages, text_of
from gateway.scorer.label_suggestions import suggested
from gateway.scorer.messages import Decided, DryRun, Look, Observation, Rate, Seed, Start, TaskDecision, TaskPolicy
from gateway.scorer.sampling import Input, Paced, Part, Thinning
from gateway.scorer.task_labels import Labelled, digest
from gateway.scorer.task_update import Fold, account, told
from gateway.state.store import Change, Store, Stored, StoredTask
from routing.adaptive_sampling import ThinningSettings
from routing.arrays import unit_rows
from routing.embedder import Embedder
from routing.manifest import EmbedderId
from routing.pack import open_pack
from routing.router import Router
from routing.scores import Score
from routing.task import Evidence, TaskState

TASKS_AT_ONCE = 100
ALL_DRAWN: Mapping[str, Paced] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Came:
    """Inputs of a task. texts: of each."""

    evidence: Evidence
    texts: Sequence[str]


Learnt = Callable[[Labelled], Labelled]


def _as_before(known: Labelled) -> Labelled:
    return known


class Scorer:
    """One pack at work on all tasks."""

    def __init__(
        self,
        router: Router,
        embedder: Embedder,
        store: Store,
        start: Start,
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
        self._thinning = Thinning(ThinningSettings() if start.routing.thinning else None)
        settings = router.settings
        for policy in (start.policy, *start.tasks.values()):
            self._check(policy)
        self.basis = f"{router.pack.manifest.hash}/{settings.k}/{settings.kappa}/{settings.threshold:g}"

    def observe(self, observations: Sequence[Observation]) -> Decided:
        """Stores a batch of observations. Raises StateError if it cannot be stored."""
        inputs, faults = self.read(observations)
        decided, skipped = dict[str, TaskDecision](), 0
        while inputs:
            part = self.part(inputs)
            decided.update({one.task: one for one in self.take(part)})
            inputs, skipped = inputs[part.size :], skipped + len(part.skipped)
        return Decided(list(decided.values()), len(observations), len(faults), skipped=skipped)

    def part(self, inputs: Sequence[Input | None]) -> Part:
        """The first of these that can be taken together. Raises StateError."""
        return self._thinning.part(inputs, self._store.paces)

    def take(self, part: Part) -> list[TaskDecision]:
        """Stores them: those drawn are embedded, of the others only that they came. Raises StateError."""
        evidence = self._evidence(part.drawn)
        return self._update(list(evidence), evidence, part.paces)

    def read(self, observations: Sequence[Observation]) -> tuple[list[Input | None], set[int]]:
        """Each one's task and input, None without any text, and the places of those that cannot be read."""
        inputs: list[Input | None] = []
        faults: set[int] = set()
        for place, seen in enumerate(observations):
            try:
                text = text_of(seen.messages, self._policy(seen.task).input)
            except NoMessages:
                text = None
                faults.add(place)
            inputs.append(None if text is None else (seen.task, text))
        return inputs, faults

    def seed(self, seed: Seed) -> tuple[list[TaskDecision], dict[str, Any]]:
        """Stores a sample of a task's inputs, labelled or not: the decision, and an answer for who gave them.

        An input labelled again counts once; an outcome of a model that no pack knows waits for one that does.
        """
        decisions = self._label(seed) if seed.outcomes else self._add(seed)
        stored = self._store.stored(seed.task)
        n, labels = stored.task.n if stored.task else 0, len(_labelled(stored).outcomes)
        answer = {"object": "task", "id": seed.task, "n": n, "added": len(seed.texts), "labels": labels}
        return decisions, {**answer, "decision": _shown(stored)}

    def rate(self, rate: Rate) -> tuple[list[TaskDecision], dict[str, Any]]:
        """Stores scores of a task's answers: the decision, and an answer for who gave them."""
        decisions = self._update([rate.task], {}, learnt=lambda known: known.rated(rate.answers))
        stored = self._store.stored(rate.task)
        return decisions, {"feedback": len(_labelled(stored).ratings.by_request), "decision": _shown(stored)}

    def _add(self, seed: Seed) -> list[TaskDecision]:
        evidence = self._evidence([(seed.task, text) for text in seed.texts])
        return self._update(list(evidence), evidence)

    def _label(self, seed: Seed) -> list[TaskDecision]:
        known = _labelled(self._store.stored(seed.task)).outcomes
        texts = list(dict.fromkeys(text for text in seed.texts if digest(text) not in known))
        new = self._evidence([(seed.task, text) for text in texts])
        return self._update([seed.task], new, learnt=lambda known: known.with_(seed.texts, seed.outcomes))

    def dry_run(self, asked: DryRun) -> dict[str, Any]:
        """What these inputs would be decided as, from nothing (eq. 6 to the letter). Raises ValueError."""
        policy = self._policy(asked.task) if asked.task is not None else self._start.policy
        candidates = self._router.candidates(asked.candidates or policy.candidates)
        if not candidates:
            raise ValueError("the pack knows none of the candidates")
        state = TaskState.of(self._router.evidence(self._embedder.embed(list(asked.texts))))
        score = self._score(policy)
        scores = self._router.scores(state, candidates, score)
        thrift = thrift_of(policy, self._store, asked.task)
        made = self._router.decide(scores, None, score, thrift)
        shown = account(self._router, state, made, scores, score, thrift)
        decision = {
            "model": made.model,
            "reason": made.reason.value,
            "ranking": list(made.ranking),
            **shown["decision"],
        }
        return {"object": "route", "n": state.n, **shown, "decision": decision}

    def forget(self, task: str) -> bool:
        """Removes all that is known of a task. False if nothing was."""
        return self._store.forget(task)

    def govern(self, task: str, policy: TaskPolicy) -> list[TaskDecision]:
        """Holds a task to another policy, and decides on it again where there is something to decide on."""
        self._check(policy)
        self._start = msgspec.structs.replace(self._start, tasks={**self._start.tasks, task: policy})
        return self._update([task], {}) if self._store.stored(task).task is not None else []

    def look(self, asked: Look) -> dict[str, Any]:
        """Shows what was asked for, stored nowhere. Raises RoutingError for a pack that this scorer could not use."""
        if asked.at == "evidence":
            return inspection.evidence(self._router, self._store.ring(asked.task))
        if asked.at == "suggestions":
            return self._suggested(asked.task, asked.n)
        embedder = EmbedderId(self._embedder.name, self._embedder.revision, self._embedder.dim)
        pack = (
            open_pack(self._pack_at(asked.pack), embedder if asked.at == "difference" else None) if asked.pack else None
        )
        if asked.at == "outcomes":
            return inspection.outcomes(pack or self._router.pack)
        other = Router(pack, self._router.settings) if pack else self._router
        return inspection.difference(self._store, self._router, other, inspection.Compared(self._policy, self._score))

    def _suggested(self, task: str, n: int) -> dict[str, Any]:
        policy = self._policy(task)
        if not policy.keep_texts:
            raise ValueError(f"no texts are kept of task {task!r}: the scorer's configuration has no keep_texts for it")
        stored = self._store.stored(task)
        state = self._rebuilt(task) if self._is_stale(stored) else self._state(stored)
        return suggested(self._router, state, _labelled(stored), policy.candidates, self._store.ring(task), n)

    def renew(self) -> list[TaskDecision]:
        """Scores every task again whose sums were made with another pack, from its most recent embeddings."""
        return self.renew_all([name for name in self._store.names() if self._is_stale(self._store.stored(name))])

    def renew_all(self, names: Sequence[str]) -> list[TaskDecision]:
        """Scores these tasks again. Raises StateError."""
        made: list[TaskDecision] = []
        for start in range(0, len(names), TASKS_AT_ONCE):
            made += self._update(names[start : start + TASKS_AT_ONCE], {})
        return made

    def _policy(self, task: str) -> TaskPolicy:
        return self._start.tasks.get(task, self._start.policy)

    def _check(self, policy: TaskPolicy) -> None:
        """Raises PackMismatch where a task is to be scored by what the pack has not."""
        if self._score(policy) is Score.AUTO:
            self._router.require_ground()

    def _score(self, policy: TaskPolicy) -> Score:
        return Score(policy.score or self._start.routing.score)

    def _evidence(self, inputs: Sequence[Input]) -> dict[str, Came]:
        """What the pack says of these, by task."""
        if not inputs:
            return {}
        evidence = self._router.evidence(self._embedder.embed([text for _, text in inputs]))
        rows: dict[str, list[int]] = {}
        for row, (task, _) in enumerate(inputs):
            rows.setdefault(task, []).append(row)
        return {
            task: Came(evidence.at(np.array(found)), [inputs[row][1] for row in found]) for task, found in rows.items()
        }

    def _update(
        self,
        tasks: Sequence[str],
        new: Mapping[str, Came],
        paces: Mapping[str, Paced] = ALL_DRAWN,
        learnt: Learnt = _as_before,
    ) -> list[TaskDecision]:
        """Adds evidence to tasks, in one transaction; those without any are only brought up to the open pack.

        paces: behind the inputs that the evidence was drawn from, of other tasks too, of which only that is written.
        learnt: what becomes of what is told of outcomes.
        """
        decisions: list[TaskDecision] = []
        passed_over = {task: pace.to_bytes() for task, pace in paces.items() if task not in new}

        def change(stored: Mapping[str, Stored]) -> dict[str, Change]:
            changes = {
                task: self._changed(task, kept, new.get(task), paces.get(task) or Paced.from_bytes(kept.pace), learnt)
                for task, kept in stored.items()
            }
            decisions[:] = [told(task, made.decision) for task, made in changes.items() if made.decision]
            return changes

        if tasks or passed_over:
            self._store.update(tasks, change, passed_over)
        return decisions

    def _folded(self, task: str, stored: Stored, came: Came | None, learnt: Learnt) -> Fold:
        policy = self._policy(task)
        stale = self._is_stale(stored)
        state = self._rebuilt(task) if stale else self._state(stored)
        labelled = learnt(_labelled(stored))
        score, held = self._score(policy), stored.decision
        thrift = thrift_of(policy, self._store, task)
        fold = Fold(self._router, score, policy.candidates, state, held, self._clock, labelled, thrift)
        if stale or came is None:
            fold.decide()
        if came is not None:
            fold.add(came.evidence)
        return fold

    def _changed(self, task: str, stored: Stored, came: Came | None, paced: Paced, learnt: Learnt) -> Change:
        fold = self._folded(task, stored, came, learnt)
        embeddings = self._embeddings(task, came) if came is not None else []
        seen = (stored.task.seen if stored.task else 0) + len(embeddings)
        task_sums = StoredTask(self.basis, fold.state.n, seen, serialization.to_bytes(fold.state, fold.labelled))
        made = fold.explained(paced.telling)
        if came is not None:
            paced = paced.scored(came.evidence, fold.before, fold.scores, fold.model)
        kept = paced.to_bytes() if self._thinning.settings else None
        return Change(task_sums, embeddings, made, fold.turns, kept)

    def _embeddings(self, task: str, came: Came) -> list[bytes]:
        """For the ring, with the texts where the operator wants them kept."""
        texts = came.texts if self._policy(task).keep_texts else [None] * len(came.texts)
        return [serialization.embedding_to_bytes(*one) for one in zip(came.evidence.vectors, texts, strict=True)]

    def _is_stale(self, stored: Stored) -> bool:
        return stored.task is not None and stored.task.basis != self.basis

    def _state(self, stored: Stored) -> TaskState:
        return serialization.from_bytes(stored.task.sums, stored.task.n) if stored.task else self._router.empty()

    def _rebuilt(self, task: str) -> TaskState:
        empty = self._router.empty()
        vectors = serialization.embeddings_from_bytes(list(self._store.ring(task)), len(empty.embedding_sum))
        return TaskState.of(self._router.evidence(unit_rows(vectors))) if len(vectors) else empty


def _labelled(stored: Stored) -> Labelled:
    return serialization.labels_from_bytes(stored.task.sums) if stored.task else Labelled()


def _shown(stored: Stored) -> dict[str, Any] | None:
    made = stored.decision
    if made is None:
        return None
    about = {"version": made.version, "model": made.model, "reason": made.reason, "ranking": list(made.ranking)}
    return {**about, **made.account["decision"]}
