"""A state with many tasks, written without a scorer."""

from collections.abc import Sequence

from gateway.decision import Decision, Explanation
from gateway.state.sqlite import SqliteStore
from gateway.state.store import StateChange, TaskSums

EXPLANATION = Explanation.from_dict(
    {
        "u": 0.5,
        "scores": [{"model": "good", "s1": 0.5, "n": 1}],
        "nearest_datasets": [],
        "decision": {"why": "good leads over 1 input", "p_better": 0.7},
        "n": 1,
        "skipped": 0,
    }
)


def store_tasks(store: SqliteStore, names: Sequence[str], used_at: float = 1.0) -> None:
    """Store tasks with one input each, used one second after the other."""
    changes = {}
    for place, name in enumerate(names):
        made = Decision(name, 1, 1, "good", "score", ("good", "other"), 1.5)
        sums = TaskSums("basis", 1, 1, b"sums")
        changes[name] = StateChange(sums, [b"e"], made, [made], b"pace", EXPLANATION, used_at + place)
    store.update_task(list(changes), lambda _: changes)
