"""Usage, keys and policies in a SQLite state."""

import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.errors import StateError
from gateway.state.sqlite_file import SqliteFile
from gateway.state.sqlite_schema import count_change
from gateway.state.store import MAX_POLICY_VERSIONS, StoredKey, StoredPolicy, StoredSecret
from gateway.usage.ledger import OTHER_NAMES, UsageRows, UsageTotals


class SqliteRecords:
    """The part of a store that the gateway writes: what was spent, and what admins have set."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def add_usage(self, rows: UsageRows) -> None:
        """Add to the stored usage."""
        with self._file.transaction() as connection:
            _add_rows(connection, rows)

    def fold_usage(self, tasks: Sequence[str]) -> None:
        """Move the usage of tasks into that of all others, day by day; in one transaction."""
        with self._file.transaction() as connection:
            for task in tasks:
                place = ("task", task)
                found = connection.execute("SELECT * FROM spending WHERE kind = ? AND name = ?", place).fetchall()
                _add_rows(
                    connection, {(kind, OTHER_NAMES, day): _to_totals(numbers) for kind, _, day, *numbers in found}
                )
                connection.execute("DELETE FROM spending WHERE kind = ? AND name = ?", place)

    def read_usage(self) -> UsageRows:
        """Return all stored usage."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT * FROM spending").fetchall()
        return {(kind, name, day): _to_totals(numbers) for kind, name, day, *numbers in rows}

    def usage_since(self, day: str) -> UsageRows:
        """Return the usage of all keys and tasks from a day on."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT * FROM spending WHERE day >= ?", (day,)).fetchall()
        return {(kind, name, day): _to_totals(numbers) for kind, name, day, *numbers in rows}

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        with self._file.reading() as connection:
            rows = [
                row
                for place in who
                for row in connection.execute("SELECT * FROM spending WHERE kind = ? AND name = ?", place)
            ]
        return {(kind, name, day): _to_totals(numbers) for kind, name, day, *numbers in rows}

    def created_keys(self) -> Sequence[StoredKey]:
        """Return the created keys, oldest first."""
        query = "SELECT name, sha256, created_at, terms, version, secrets FROM keys ORDER BY created_at, name"
        with self._file.reading() as connection:
            rows = connection.execute(query).fetchall()
        return [
            StoredKey(name, sha256, created_at, settings, version, _to_secrets(secrets))
            for name, sha256, created_at, settings, version, secrets in rows
        ]

    def add_key(self, key: StoredKey) -> bool:
        """Store a key. Return False if there is one of that name already."""
        row = (key.name, key.sha256, key.created_at, key.settings_json, key.version, _from_secrets(key))
        with self._file.transaction() as connection:
            statement = (
                "INSERT INTO keys (name, sha256, created_at, terms, version, secrets)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
            )
            return _announce(connection, "keys", connection.execute(statement, row).rowcount == 1)

    def replace_key(self, key: StoredKey) -> bool:
        """Store a key's next version. Return False, and store nothing, unless it follows the stored one."""
        row = (key.sha256, key.settings_json, key.version, _from_secrets(key), key.name, key.version - 1)
        statement = "UPDATE keys SET sha256 = ?, terms = ?, version = ?, secrets = ? WHERE name = ? AND version = ?"
        with self._file.transaction() as connection:
            return _announce(connection, "keys", connection.execute(statement, row).rowcount == 1)

    def remove_key(self, name: str) -> bool:
        """Delete a key. Return False if there is none of that name."""
        with self._file.transaction() as connection:
            is_removed = connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount == 1
            return _announce(connection, "keys", is_removed)

    def record_secret_uses(self, used: Mapping[str, float]) -> None:
        """Store when secrets were last used, unless a later time is stored."""
        statement = "INSERT INTO secret_uses VALUES (?, ?) ON CONFLICT (sha256) DO UPDATE SET at = max(at, excluded.at)"
        with self._file.transaction() as connection:
            connection.executemany(statement, used.items())

    def secret_uses(self, secrets: Sequence[str]) -> Mapping[str, float]:
        """Return when these secrets were last used, of those that ever were."""
        query = "SELECT sha256, at FROM secret_uses WHERE sha256 = ?"
        with self._file.reading() as connection:
            return dict(row for one in secrets for row in connection.execute(query, (one,)))

    def current_policies(self) -> Sequence[StoredPolicy]:
        """Return the latest policy of every task that ever had one, by task."""
        latest = "SELECT task, max(version), at, by, terms FROM policies GROUP BY task ORDER BY task"
        with self._file.reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(latest)]

    def policy_history(self, task: str) -> Sequence[StoredPolicy]:
        """Return the last MAX_POLICY_VERSIONS policies of a task, oldest first."""
        query = "SELECT task, version, at, by, terms FROM policies WHERE task = ? ORDER BY version"
        with self._file.reading() as connection:
            return [StoredPolicy(*row) for row in connection.execute(query, (task,))]

    def put_policy(self, policy: StoredPolicy) -> bool:
        """Store a task's next policy. Return False, and store nothing, unless its version follows the latest."""
        row = (policy.task, policy.version, policy.at, policy.changed_by, policy.settings_json)
        with self._file.transaction() as connection:
            latest = "SELECT coalesce(max(version), 0) FROM policies WHERE task = ?"
            (before,) = connection.execute(latest, (policy.task,)).fetchone()
            # Optimistic locking: of two admins who changed the same version, the second one is told.
            if policy.version != before + 1:
                return False
            connection.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)
            old = (policy.task, policy.version - MAX_POLICY_VERSIONS)
            connection.execute("DELETE FROM policies WHERE task = ? AND version <= ?", old)
            return _announce(connection, "policies", True)

    def change_numbers(self) -> Mapping[str, int]:
        """Return numbers that rise with every change of keys, policies and tasks' entries, which others poll."""
        with self._file.reading() as connection:
            return dict(connection.execute("SELECT kind, number FROM changes WHERE kind != 'templates'").fetchall())


