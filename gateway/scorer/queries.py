"""Questions that store nothing: dry runs, explanations, inspections."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.decision import Explanation
from gateway.scorer import inspection
from gateway.scorer.evidence import configured_manifest
from gateway.scorer.messages import BATCH_SIZE, DryRun, ExplainTasks, Inspect
from gateway.scorer.sampling import SamplingState
from gateway.scorer.stepwise import Steps, run_steps
from gateway.scorer.task_reader import TaskReader, cost_preference, labels_of
from gateway.scorer.task_update import build_explanation
from gateway.state.store import TaskRecord
from routing.embedder import Embedder
from routing.manifest import EmbedderId
from routing.pack import open_pack
from routing.router import Router
from routing.task import TaskState


class ScorerQueries:
    """Reads of one pack and the tasks scored with it."""

    def __init__(self, tasks: TaskReader, embedder: Embedder, find_pack: Callable[[str], Path] = Path) -> None:
        """find_pack: the path of another pack by its name."""
        self._tasks = tasks
        self._router = tasks.router
        self._store = tasks.store
        self._embedder = embedder
        self._find_pack = find_pack

    def dry_run(self, question: DryRun) -> dict[str, Any]:
        """Decide on inputs alone (eq. 6 to the letter). Raises ValueError."""
        return run_steps(self.dry_run_steps(question))

    def dry_run_steps(self, question: DryRun) -> Steps[dict[str, Any]]:
        """Decide on inputs alone, a batch of them in each step. Raises ValueError."""
        policy = self._tasks.policy_of(question.task)
        candidates = self._router.select_candidates(question.candidates or policy.candidates)
        if not candidates:
            raise ValueError("the pack knows none of the candidates")
        state = self._router.empty_state()
        for start in range(0, len(question.texts), BATCH_SIZE):
            texts = list(question.texts[start : start + BATCH_SIZE])
            state += TaskState.from_evidence(self._router.find_evidence(self._embedder.embed_texts(texts)))
            yield
        choice = self._tasks.score_of(policy)
        scores = self._router.score_task(state, candidates, choice.score, known_dataset=choice.dataset)
        costs = cost_preference(policy, self._store, question.task)
        made = self._router.make_decision(scores, None, choice.score, costs)
        explanation = build_explanation(self._router, state, made, scores, choice, costs)
        decision = {"model": made.model, "reason": made.reason.value, "ranking": list(made.ranking)}
        return {
            "object": "route",
            "n": state.n,
            **explanation,
            "decision": {**decision, **explanation["decision"]},
        }

    def explain_tasks(self, question: ExplainTasks) -> dict[str, Any]:
        """Return the decisions of tasks that have one, and an explanation of each. May raise StateError."""
        records = {task: self._store.read_task(task) for task in question.tasks}
        return {
            "explained": {
                task: {
                    "decision": msgspec.to_builtins(record.decision),
                    "explanation": self._explain_task(task, record).json,
                }
                for task, record in records.items()
                if record.decision is not None
            }
        }

    def inspect_pack(self, question: Inspect) -> dict[str, Any]:
        """Show what only arrays can tell. Raises RoutingError for a pack that this scorer could not use."""
        if question.view == "evidence":
            return inspection.task_evidence(self._router, self._store.recent_embeddings(question.task))
        if question.view == "suggestions":
            return self._suggest_labels(question.task, question.n)
        embedder = EmbedderId(self._embedder.name, self._embedder.revision, self._embedder.dim)
        pack = None
        if question.pack:
            path, needed = self._find_pack(question.pack), embedder if question.view == "difference" else None
            pack = open_pack(path, needed, with_input_index=False)
            manifest = configured_manifest(pack.manifest, self._tasks.settings.routing.models)
            pack = replace(pack, manifest=manifest)
        if question.view == "outcomes":
            return inspection.pack_outcomes(pack or self._router.pack)
        other = Router(pack, self._router.settings) if pack else self._router
        policy = inspection.ComparisonPolicy(self._tasks.policy_of, self._tasks.settings.routing.score)
        return inspection.pack_diff(self._store, self._router, other, policy)

    def _explain_task(self, task: str, record: TaskRecord) -> Explanation:
        """Derive the explanation of a decision, or return the stored one where that is of the same inputs.

        The stored one is never derived again: the input that changed the model was decided from the model before it.
        Every other input was decided from the model that the task still has, so its decision can be made again; where
        it comes out differently (policy, pack or costs have changed since), the stored explanation stands.
        """
        decision = record.decision
        if decision is None or record.explanation.describes(decision) or self._tasks.is_stale(record):
            return record.explanation
        update = self._tasks.begin_update(task, record)
        scored = update.score_state()
        if scored is None or not scored.repeats(decision):
            return record.explanation
        skips = SamplingState.from_bytes(record.sampling_state).unexplained_skips
        return update.derive_explanation(scored, record.explanation.skipped + skips)

    def _suggest_labels(self, task: str, n: int) -> dict[str, Any]:
        policy = self._tasks.policy_of(task)
        if not policy.keep_texts:
            raise ValueError(f"task {task!r} has no texts to label: set keep_texts in the scorer's configuration")
        record = self._store.read_task(task)
        state, embeddings = self._tasks.state_of(task, record), self._store.recent_embeddings(task)
        return inspection.suggest_labels(self._router, state, labels_of(record), policy.candidates, embeddings, n)
