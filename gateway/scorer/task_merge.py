"""One task's sums, labels and embeddings, moved to another one: sums are added, as if its inputs had come there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.decision import Decision
from gateway.scorer import serialization
from gateway.scorer.eviction import used_at
from gateway.scorer.sampling import SamplingState
from gateway.scorer.task_labels import TaskLabels
from gateway.scorer.task_reader import TaskReader, labels_of
from gateway.state.store import StateChange, TaskRecord, TaskSums


@dataclass(slots=True)
class MergedTask:
    """What became of a merge. moved: inputs. decision: of the target; None where there was nothing to move."""

    moved: int = 0
    decision: Decision | None = None


def merge_task(tasks: TaskReader, source: str, target: str, now: float) -> MergedTask:
    """Move a task to another one, which may be new, and delete it. now: Unix time in seconds. May raise StateError.

    Sums of an earlier pack are made anew from the task's most recent embeddings, as everywhere. A shared store writes
    the target first and deletes the source then: a crash in between leaves both, and a second merge counts it twice.
    """
    merged = MergedTask()

    def change(stored: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        other = tasks.store.read_task(source)
        if other.task is None:
            return {}
        made = _move(tasks, (source, other), (target, stored[target]))
        merged.moved, merged.decision = other.task.n, made.decision
        limits = tasks.settings.limits
        return {target: replace(made, used_at=used_at(TaskRecord(made.task, None), limits, now))}

    tasks.store.update_task([target], change, removed=[source])
    return merged


def _move(tasks: TaskReader, source: tuple[str, TaskRecord], target: tuple[str, TaskRecord]) -> StateChange:
    (name, other), (task, record) = source, target

    def learn(labels: TaskLabels) -> TaskLabels:
        return labels.merge(labels_of(other))

    update = tasks.begin_update(task, record, learn)
    update.add_state(tasks.state_of(name, other))
    embeddings = tasks.store.recent_embeddings(name)
    sampling = SamplingState.from_bytes(record.sampling_state)
    decision, explanation = update.decision, None
    if update.explained is not None:
        skips = sampling.skips_until(update.explained.place)
        before = record.explanation.skipped + other.explanation.skipped
        before += SamplingState.from_bytes(other.sampling_state).unexplained_skips
        explanation = update.derive_explanation(update.explained, before + skips)
        decision = None if update.decision is None else explanation.add_figures(update.decision)
        sampling = sampling.after_explanation(skips)
    seen = (record.task.total_seen if record.task else 0) + (other.task.total_seen if other.task else 0)
    encoded = serialization.state_to_bytes(update.state, update.labels)
    return StateChange(
        TaskSums(tasks.sums_version, update.state.n, seen, encoded),
        embeddings,
        decision,
        update.changes,
        sampling.to_bytes() if tasks.settings.routing.adaptive_sampling else None,
        explanation,
    )
