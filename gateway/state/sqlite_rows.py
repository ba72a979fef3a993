"""Rows of tasks and decisions in a SQLite state. Functions take a connection within a transaction."""

import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.decision import RENAMED_REASONS, Decision, ExplainedDecision, Explanation
from gateway.errors import StateError
from gateway.state.compression import (
    SMALL_TASK,
    compress_explanation,
    compress_sums,
    restore_explanation,
    restore_sums,
    stored_explanation,
)
from gateway.state.store import RING_SIZE, StateChange, TaskRecord, TaskSums

MAX_CHANGES = 100
"""Changes of the model stored per task."""

DECISION_COLUMNS = "task, version, n, model, reason, ranking, at"
"""A decision's columns, and those of a change of the model."""

CURRENT_COLUMNS = f"{DECISION_COLUMNS}, confidence, measured_gain"
"""A decision's columns without its explanation, which can be long."""

_TASK_TABLES = ("tasks", "ring", "decisions", "turns", "paces")

_PUT_TASK = """
INSERT INTO tasks (task, basis, n, seen, used, packed, sums) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (task) DO UPDATE SET basis = excluded.basis, n = excluded.n, seen = excluded.seen, packed = excluded.packed,
    sums = excluded.sums, used = coalesce(excluded.used, used)
"""

_PUT_EMBEDDING = """
INSERT INTO ring VALUES (?, ?, ?) ON CONFLICT (task, slot) DO UPDATE SET embedding = excluded.embedding
"""

_PUT_DECISION = """
INSERT INTO decisions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?10, '{}'), ?8, ?9) ON CONFLICT (task) DO UPDATE SET
    version = excluded.version, n = excluded.n, model = excluded.model, reason = excluded.reason,
    ranking = excluded.ranking, at = excluded.at, account = coalesce(?10, account),
    confidence = excluded.confidence, measured_gain = excluded.measured_gain
"""
"""Without an explanation the stored one stays: most inputs derive none, and it is most of the row."""


_RECORDS = f"""
SELECT asked.value, bases.basis, tasks.n, tasks.seen, tasks.sums, tasks.packed, ring.embedding, paces.pace,
    decisions.account, {", ".join(f"decisions.{name}" for name in CURRENT_COLUMNS.split(", "))}
FROM json_each(?) AS asked
LEFT JOIN tasks ON tasks.task = asked.value
LEFT JOIN bases ON bases.id = tasks.basis
LEFT JOIN ring ON ring.task = asked.value AND ring.slot = 0 AND tasks.packed
LEFT JOIN paces ON paces.task = asked.value
LEFT JOIN decisions ON decisions.task = asked.value
"""  # noqa: S608 - fixed names
"""All tasks of a batch in one statement: a statement for each table and task takes longer than finding the rows."""

_SAMPLING_STATES = "SELECT task, pace FROM paces WHERE task IN (SELECT value FROM json_each(?))"

_KEEP_CHANGE = f"INSERT OR IGNORE INTO turns SELECT {DECISION_COLUMNS} FROM decisions WHERE task = ?"  # noqa: S608 - fixed names
"""Before a decision is replaced: until then, the one that changed the model is its own record."""

_CHANGES = f"""
SELECT {DECISION_COLUMNS} FROM turns WHERE task = ?1
UNION ALL SELECT {DECISION_COLUMNS} FROM decisions
    WHERE task = ?1 AND version > coalesce((SELECT max(version) FROM turns WHERE task = ?1), 0)
ORDER BY version
"""  # noqa: S608 - fixed names


def read_changes(connection: sqlite3.Connection, task: str) -> Sequence[Decision]:
    """Return the most recent decisions that changed a task's model, oldest first. Raises StateError."""
    return [to_decision(row) for row in connection.execute(_CHANGES, (task,)).fetchall()]


def read_records(connection: sqlite3.Connection, tasks: Sequence[str]) -> dict[str, TaskRecord]:
    """Return all that is stored of tasks but their embeddings. Raises StateError."""
    rows = connection.execute(_RECORDS, (json.dumps(list(tasks)),)).fetchall()
    return {row[0]: _to_record(*row[1:]) for row in rows}


def _to_record(
    basis: str | None,
    n: int,
    seen: int,
    sums: bytes,
    is_packed: bool,
    first_embedding: bytes | None,
    sampling_state: bytes | None,
    account: bytes | str | None,
    *decided: Any,
) -> TaskRecord:
    # Without its version of sums a row of `tasks` cannot be used: none is written without.
    task = None
    if basis is not None:
        task = TaskSums(basis, n, seen, restore_sums(sums, first_embedding or b"") if is_packed else sums)
    if account is None:
        return TaskRecord(task, None, sampling_state or b"")
    return TaskRecord(task, to_decision(decided), sampling_state or b"", stored_explanation(account))


def read_explained(connection: sqlite3.Connection, task: str) -> ExplainedDecision | None:
    """Return a task's decision with its explanation, None without one. Raises StateError."""
    query = f"SELECT {CURRENT_COLUMNS}, account FROM decisions WHERE task = ?"  # noqa: S608 - fixed names
    row = connection.execute(query, (task,)).fetchone()
    return ExplainedDecision(to_decision(row[:-1]), Explanation(restore_explanation(row[-1]))) if row else None


