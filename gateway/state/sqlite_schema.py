"""The schema of a SQLite state, and the steps from every earlier one."""

import sqlite3
from collections.abc import Sequence

from gateway.errors import StateError

_TASKS = """
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

_UNPRICED = """
ALTER TABLE spending ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spending ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
"""

_COMPACT = """
CREATE TABLE bases (id INTEGER PRIMARY KEY, basis TEXT NOT NULL UNIQUE);
INSERT INTO bases (basis) SELECT DISTINCT basis FROM tasks;
CREATE TABLE compact_tasks (task TEXT PRIMARY KEY, basis INTEGER NOT NULL, n INTEGER NOT NULL, seen INTEGER NOT NULL,
                            used REAL, packed INTEGER NOT NULL, sums BLOB NOT NULL);
INSERT INTO compact_tasks SELECT task, bases.id, n, seen, NULL, 0, sums FROM tasks JOIN bases USING (basis);
DROP TABLE tasks;
ALTER TABLE compact_tasks RENAME TO tasks;
CREATE INDEX tasks_by_use ON tasks (used);
CREATE TABLE compact_ring (task TEXT NOT NULL, slot INTEGER NOT NULL, embedding BLOB NOT NULL,
                           PRIMARY KEY (task, slot));
INSERT INTO compact_ring SELECT task, slot, embedding FROM ring ORDER BY task, slot;
DROP TABLE ring;
ALTER TABLE compact_ring RENAME TO ring;
CREATE INDEX decisions_without_inputs ON decisions (task) WHERE n = 0
"""
"""Rows of more than a quarter of a page belong in tables with a row ID: without one, SQLite gives each of them a page
of its own (https://sqlite.org/withoutrowid.html). `used` orders tasks for eviction, NULL where it is not known yet."""

_COMPARED = """
ALTER TABLE spending ADD COLUMN compared_usd TEXT NOT NULL DEFAULT '0';
UPDATE spending SET compared_usd = usd
"""
"""Baselines before counted every response, also of requests that had named their model."""

_HISTORY = """
CREATE TABLE history_series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,
                             last_hour INTEGER NOT NULL, UNIQUE (kind, name));
CREATE INDEX history_series_by_hour ON history_series (last_hour);
CREATE TABLE history (step INTEGER NOT NULL, bucket INTEGER NOT NULL, series INTEGER NOT NULL, counts BLOB NOT NULL,
                      PRIMARY KEY (step, bucket, series)) WITHOUT ROWID
"""
"""`step`: 60 or 3600 seconds; `bucket`: minutes or hours since 1970; `counts`: gateway.usage.history_counts."""

_ROTATION = """
ALTER TABLE keys ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN secrets TEXT NOT NULL DEFAULT '[]';
CREATE TABLE secret_uses (sha256 TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
"""

_DIRECTORY = """
CREATE TABLE templates (task TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE task_entries (task TEXT PRIMARY KEY, name TEXT, merged_into TEXT, at REAL NOT NULL, changed_by TEXT)
"""

_FIGURES = """
ALTER TABLE decisions ADD COLUMN confidence REAL;
ALTER TABLE decisions ADD COLUMN measured_gain REAL
"""

_WORKERS = """
CREATE TABLE changes (kind TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counted_changes (identity TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
ALTER TABLE templates ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE templates ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
CREATE INDEX templates_by_revision ON templates (revision);
CREATE INDEX spending_by_day ON spending (day)
"""
"""`changes`: numbers that rise with every change of keys, policies, entries and templates: workers poll them.
`counted_changes`: decisions that history counts already, since every worker reports them."""

MIGRATIONS = (
    _TASKS,
    _KEYS,
    _POLICIES,
    _PACES,
    _UNPRICED,
    _COMPACT,
    _COMPARED,
    _HISTORY,
    _ROTATION,
    _DIRECTORY,
    _FIGURES,
    _WORKERS,
)
"""Statements that make each schema from the one before; a file of an earlier schema is migrated to the last."""

SCHEMA = len(MIGRATIONS)


def prepare_schema(connection: sqlite3.Connection, path: str, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Create missing tables. Raises StateError for a later schema, and for another program's database."""
    schema = len(migrations)
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (0 < found <= schema or (found == 0 and tables == 0)):
            raise StateError(f"{path} has schema {found}, this version reads schema {schema}")
        for step in migrations[found:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema}")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def count_change(connection: sqlite3.Connection, kind: str) -> int:
    """Raise the number of a kind of changes, within the transaction that makes one. Return it."""
    statement = (
        "INSERT INTO changes VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET number = number + 1 RETURNING number"
    )
    (number,) = connection.execute(statement, (kind,)).fetchone()
    return int(number)
