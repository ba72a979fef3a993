"""Tasks in a SQLite file: the embedded deployment.

WAL, so that the gateway reads while the scorer writes; every update is one immediate transaction, so a program killed
in its middle leaves the state before it. Embeddings lie in a ring of slots, the oldest overwritten first.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from gateway.errors import StateError
from gateway.state.store import (
    MAX_POLICY_VERSIONS,
    NO_PACES,
    RENAMED_REASONS,
    RING_SIZE,
    DecisionRecord,
    StateChange,
    StoredKey,
    StoredPolicy,
    TaskRecord,
    TaskSums,
)
from gateway.usage.ledger import UsageRows, UsageTotals

BUSY_S = 5.0
MAX_CHANGES = 100

_SHORT = "version, n, model, reason, ranking, at"
"""A decision's columns but its account, which can be long."""

_FIRST = """
CREATE TABLE tasks (task TEXT PRIMARY KEY, basis TEXT NOT NULL, n INTEGER NOT NULL, seen INTEGER NOT NULL,
                    sums BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ring (task TEXT NOT NULL, slot INTEGER NOT NULL, embedding BLOB NOT NULL,
                   PRIMARY KEY (task, slot)) WITHOUT ROWID;
CREATE TABLE decisions (task TEXT PRIMARY KEY, version INTEGER NOT NULL, n INTEGER NOT NULL, model TEXT NOT NULL,
                        reason TEXT NOT NULL, ranking TEXT NOT NULL, at REAL NOT NULL, account TEXT NOT NULL);
CREATE TABLE turns (task TEXT NOT NULL, version INTEGER NOT NULL, n INTEGER NOT NULL, model TEXT NOT NULL,
                    reason TEXT NOT NULL, ranking TEXT NOT NULL, at REAL NOT NULL,
                    PRIMARY KEY (task, version)) WITHOUT ROWID;
CREATE TABLE spending (kind TEXT NOT NULL, name TEXT NOT NULL, day TEXT NOT NULL, requests INTEGER NOT NULL,
                       input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, usd TEXT NOT NULL,
                       baseline_usd TEXT NOT NULL, PRIMARY KEY (kind, name, day)) WITHOUT ROWID;
"""


_KEYS = """
CREATE TABLE keys (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, created_at REAL NOT NULL, terms TEXT NOT NULL);
"""

_POLICIES = """
CREATE TABLE policies (task TEXT NOT NULL, version INTEGER NOT NULL, at REAL NOT NULL, by TEXT, terms TEXT,
                       PRIMARY KEY (task, version)) WITHOUT ROWID;
"""

_PACES = """
CREATE TABLE paces (task TEXT PRIMARY KEY, pace BLOB NOT NULL) WITHOUT ROWID;
"""

_STEPS = (_FIRST, _KEYS, _POLICIES, _PACES)
"""What makes each schema out of the one before; a file of an earlier schema is brought up to the last."""

SCHEMA = len(_STEPS)


