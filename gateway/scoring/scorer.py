"""Observations in, decisions out: what the scorer's process does, without sockets.

A batch is embedded together, since that is what takes the time; then every task's inputs are folded one by one, in the
order they came, so that a decision does not depend on how the inputs were cut into batches. Of tasks that are settled
only some inputs are embedded.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.scoring import sums, views
from gateway.scoring.fold import Fold, account, thrift_of, told
from gateway.scoring.labelled import Labelled, digest
from gateway.scoring.messages import Decided, DryRun, Look, Observation, Seed, Start, TaskDecision, TaskPolicy
from gateway.scoring.texts import NoMessages, text_of
from gateway.scoring.thinning import Thinning
from gateway.state import Change, Store, Stored, StoredTask
from routing.arrays import unit_rows
from routing.embedder import Embedder
from routing.manifest import EmbedderId
from routing.pack import open_pack
from routing.router import Router
from routing.scores import Score
from routing.task import Evidence, TaskState
from routing.thinning import ThinningSettings

TASKS_AT_ONCE = 100


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
        before, decided = self._thinning.skipped, dict[str, TaskDecision]()
        for part in self._thinning.parts(inputs):
            decided.update({one.task: one for one in self.add(part)})
        skipped = self._thinning.skipped - before
        return Decided(list(decided.values()), len(observations), len(faults), skipped=skipped)

    def drawn(self, inputs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of the inputs that are worth embedding, by what is known of their tasks so far."""
        return [one for part in self._thinning.parts(inputs) for one in part]

    def read(self, observations: Sequence[Observation]) -> tuple[list[tuple[str, str]], set[int]]:
        """Tasks and their inputs, and the places of the observations that are none; those without text are left out."""
        inputs: list[tuple[str, str]] = []
        faults: set[int] = set()
        for place, seen in enumerate(observations):
            try:
                text = text_of(seen.messages, self._policy(seen.task).input)
            except NoMessages:
                faults.add(place)
                continue
            if text is not None:
                inputs.append((seen.task, text))
        return inputs, faults

    def seed(self, seed: Seed) -> tuple[list[TaskDecision], dict[str, Any]]:
        """Stores a sample of a task's inputs, labelled or not: the decision, and an answer for who gave them.

        An input labelled again counts once; an outcome of a model that no pack knows waits for one that does.
        """
        decisions = self._label(seed) if seed.outcomes else self.add([(seed.task, text) for text in seed.texts])
        stored = self._store.stored(seed.task)
        made = stored.decision
        decision = made and {
            "version": made.version,
            "model": made.model,
            "reason": made.reason,
            "ranking": list(made.ranking),
            **made.account["decision"],
        }
        n = stored.task.n if stored.task else 0
        labels = len(_labelled(stored).outcomes)
        answer = {"object": "task", "id": seed.task, "n": n, "added": len(seed.texts), "labels": labels}
        return decisions, {**answer, "decision": decision}

    def _label(self, seed: Seed) -> list[TaskDecision]:
        known = _labelled(self._store.stored(seed.task)).outcomes
        texts = list(dict.fromkeys(text for text in seed.texts if digest(text) not in known))
        evidence = self._router.evidence(self._embedder.embed(texts)) if texts else None
        new = {} if evidence is None else {seed.task: evidence}
        return self._update([seed.task], new, seed)

    def dry_run(self, asked: DryRun) -> dict[str, Any]:
        """What these inputs would be decided as, from nothing (eq. 6 to the letter). Raises ValueError."""
        policy = self._policy(asked.task) if asked.task is not None else self._start.policy
        candidates = self._router.candidates(asked.candidates or policy.candidates)
        if not candidates:
            raise ValueError("the pack knows none of the candidates")
        state = TaskState.of(self._router.evidence(self._embedder.embed(list(asked.texts))))
        score = self._score(policy)
        scores = self._router.scores(state, candidates, score)
        made = self._router.decide(scores, None, score, thrift_of(policy))
        shown = account(self._router, state, made, scores, score)
        decision = {
            "model": made.model,
            "reason": made.reason.value,
            "ranking": list(made.ranking),
            **shown["decision"],
        }
        return {"object": "route", "n": state.n, **shown, "decision": decision}

    def forget(self, task: str) -> bool:
        """Removes all that is known of a task. False if nothing was."""
        self._thinning.forget(task)
        return self._store.forget(task)

    def govern(self, task: str, policy: TaskPolicy) -> list[TaskDecision]:
        """Holds a task to another policy, and decides on it again where there is something to decide on."""
        self._check(policy)
        self._start = msgspec.structs.replace(self._start, tasks={**self._start.tasks, task: policy})
        return self._update([task], {}) if self._store.stored(task).task is not None else []

    def look(self, asked: Look) -> dict[str, Any]:
        """Shows what was asked for, stored nowhere. Raises RoutingError for a pack that this scorer could not use."""
        if asked.at == "evidence":
            return views.evidence(self._router, self._store.ring(asked.task))
        embedder = EmbedderId(self._embedder.name, self._embedder.revision, self._embedder.dim)
        pack = (
            open_pack(self._pack_at(asked.pack), embedder if asked.at == "difference" else None) if asked.pack else None
        )
        if asked.at == "outcomes":
            return views.outcomes(pack or self._router.pack)
        other = Router(pack, self._router.settings) if pack else self._router
        return views.difference(self._store, self._router, other, views.Compared(self._policy, self._score))

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

    def add(self, inputs: Sequence[tuple[str, str]]) -> list[TaskDecision]:
        """Stores inputs, (task, text) each, and says what is decided then. Raises StateError."""
        if not inputs:
            return []
        evidence = self._router.evidence(self._embedder.embed([text for _, text in inputs]))
        rows: dict[str, list[int]] = {}
        for row, (task, _) in enumerate(inputs):
            rows.setdefault(task, []).append(row)
        return self._update(list(rows), {task: _rows(evidence, found) for task, found in rows.items()})

    def _update(
        self, tasks: Sequence[str], new: Mapping[str, Evidence], labels: Seed | None = None
    ) -> list[TaskDecision]:
        """Adds evidence to tasks, in one transaction; those without any are only brought up to the open pack.

        labels: of one of the tasks.
        """
        decisions: list[TaskDecision] = []
        folds: dict[str, Fold] = {}
        skipped = {task: self._thinning.told(task) for task in tasks}

        def change(stored: Mapping[str, Stored]) -> dict[str, Change]:
            folds.update({task: self._folded(task, stored[task], new.get(task), labels) for task in tasks})
            changes = {
                task: self._changed(stored[task], fold, new.get(task), skipped[task]) for task, fold in folds.items()
            }
            decisions[:] = [told(task, made.decision) for task, made in changes.items() if made.decision]
            return changes

        self._store.update(tasks, change)
        for task, evidence in new.items():
            self._thinning.scored(task, evidence, folds[task].before, folds[task].scores, folds[task].model)
        return decisions

    def _folded(self, task: str, stored: Stored, evidence: Evidence | None, labels: Seed | None) -> Fold:
        policy = self._policy(task)
        stale = self._is_stale(stored)
        state = self._rebuilt(task) if stale else self._state(stored)
        labelled = _labelled(stored)
        if labels is not None:
            labelled = labelled.with_(labels.texts, labels.outcomes)
        score, held = self._score(policy), stored.decision
        fold = Fold(self._router, score, policy.candidates, state, held, self._clock, labelled, thrift_of(policy))
        if stale or evidence is None:
            fold.decide()
        if evidence is not None:
            fold.add(evidence)
        return fold

    def _changed(self, stored: Stored, fold: Fold, evidence: Evidence | None, skipped: int) -> Change:
        seen = (stored.task.seen if stored.task else 0) + (len(evidence) if evidence else 0)
        embeddings = [sums.embedding_to_bytes(vector) for vector in evidence.vectors] if evidence else []
        task_sums = StoredTask(self.basis, fold.state.n, seen, sums.to_bytes(fold.state, fold.labelled))
        return Change(task_sums, embeddings, fold.explained(skipped), fold.turns)

    def _is_stale(self, stored: Stored) -> bool:
        return stored.task is not None and stored.task.basis != self.basis

    def _state(self, stored: Stored) -> TaskState:
        return sums.from_bytes(stored.task.sums, stored.task.n) if stored.task else self._router.empty()

    def _rebuilt(self, task: str) -> TaskState:
        empty = self._router.empty()
        vectors = sums.embeddings_from_bytes(list(self._store.ring(task)), len(empty.embedding_sum))
        return TaskState.of(self._router.evidence(unit_rows(vectors))) if len(vectors) else empty


def _labelled(stored: Stored) -> Labelled:
    return sums.labels_from_bytes(stored.task.sums) if stored.task else Labelled()


def _rows(evidence: Evidence, rows: Sequence[int]) -> Evidence:
    return evidence.at(np.array(rows))