def read_sampling_states(connection: sqlite3.Connection, tasks: Sequence[str]) -> dict[str, bytes]:
    """Return the sampling states of those of these tasks that have one."""
    return dict(connection.execute(_SAMPLING_STATES, (json.dumps(list(tasks)),)).fetchall())


def read_embeddings(connection: sqlite3.Connection, task: str) -> Sequence[bytes]:
    """Return a task's most recent embeddings, oldest first."""
    rows = connection.execute("SELECT slot, embedding FROM ring WHERE task = ? ORDER BY slot", (task,)).fetchall()
    seen = connection.execute("SELECT seen FROM tasks WHERE task = ?", (task,)).fetchone()
    start = seen[0] % RING_SIZE if seen and len(rows) == RING_SIZE else 0
    return [embedding for _, embedding in rows[start:] + rows[:start]]


def write_changes(connection: sqlite3.Connection, changes: Mapping[str, StateChange]) -> None:
    """Write changes, by task."""
    connection.executemany(_PUT_EMBEDDING, [row for item in changes.items() for row in _ring_rows(*item)])
    basis_ids = {one: _basis_id(connection, one) for one in {change.task.sums_version for change in changes.values()}}
    connection.executemany(
        _PUT_TASK,
        [_task_row(connection, task, change, basis_ids[change.task.sums_version]) for task, change in changes.items()],
    )
    states = [(task, one.sampling_state) for task, one in changes.items() if one.sampling_state is not None]
    connection.executemany("INSERT OR REPLACE INTO paces VALUES (?, ?)", states)
    decided = [(change.decision, change.explanation) for change in changes.values() if change.decision is not None]
    connection.executemany(_KEEP_CHANGE, [(decision.task,) for decision, _ in decided])
    connection.executemany(_PUT_DECISION, [_decision_row(*one) for one in decided])
    for task, change in changes.items():
        _write_history(connection, task, change)


def _ring_rows(task: str, change: StateChange) -> list[tuple[str, int, bytes]]:
    first = change.task.total_seen - len(change.embeddings)
    return [(task, (first + place) % RING_SIZE, embedding) for place, embedding in enumerate(change.embeddings)]


def _task_row(connection: sqlite3.Connection, task: str, change: StateChange, basis: int) -> tuple[object, ...]:
    sums = change.task
    is_packed = sums.total_seen <= SMALL_TASK
    stored = compress_sums(sums.sums, _first_embedding(connection, task)) if is_packed else sums.sums
    return task, basis, sums.n, sums.total_seen, change.used_at, is_packed, stored


def _decision_row(decision: Decision, explanation: Explanation | None) -> tuple[object, ...]:
    compressed = None if explanation is None else compress_explanation(explanation.json)
    return *_to_row(decision), decision.confidence, decision.measured_gain, compressed


def _write_history(connection: sqlite3.Connection, task: str, change: StateChange) -> None:
    last = change.decision
    for decision in change.changes:
        if last is None or (decision.version, decision.n) != (last.version, last.n):
            connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)", _to_row(decision))
        if decision.version > MAX_CHANGES:
            oldest = decision.version - MAX_CHANGES
            connection.execute("DELETE FROM turns WHERE task = ? AND version <= ?", (task, oldest))


def delete_task(connection: sqlite3.Connection, task: str) -> bool:
    """Delete a task but for its policy. Return False if nothing was stored of it."""
    deleted = [
        connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,)).rowcount  # noqa: S608 - fixed names
        for table in _TASK_TABLES
    ]
    return any(deleted)


def to_decisions(rows: Sequence[Sequence[Any]]) -> list[Decision]:
    """Return the decisions of rows of CURRENT_COLUMNS; equal rankings are one object. Raises StateError."""
    rankings: dict[str, tuple[str, ...]] = {}
    return [to_decision(row, rankings) for row in rows]


def to_decision(row: Sequence[Any], rankings: dict[str, tuple[str, ...]] | None = None) -> Decision:
    """Return the decision of a row of CURRENT_COLUMNS, or DECISION_COLUMNS. Raises StateError.

    rankings: those of other rows, by text.
    """
    task, version, n, model, reason, text, at, *figures = row
    known = {} if rankings is None else rankings
    try:
        ranking = known.get(text)
        if ranking is None:
            ranking = known[text] = tuple(map(sys.intern, json.loads(text)))
        return Decision(
            task, version, n, sys.intern(model), RENAMED_REASONS.get(reason, sys.intern(reason)), ranking, at, *figures
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise StateError(f"a stored decision cannot be read: {error!r}") from error


def _first_embedding(connection: sqlite3.Connection, task: str) -> bytes:
    row = connection.execute("SELECT embedding FROM ring WHERE task = ? AND slot = 0", (task,)).fetchone()
    # NULL stands there in a damaged file alone; nothing can be restored with it, which is an error of its own.
    return row[0] or b"" if row else b""


def _basis_id(connection: sqlite3.Connection, basis: str) -> int:
    """Return the number of a version of sums: its name is long, and the same for most tasks."""
    query = "SELECT id FROM bases WHERE basis = ?"
    row = connection.execute(query, (basis,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO bases (basis) VALUES (?)", (basis,))
        row = connection.execute(query, (basis,)).fetchone()
    return int(row[0])


def _to_row(decision: Decision) -> tuple[str, int, int, str, str, str, float]:
    ranking = json.dumps(decision.ranking)
    return decision.task, decision.version, decision.n, decision.model, decision.reason, ranking, decision.at
