"""State in a SQLite file: the embedded deployment.

A task's embeddings are a ring of slots, of which the oldest is overwritten first.
"""

from collections.abc import Callable, Mapping, Sequence

from gateway.config.secrets import mask_url
from gateway.decision import Decision, ExplainedDecision
from gateway.errors import StateError
from gateway.state import sqlite_rows
from gateway.state.sqlite_directory import SqliteDirectory
from gateway.state.sqlite_file import SqliteFile
from gateway.state.sqlite_history import SqliteHistory
from gateway.state.sqlite_records import SqliteRecords
from gateway.state.state_file import describe_fault, malformed
from gateway.state.store import (
    ALL_TASKS,
    NO_SAMPLING_STATES,
    Eviction,
    StateChange,
    TaskFilter,
    TaskRecord,
)

BUSY_S = 5.0
"""Time to wait for another writer."""

AFTER_EVERY_ID = "\x7f"
"""Greater than every character of a task ID."""


class SqliteStore(SqliteRecords, SqliteHistory, SqliteDirectory):
    """Store in a SQLite file, which threads and processes may share."""

    def __init__(self, path: str, busy_s: float = BUSY_S) -> None:
        """Open or create a file. busy_s: time to wait for another writer. Raises StateError."""
        super().__init__(SqliteFile(path, busy_s))
        self._path = path

    def claim_for_gateway(self) -> None:
        """Claim the file for one gateway until the store is closed. Raises StateError if another one uses it.

        Two of them would overwrite each other's decisions, and each would count budgets of its own. Processes that only
        read and score, and commands, make no claim.
        """
        self._file.claim_for_gateway()

    def check_pages(self) -> None:
        """Read every page of the file, once at startup. Raises StateError for a damaged one."""
        with self._file.reading() as connection:
            # Indexes are not compared with their tables: seconds for gigabytes (https://sqlite.org/pragma.html).
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StateError(f"{self._path} cannot be used as state: {describe_fault(malformed(found))}")

    def update_task(
        self,
        tasks: Sequence[str],
        change: Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]],
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
        used_at: float | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        """Read these tasks, and write what `change` returns for them, in one transaction. removed: tasks to delete."""
        with self._file.transaction() as connection:
            changes = change(sqlite_rows.read_records(connection, tasks))
            sqlite_rows.write_changes(connection, changes)
            connection.executemany("INSERT OR REPLACE INTO paces VALUES (?, ?)", sampling_states.items())
            if used_at is not None and sampling_states:
                touch = "UPDATE tasks SET used = max(used, ?) WHERE task = ?"
                connection.executemany(touch, [(used_at, task) for task in sampling_states])
            for task in removed:
                sqlite_rows.delete_task(connection, task)

    def read_task(self, task: str) -> TaskRecord:
        """Return all that is stored of a task but its embeddings."""
        with self._file.reading() as connection:
            return sqlite_rows.read_records(connection, (task,))[task]

    def read_explanations(self, tasks: Sequence[str]) -> Mapping[str, ExplainedDecision]:
        """Return the decisions of those of these tasks that have one, with explanations; in one transaction."""
        with self._file.reading() as connection:
            found = {task: sqlite_rows.read_explained(connection, task) for task in tasks}
        return {task: explained for task, explained in found.items() if explained is not None}

    def recent_embeddings(self, task: str) -> Sequence[bytes]:
        """Return the task's most recent embeddings, oldest first."""
        with self._file.reading() as connection:
            return sqlite_rows.read_embeddings(connection, task)

    def sampling_states(self, tasks: Sequence[str]) -> Mapping[str, bytes]:
        """Return the sampling states of those of these tasks that have one."""
        with self._file.reading() as connection:
            return sqlite_rows.read_sampling_states(connection, tasks)

    def task_names(self) -> Sequence[str]:
        """Return the names of all tasks, sorted."""
        with self._file.reading() as connection:
            return [name for (name,) in connection.execute("SELECT task FROM tasks ORDER BY task")]

    def outdated_tasks(self, sums_version: str) -> Sequence[str]:
        """Return the tasks whose sums are of another version, or whose decision rests on no input, sorted."""
        query = """
            SELECT task FROM tasks WHERE basis NOT IN (SELECT id FROM bases WHERE basis = ?)
            UNION SELECT task FROM decisions
                WHERE n = 0 AND EXISTS (SELECT 1 FROM tasks WHERE tasks.task = decisions.task) ORDER BY 1
        """
        with self._file.reading() as connection:
            return [name for (name,) in connection.execute(query, (sums_version,))]

    def read_decisions(self, listed: TaskFilter = ALL_TASKS) -> Mapping[str, Decision]:
        """Return decisions by task, sorted by name, of those listed; without explanations."""
        conditions, values = ["task > ?"], [listed.after]
        if listed.prefix:
            conditions.append("task >= ? AND task < ?")
            values += [listed.prefix, listed.prefix + AFTER_EVERY_ID]
        if listed.search:
            # On the index alone, in C: 100,000 names take about 10 ms.
            conditions.append("instr(lower(task), ?)")
            values.append(listed.search.lower())
        where = f"{' AND '.join(conditions)} ORDER BY task LIMIT ?"
        if listed.search:
            where = f"task IN (SELECT task FROM decisions WHERE {where}) ORDER BY task"  # noqa: S608 - fixed words
        query = f"SELECT {sqlite_rows.CURRENT_COLUMNS} FROM decisions WHERE {where}"  # noqa: S608 - fixed words
        with self._file.reading() as connection:
            rows = connection.execute(query, (*values, -1 if listed.limit is None else listed.limit)).fetchall()
        return {row[0]: decision for row, decision in zip(rows, sqlite_rows.to_decisions(rows), strict=True)}

    def decision_changes(self, task: str) -> Sequence[Decision]:
        """Return the most recent decisions that changed a task's model, oldest first; without explanations."""
        with self._file.reading() as connection:
            return sqlite_rows.read_changes(connection, task)

    def forget_task(self, task: str) -> bool:
        """Delete a task but for its policy. Return False if nothing was stored of it."""
        with self._file.transaction() as connection:
            return sqlite_rows.delete_task(connection, task)

    def evict_tasks(self, evicted: Sequence[Eviction]) -> None:
        """Delete tasks but for their policies, and what was spent on them; in one transaction."""
        with self._file.transaction() as connection:
            for one in evicted:
                sqlite_rows.delete_task(connection, one.task)

    def count_tasks(self) -> int:
        """Return the number of tasks."""
        with self._file.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
        return int(count)

    def least_recently_used(self, limit: int, before: float | None = None) -> Sequence[str]:
        """Return the tasks that were used least recently, least recent first. before: used before this time."""
        query = "SELECT task FROM tasks WHERE used < ? ORDER BY used LIMIT ?"
        with self._file.reading() as connection:
            rows = connection.execute(query, (float("inf") if before is None else before, limit))
            return [name for (name,) in rows]

    def recently_used(self, limit: int, before: tuple[float, str] | None = None) -> Sequence[tuple[float, str]]:
        """Return the tasks by their last use, most recent first, with its time. before: behind this one."""
        query = "SELECT used, task FROM tasks WHERE (used, task) < (?, ?) ORDER BY used DESC, task DESC LIMIT ?"
        with self._file.reading() as connection:
            return list(connection.execute(query, (*(before or (float("inf"), "")), limit)))

    def tasks_without_use(self, limit: int) -> Sequence[str]:
        """Return tasks of earlier versions, which did not store when a task was used."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT task FROM tasks WHERE used IS NULL LIMIT ?", (limit,))
            return [name for (name,) in rows]

    def touch_tasks(self, used: Mapping[str, float]) -> None:
        """Store when tasks were used, by task; Unix time in seconds."""
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE tasks SET used = ? WHERE task = ?", [(at, task) for task, at in used.items()]
            )

    def close(self) -> None:
        """Close the store."""
        self._file.close()


def open_store(url: str) -> SqliteStore:
    """Open the SQLite file at a URL: sqlite:///relative/path or sqlite:////absolute/path. Raises StateError."""
    scheme, _, path = url.partition("://")
    if scheme != "sqlite" or not path.startswith("/") or len(path) < 2:
        raise StateError(f"state.url {mask_url(url)}: expected sqlite:///path or redis://host")
    return SqliteStore(path[1:])


def open_own_store(url: str) -> SqliteStore:
    """Open the state of a gateway without Redis. Raises StateError, also if another gateway uses it."""
    store = open_store(url)
    try:
        store.claim_for_gateway()
    except StateError:
        store.close()
        raise
    return store
