"""State in a SQLite file: the embedded deployment.

The journal mode is WAL, so that the gateway reads while the scorer writes. Every update is one immediate transaction:
a program that is killed within it leaves the state before it. A task's embeddings are a ring of slots, of which the
oldest is overwritten first.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from gateway.config.secrets import mask_url
from gateway.decision import RENAMED_REASONS, Decision, ExplainedDecision, Explanation
from gateway.errors import StateError
from gateway.state.schema import MIGRATIONS, SCHEMA
from gateway.state.state_file import DATABASE_ERRORS, claim_file, create_private_file, describe_fault, malformed
from gateway.state.store import (
    MAX_POLICY_VERSIONS,
    NO_SAMPLING_STATES,
    RING_SIZE,
    StateChange,
    StoredKey,
    StoredPolicy,
    TaskRecord,
    TaskSums,
)
from gateway.usage.ledger import UsageRows, UsageTotals

BUSY_S = 5.0
"""Time to wait for another writer."""

MAX_CHANGES = 100
"""Changes of the model stored per task."""

_COLUMNS = "task, version, n, model, reason, ranking, at"
"""A decision's columns without its explanation, which can be long."""

_PUT_DECISION = """
INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, coalesce(?, '{}')) ON CONFLICT (task) DO UPDATE SET
    version = excluded.version, n = excluded.n, model = excluded.model, reason = excluded.reason,
    ranking = excluded.ranking, at = excluded.at, account = coalesce(?, account)
"""
"""Without an explanation the stored one stays: most inputs derive none, and it is most of the row."""