def _announce(connection: sqlite3.Connection, kind: str, has_changed: bool) -> bool:
    if has_changed:
        count_change(connection, kind)
    return has_changed


def _add_rows(connection: sqlite3.Connection, rows: UsageRows) -> None:
    for place, new in rows.items():
        found = connection.execute(
            "SELECT requests, input_tokens, output_tokens, usd, baseline_usd, unpriced, estimated, compared_usd"
            " FROM spending WHERE kind = ? AND name = ? AND day = ?",
            place,
        ).fetchone()
        total = _to_totals(found) + new if found else new
        # Decimals as text: SQLite has no decimal type, and as REAL a million small costs would drift.
        numbers = (total.requests, total.input_tokens, total.output_tokens, str(total.usd))
        counts = total.unpriced, total.estimated
        row = (*place, *numbers, str(total.baseline_usd), *counts, str(total.compared_usd))
        connection.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _from_secrets(key: StoredKey) -> str:
    return msgspec.json.encode(key.secrets).decode()


def _to_secrets(text: str) -> tuple[StoredSecret, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[StoredSecret, ...])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise StateError(f"the stored secrets of a key cannot be read: {error}") from error


def _to_totals(numbers: Sequence[Any]) -> UsageTotals:
    requests, input_tokens, output_tokens, usd, baseline_usd, unpriced, estimated, compared_usd = numbers
    try:
        money = Decimal(usd), Decimal(baseline_usd)
        compared = Decimal(compared_usd)
        tokens = int(input_tokens), int(output_tokens)
        counted = int(requests), int(unpriced), int(estimated)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise StateError(f"stored usage cannot be read: {error!r}") from error
    return UsageTotals(counted[0], *tokens, *money, *counted[1:], compared)
