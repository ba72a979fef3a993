"""Rows of tasks and decisions in a SQLite state. Functions take a connection within a transaction."""

import json
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

from gateway.decision import RENAMED_REASONS, Decision, ExplainedDecision, Explanation
from gateway.errors import StateError
from gateway.state.compression import (
    SMALL_TASK,
    compress_explanation,
    compress_sums,
    restore_explanation,
    restore_sums,
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


def read_record(connection: sqlite3.Connection, task: str) -> TaskRecord:
    """Return all that is stored of a task but its embeddings. Raises StateError."""
    sums = _read_sums(connection, task)
    explained, sampling_state = read_explained(connection, task), read_sampling_state(connection, task)
    if explained is None:
        return TaskRecord(sums, None, sampling_state)
    return TaskRecord(sums, explained.decision, sampling_state, explained.explanation)


def read_explained(connection: sqlite3.Connection, task: str) -> ExplainedDecision | None:
    """Return a task's decision with its explanation, None without one. Raises StateError."""
    query = f"SELECT {CURRENT_COLUMNS}, account FROM decisions WHERE task = ?"  # noqa: S608 - fixed names
    row = connection.execute(query, (task,)).fetchone()
    return ExplainedDecision(to_decision(row[:-1]), Explanation(restore_explanation(row[-1]))) if row else None


def read_sampling_state(connection: sqlite3.Connection, task: str) -> bytes:
    """Return a task's sampling state, empty without one."""
    row = connection.execute("SELECT pace FROM paces WHERE task = ?", (task,)).fetchone()
    return row[0] if row else b""


def read_embeddings(connection: sqlite3.Connection, task: str) -> Sequence[bytes]:
    """Return a task's most recent embeddings, oldest first."""
    rows = connection.execute("SELECT slot, embedding FROM ring WHERE task = ? ORDER BY slot", (task,)).fetchall()
    seen = connection.execute("SELECT seen FROM tasks WHERE task = ?", (task,)).fetchone()
    start = seen[0] % RING_SIZE if seen and len(rows) == RING_SIZE else 0
    return [embedding for _, embedding in rows[start:] + rows[:start]]


def write_change(connection: sqlite3.Connection, task: str, change: StateChange) -> None:
    """Write a task's changes."""
    first = change.task.total_seen - len(change.embeddings)
    connection.executemany(
        _PUT_EMBEDDING,
        [(task, (first + place) % RING_SIZE, embedding) for place, embedding in enumerate(change.embeddings)],
    )
    _write_sums(connection, task, change)
    if change.sampling_state is not None:
        connection.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (task, change.sampling_state))
    if change.decision is not None:
        connection.execute(_KEEP_CHANGE, (task,))
        explanation = None if change.explanation is None else compress_explanation(change.explanation.json)
        made = change.decision
        connection.execute(_PUT_DECISION, (*_to_row(made), made.confidence, made.measured_gain, explanation))
    for decision in change.changes:
        if change.decision is None or (decision.version, decision.n) != (change.decision.version, change.decision.n):
            connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)", _to_row(decision))
        connection.execute("DELETE FROM turns WHERE task = ? AND version <= ?", (task, decision.version - MAX_CHANGES))


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


def _read_sums(connection: sqlite3.Connection, task: str) -> TaskSums | None:
    query = "SELECT bases.basis, n, seen, sums, packed FROM tasks JOIN bases ON bases.id = tasks.basis WHERE task = ?"
    row = connection.execute(query, (task,)).fetchone()
    if row is None:
        return None
    basis, n, seen, sums, is_packed = row
    if is_packed:
        sums = restore_sums(sums, _first_embedding(connection, task))
    return TaskSums(basis, n, seen, sums)


def _write_sums(connection: sqlite3.Connection, task: str, change: StateChange) -> None:
    sums = change.task
    is_packed = sums.total_seen <= SMALL_TASK
    stored = compress_sums(sums.sums, _first_embedding(connection, task)) if is_packed else sums.sums
    basis = _basis_id(connection, sums.sums_version)
    row = (task, basis, sums.n, sums.total_seen, change.used_at, is_packed, stored)
    connection.execute(_PUT_TASK, row)


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