class SqliteStore:
    """Store in a SQLite file, which threads and processes may share."""

    def __init__(self, path: str, busy_s: float = BUSY_S) -> None:
        """Open or create a file. busy_s: time to wait for another writer. Raises StateError."""
        self._path = path
        self._lock = threading.RLock()  # reentrant, because an update's `change` reads embeddings
        self._connection = _connect(path, busy_s)
        self._claim: int | None = None

    def claim_for_gateway(self) -> None:
        """Claim the file for one gateway until the store is closed. Raises StateError if another one uses it.

        Two of them would overwrite each other's decisions, and each would count budgets of its own. Processes that only
        read and score, and commands, make no claim.
        """
        self._claim = claim_file(self._path)

    def check_pages(self) -> None:
        """Read every page of the file, once at startup. Raises StateError for a damaged one."""
        with self._reading() as connection:
            # Indexes are not compared with their tables: seconds for gigabytes (https://sqlite.org/pragma.html).
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StateError(f"{self._path} cannot be used as state: {describe_fault(malformed(found))}")

    def update_task(
        self,
        tasks: Sequence[str],
        change: Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]],
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
    ) -> None:
        """Read these tasks, and write what `change` returns for them, in one transaction."""
        with self._transaction() as connection:
            changes = change({task: _read_record(connection, task) for task in tasks})
            for task, task_change in changes.items():
                _write_change(connection, task, task_change)
            connection.executemany("INSERT OR REPLACE INTO paces VALUES (?, ?)", sampling_states.items())

    def read_task(self, task: str) -> TaskRecord:
        """Return all that is stored of a task but its embeddings."""
        with self._reading() as connection:
            return _read_record(connection, task)

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, ExplainedDecision]:
        """Return the decisions of those of these tasks that have one, with explanations; in one transaction."""
        with self._reading() as connection:
            found = {task: _read_decision(connection, task) for task in tasks}
        return {task: explained for task, explained in found.items() if explained is not None}

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """Return the task's most recent embeddings, oldest first."""
        with self._reading() as connection:
            return _read_embeddings(connection, task)

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """Return the sampling states of those of these tasks that have one."""
        with self._reading() as connection:
            states = {task: _read_sampling_state(connection, task) for task in tasks}
        return {task: state for task, state in states.items() if state}

    def task_names(self) -> Sequence[str]:
        """Return the names of all tasks, sorted."""
        with self._reading() as connection:
            return [name for (name,) in connection.execute("SELECT task FROM tasks ORDER BY task")]

    def read_decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, Decision]:
        """Return decisions by task, sorted by name, of names greater than `after`; without explanations."""
        query = f"SELECT {_COLUMNS} FROM decisions WHERE task > ? ORDER BY task LIMIT ?"  # noqa: S608 - fixed
        with self._reading() as connection:
            rows = connection.execute(query, (after, -1 if limit is None else limit)).fetchall()
        return {row[0]: _to_decision(row) for row in rows}

    def decision_changes(self, task: str) -> Sequence[Decision]:
        """Return the most recent decisions that changed a task's model, oldest first; without explanations."""
        with self._reading() as connection:
            query = f"SELECT {_COLUMNS} FROM turns WHERE task = ? ORDER BY version"  # noqa: S608 - fixed names
            rows = connection.execute(query, (task,)).fetchall()
        return [_to_decision(row) for row in rows]

    def forget_task(self, task: str) -> bool:
        """Delete a task but for its policy. Return False if nothing was stored of it."""
        with self._transaction() as connection:
            deleted = [
                connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,)).rowcount  # noqa: S608 - fixed names
                for table in ("tasks", "ring", "decisions", "turns", "paces")
            ]
        return any(deleted)

    def add_usage(self, rows: UsageRows) -> None:
        """Add to the stored usage."""
        with self._transaction() as connection:
            for place, new in rows.items():
                found = connection.execute(
                    "SELECT requests, input_tokens, output_tokens, usd, baseline_usd, unpriced, estimated"
                    " FROM spending WHERE kind = ? AND name = ? AND day = ?",
                    place,
                ).fetchone()
                total = _to_totals(found) + new if found else new
                # Decimals as text: SQLite has no decimal type, and as REAL a million small costs would drift.
                numbers = (total.requests, total.input_tokens, total.output_tokens, str(total.usd))
                row = (*place, *numbers, str(total.baseline_usd), total.unpriced, total.estimated)
                connection.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def read_usage(self) -> UsageRows:
        """Return all stored usage."""
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM spending").fetchall()
        return {(kind, name, day): _to_totals(numbers) for kind, name, day, *numbers in rows}

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        with self._reading() as connection:
            rows = [
                row
                for place in who
                for row in connection.execute("SELECT * FROM spending WHERE kind = ? AND name = ?", place)
            ]
        return {(kind, name, day): _to_totals(numbers) for kind, name, day, *numbers in rows}

    def created_keys(self) -> Sequence[StoredKey]:
        """Return the created keys, oldest first."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name, sha256, created_at, terms FROM keys ORDER BY created_at, name")
            return [StoredKey(*row) for row in rows]

    def add_key(self, key: StoredKey) -> bool:
        """Store a key. Return False if there is one of that name already."""
        row = (key.name, key.sha256, key.created_at, key.settings_json)
        with self._transaction() as connection:
            statement = "INSERT INTO keys VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
            return connection.execute(statement, row).rowcount == 1

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""
        with self._transaction() as connection:
            return connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount == 1

    def current_policies(self) -> Sequence[StoredPolicy]:
        """Return the latest policy of every task that ever had one, by task."""
        latest = "SELECT task, max(version), at, by, terms FROM policies GROUP BY task ORDER BY task"
        with self._reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(latest)]

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """Return the last MAX_POLICY_VERSIONS policies of a task, oldest first."""
        query = "SELECT task, version, at, by, terms FROM policies WHERE task = ? ORDER BY version"
        with self._reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(query, (task,))]

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Store a task's next policy. Return False, and store nothing, unless its version follows the latest."""
        row = (policy.task, policy.version, policy.at, policy.changed_by, policy.settings_json)
        with self._transaction() as connection:
            latest = "SELECT coalesce(max(version), 0) FROM policies WHERE task = ?"
            (before,) = connection.execute(latest, (policy.task,)).fetchone()
            # Optimistic locking: of two admins who changed the same version, the second one is told.
            if policy.version != before + 1:
                return False
            connection.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)
            old = (policy.task, policy.version - MAX_POLICY_VERSIONS)
            connection.execute("DELETE FROM policies WHERE task = ? AND version <= ?", old)
        return True

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            self._connection.close()
            if self._claim is not None:
                os.close(self._claim)
                self._claim = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Read all within the block from one snapshot."""
        with self._lock:
            # Within an update's `change` a transaction is open already, and SQLite does not nest them.
            is_outermost = not self._connection.in_transaction
            try:
                if is_outermost:
                    self._connection.execute("BEGIN")
                try:
                    yield self._connection
                finally:
                    if is_outermost:
                        self._connection.execute("COMMIT")
            except DATABASE_ERRORS as error:
                raise StateError(f"{self._path} cannot be read: {describe_fault(error)}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all within the block, or nothing of it; other writers wait meanwhile."""
        with self._lock:
            try:
                # IMMEDIATE takes the write lock first: a transaction that begins with reads and then writes can fail
                # with SQLITE_BUSY_SNAPSHOT, which no timeout waits for (https://sqlite.org/rescode.html).
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    # A full disk or a damaged page has ended the transaction already (https://sqlite.org/lang_transaction.html).
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except DATABASE_ERRORS as error:
                raise StateError(f"{self._path} cannot be written: {describe_fault(error)}") from error