class SqliteStore:
    """See gateway.state.store.Store. Threads and processes may share a file."""

    def __init__(self, path: str, busy_s: float = BUSY_S) -> None:
        """Opens a file, or makes one. busy_s: how long another writer is waited for. Raises StateError."""
        self._path = path
        self._lock = threading.RLock()  # an update's `change` may read the ring
        self._connection = _connect(path, busy_s)

    def update_task(
        self,
        tasks: Sequence[str],
        change: Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]],
        paces: Mapping[str, bytes] = NO_PACES,
    ) -> None:
        """See Store.update."""
        with self._transaction() as connection:
            changes = change({task: _stored(connection, task) for task in tasks})
            for task, made in changes.items():
                _write(connection, task, made)
            connection.executemany("INSERT OR REPLACE INTO paces VALUES (?, ?)", paces.items())

    def read_task(self, task: str) -> TaskRecord:
        """See Store.stored."""
        with self._reading() as connection:
            return _stored(connection, task)

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, DecisionRecord]:
        """See Store.accounts."""
        with self._reading() as connection:
            found = {task: _accounted(connection, task) for task in tasks}
        return {task: made for task, made in found.items() if made is not None}

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """See Store.ring."""
        with self._reading() as connection:
            return _ring(connection, task)

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """See Store.paces."""
        with self._reading() as connection:
            found = {task: _pace(connection, task) for task in tasks}
        return {task: pace for task, pace in found.items() if pace}

    def task_names(self) -> Sequence[str]:
        """See Store.names."""
        with self._reading() as connection:
            return [name for (name,) in connection.execute("SELECT task FROM tasks ORDER BY task")]

    def read_decisions(self, after: str = "", limit: int | None = None) -> Mapping[str, DecisionRecord]:
        """See Store.decisions."""
        query = f"SELECT task, {_SHORT}, '{{}}' FROM decisions WHERE task > ? ORDER BY task LIMIT ?"  # noqa: S608 - fixed
        with self._reading() as connection:
            rows = connection.execute(query, (after, -1 if limit is None else limit)).fetchall()
        return {task: _decision(row) for task, *row in rows}

    def decision_changes(self, task: str) -> Sequence[DecisionRecord]:
        """See Store.history."""
        with self._reading() as connection:
            query = f"SELECT {_SHORT}, '{{}}' FROM turns WHERE task = ? ORDER BY version"  # noqa: S608 - fixed names
            rows = connection.execute(query, (task,)).fetchall()
        return [_decision(row) for row in rows]

    def forget_task(self, task: str) -> bool:
        """See Store.forget."""
        with self._transaction() as connection:
            gone = [
                connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,)).rowcount  # noqa: S608 - fixed names
                for table in ("tasks", "ring", "decisions", "turns", "paces")
            ]
        return any(gone)

    def add_usage(self, rows: UsageRows) -> None:
        """See Store.spend."""
        with self._transaction() as connection:
            for place, new in rows.items():
                found = connection.execute(
                    "SELECT requests, input_tokens, output_tokens, usd, baseline_usd FROM spending"
                    " WHERE kind = ? AND name = ? AND day = ?",
                    place,
                ).fetchone()
                total = _spent(found) + new if found else new
                numbers = (total.requests, total.input_tokens, total.output_tokens, str(total.usd))
                row = (*place, *numbers, str(total.baseline_usd))
                connection.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def read_usage(self) -> UsageRows:
        """See Store.spent."""
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM spending").fetchall()
        return {(kind, name, day): _spent(numbers) for kind, name, day, *numbers in rows}

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """See Store.spent_by."""
        with self._reading() as connection:
            rows = [
                row
                for place in who
                for row in connection.execute("SELECT * FROM spending WHERE kind = ? AND name = ?", place)
            ]
        return {(kind, name, day): _spent(numbers) for kind, name, day, *numbers in rows}

    def created_keys(self) -> Sequence[StoredKey]:
        """See Store.created_keys."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name, sha256, created_at, terms FROM keys ORDER BY created_at, name")
            return [StoredKey(*row) for row in rows]

    def add_key(self, key: StoredKey) -> bool:
        """See Store.add_key."""
        row = (key.name, key.sha256, key.created_at, key.settings_json)
        with self._transaction() as connection:
            statement = "INSERT INTO keys VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
            return connection.execute(statement, row).rowcount == 1

    def remove_key(self, name: str) -> bool:
        """See Store.remove_key."""
        with self._transaction() as connection:
            return connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount == 1

    def current_policies(self) -> Sequence[StoredPolicy]:
        """See Store.policies."""
        latest = "SELECT task, max(version), at, by, terms FROM policies GROUP BY task ORDER BY task"
        with self._reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(latest)]

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """See Store.policy_history."""
        query = "SELECT task, version, at, by, terms FROM policies WHERE task = ? ORDER BY version"
        with self._reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(query, (task,))]

    def put_policy(self, policy: StoredPolicy) -> bool:
        """See Store.put_policy."""
        row = (policy.task, policy.version, policy.at, policy.changed_by, policy.settings_json)
        with self._transaction() as connection:
            latest = "SELECT coalesce(max(version), 0) FROM policies WHERE task = ?"
            (before,) = connection.execute(latest, (policy.task,)).fetchone()
            if policy.version != before + 1:
                return False
            connection.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)
            old = (policy.task, policy.version - MAX_POLICY_VERSIONS)
            connection.execute("DELETE FROM policies WHERE task = ? AND version <= ?", old)
        return True

    def close(self) -> None:
        """See Store.close."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for all that is read inside."""
        with self._lock:
            begins = not self._connection.in_transaction
            try:
                if begins:
                    self._connection.execute("BEGIN")
                try:
                    yield self._connection
                finally:
                    if begins:
                        self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StateError(f"{self._path} cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside, or nothing of it; other writers wait meanwhile."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StateError(f"{self._path} cannot be written: {error}") from error


def _connect(path: str, busy_s: float) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StateError(f"{path} cannot be opened: {error}") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise StateError(f"{path} cannot be used as state: {error}") from error
    except StateError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    """Makes the tables that are not there yet. Raises StateError for a later schema, or a database of somebody else."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (0 < found <= SCHEMA or (found == 0 and tables == 0)):
            raise StateError(f"{path} has schema {found}, this version reads schema {SCHEMA}")
        for step in _STEPS[found:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    except BaseException:
        connection.execute("ROLLBACK")  # half a step would be no schema at all
        raise
    connection.execute("COMMIT")


def _stored(connection: sqlite3.Connection, task: str) -> TaskRecord:
    sums = connection.execute("SELECT basis, n, seen, sums FROM tasks WHERE task = ?", (task,)).fetchone()
    kept = TaskSums(*sums) if sums else None
    return TaskRecord(kept, _accounted(connection, task), _pace(connection, task))


def _accounted(connection: sqlite3.Connection, task: str) -> DecisionRecord | None:
    query = f"SELECT {_SHORT}, account FROM decisions WHERE task = ?"  # noqa: S608 - fixed names
    row = connection.execute(query, (task,)).fetchone()
    return _decision(row) if row else None


def _pace(connection: sqlite3.Connection, task: str) -> bytes:
    found = connection.execute("SELECT pace FROM paces WHERE task = ?", (task,)).fetchone()
    return found[0] if found else b""


def _ring(connection: sqlite3.Connection, task: str) -> Sequence[bytes]:
    rows = connection.execute("SELECT slot, embedding FROM ring WHERE task = ? ORDER BY slot", (task,)).fetchall()
    seen = connection.execute("SELECT seen FROM tasks WHERE task = ?", (task,)).fetchone()
    start = seen[0] % RING_SIZE if seen and len(rows) == RING_SIZE else 0
    return [embedding for _, embedding in rows[start:] + rows[:start]]


def _write(connection: sqlite3.Connection, task: str, made: StateChange) -> None:
    sums = made.task
    connection.execute(
        "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?)",
        (task, sums.sums_version, sums.n, sums.total_seen, sums.sums),
    )
    first = sums.total_seen - len(made.embeddings)
    connection.executemany(
        "INSERT OR REPLACE INTO ring VALUES (?, ?, ?)",
        [(task, (first + place) % RING_SIZE, embedding) for place, embedding in enumerate(made.embeddings)],
    )
    if made.sampling_state is not None:
        connection.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (task, made.sampling_state))
    if made.decision is not None:
        row = (*_row(task, made.decision), json.dumps(made.decision.explanation))
        connection.execute("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    for turn in made.changes:
        connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)", _row(task, turn))
        connection.execute("DELETE FROM turns WHERE task = ? AND version <= ?", (task, turn.version - MAX_CHANGES))


def _row(task: str, made: DecisionRecord) -> tuple[str, int, int, str, str, str, float]:
    return task, made.version, made.n, made.model, made.reason, json.dumps(made.ranking), made.at


def _decision(row: Sequence[Any]) -> DecisionRecord:
    version, n, model, reason, ranking, at, account = row
    try:
        reason = RENAMED_REASONS.get(reason, reason)
        return DecisionRecord(version, n, model, reason, tuple(json.loads(ranking)), at, json.loads(account))
    except (ValueError, TypeError) as error:
        raise StateError(f"a decision in the state cannot be read: {error!r}") from error


def _spent(numbers: Sequence[Any]) -> UsageTotals:
    requests, input_tokens, output_tokens, usd, baseline_usd = numbers
    return UsageTotals(requests, input_tokens, output_tokens, Decimal(usd), Decimal(baseline_usd))


def open_store(url: str) -> SqliteStore:
    """Open the SQLite file at a URL: sqlite:///relative/path or sqlite:////absolute/path. Raises StateError."""
    scheme, _, path = url.partition("://")
    if scheme != "sqlite" or not path.startswith("/") or len(path) < 2:
        raise StateError(f"state.url {url!r}: expected sqlite:///path or redis://host")
    return SqliteStore(path[1:])
