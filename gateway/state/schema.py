"""Tables of a SQLite state, and how a file of an earlier schema is brought up."""

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

MIGRATIONS = (_TASKS, _KEYS, _POLICIES, _PACES, _UNPRICED)
"""Statements that make each schema from the one before; a file of an earlier schema is migrated to the last."""

SCHEMA = len(MIGRATIONS)