def _connect(path: str, busy_s: float) -> sqlite3.Connection:
    create_private_file(path)
    try:
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    except DATABASE_ERRORS as error:
        raise StateError(f"{path} cannot be opened: {describe_fault(error)}") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL a power loss can undo the last commits but not corrupt the file; FULL would sync at every commit.
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection, path)
    except DATABASE_ERRORS as error:
        connection.close()
        raise StateError(f"{path} cannot be used as state: {describe_fault(error)}") from error
    except StateError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    """Create missing tables. Raises StateError for a later schema, and for another program's database."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (0 < found <= SCHEMA or (found == 0 and tables == 0)):
            raise StateError(f"{path} has schema {found}, this version reads schema {SCHEMA}")
        for step in MIGRATIONS[found:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _read_record(connection: sqlite3.Connection, task: str) -> TaskRecord:
    row = connection.execute("SELECT basis, n, seen, sums FROM tasks WHERE task = ?", (task,)).fetchone()
    sums = TaskSums(*row) if row else None
    explained, sampling_state = _read_decision(connection, task), _read_sampling_state(connection, task)
    if explained is None:
        return TaskRecord(sums, None, sampling_state)
    return TaskRecord(sums, explained.decision, sampling_state, explained.explanation)


def _read_decision(connection: sqlite3.Connection, task: str) -> ExplainedDecision | None:
    query = f"SELECT {_COLUMNS}, account FROM decisions WHERE task = ?"  # noqa: S608 - fixed names
    row = connection.execute(query, (task,)).fetchone()
    return ExplainedDecision(_to_decision(row[:-1]), Explanation(row[-1])) if row else None


def _read_sampling_state(connection: sqlite3.Connection, task: str) -> bytes:
    row = connection.execute("SELECT pace FROM paces WHERE task = ?", (task,)).fetchone()
    return row[0] if row else b""


def _read_embeddings(connection: sqlite3.Connection, task: str) -> Sequence[bytes]:
    rows = connection.execute("SELECT slot, embedding FROM ring WHERE task = ? ORDER BY slot", (task,)).fetchall()
    seen = connection.execute("SELECT seen FROM tasks WHERE task = ?", (task,)).fetchone()
    start = seen[0] % RING_SIZE if seen and len(rows) == RING_SIZE else 0
    return [embedding for _, embedding in rows[start:] + rows[:start]]


def _write_change(connection: sqlite3.Connection, task: str, change: StateChange) -> None:
    sums = change.task
    connection.execute(
        "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?)",
        (task, sums.sums_version, sums.n, sums.total_seen, sums.sums),
    )
    first = sums.total_seen - len(change.embeddings)
    connection.executemany(
        "INSERT OR REPLACE INTO ring VALUES (?, ?, ?)",
        [(task, (first + place) % RING_SIZE, embedding) for place, embedding in enumerate(change.embeddings)],
    )
    if change.sampling_state is not None:
        connection.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (task, change.sampling_state))
    if change.decision is not None:
        explanation = None if change.explanation is None else change.explanation.json
        connection.execute(_PUT_DECISION, (*_to_row(change.decision), explanation, explanation))
    for decision in change.changes:
        connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)", _to_row(decision))
        connection.execute("DELETE FROM turns WHERE task = ? AND version <= ?", (task, decision.version - MAX_CHANGES))


def _to_row(decision: Decision) -> tuple[str, int, int, str, str, str, float]:
    ranking = json.dumps(decision.ranking)
    return decision.task, decision.version, decision.n, decision.model, decision.reason, ranking, decision.at


def _to_decision(row: Sequence[Any]) -> Decision:
    task, version, n, model, reason, ranking, at = row
    try:
        return Decision(task, version, n, model, RENAMED_REASONS.get(reason, reason), tuple(json.loads(ranking)), at)
    except (ValueError, TypeError, RecursionError) as error:
        raise StateError(f"a stored decision cannot be read: {error!r}") from error


def _to_totals(numbers: Sequence[Any]) -> UsageTotals:
    requests, input_tokens, output_tokens, usd, baseline_usd, unpriced, estimated = numbers
    try:
        money = Decimal(usd), Decimal(baseline_usd)
        tokens = int(input_tokens), int(output_tokens)
        counted = int(requests), int(unpriced), int(estimated)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise StateError(f"stored usage cannot be read: {error!r}") from error
    return UsageTotals(counted[0], *tokens, *money, *counted[1:])


def open_store(url: str) -> SqliteStore:
    """Open the SQLite file at a URL: sqlite:///relative/path or sqlite:////absolute/path. Raises StateError."""
    scheme, _, path = url.partition("://")
    if scheme != "sqlite" or not path.startswith("/") or len(path) < 2:
        raise StateError(f"state.url {mask_url(url)}: expected sqlite:///path or redis://host")
    return SqliteStore(path[1:])
