"""Comparison of two state stores, for deployments that must compute the same."""

from gateway.state.store import Store


def differing_tasks(found: Store, expected: Store) -> list[str]:
    """Return the tasks that differ in sums or sampling state (to the bit), ring, decision, explanation or history."""
    if list(found.task_names()) != list(expected.task_names()):
        return [f"tasks: {len(found.task_names())} and {len(expected.task_names())}"]
    return [task for task in expected.task_names() if _task_state(found, task) != _task_state(expected, task)]


def _task_state(store: Store, task: str) -> object:
    record = store.read_task(task)
    made = record.decision
    decision = made and (made.version, made.n, made.model, made.reason, tuple(made.ranking), record.explanation)
    changes = [(change.version, change.n, change.model) for change in store.decision_changes(task)]
    return record.task, record.sampling_state, decision, list(store.recent_embeddings(task)), changes
