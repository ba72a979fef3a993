"""Templates of system prompts, and names and targets of tasks, in a SQLite state."""

from collections.abc import Sequence

import msgspec

from gateway.errors import StateError
from gateway.state.sqlite_file import SqliteFile
from gateway.task_records import StoredTemplate, TaskEntry, TemplatePlace

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredTemplate).decode


class SqliteDirectory:
    """The part of a store that says which requests belong to which task."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def read_templates(self, after: TemplatePlace) -> tuple[Sequence[StoredTemplate], TemplatePlace]:
        """Return all templates. after: not used, since nobody else stores any."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT data FROM templates").fetchall()
        try:
            return [_decode(data) for (data,) in rows], after
        except (msgspec.MsgspecError, TypeError) as error:
            raise StateError(f"a stored template cannot be read: {error}") from error

    def put_templates(self, changed: Sequence[StoredTemplate], removed: Sequence[str]) -> None:
        """Store templates, and delete others by their tasks; in one transaction."""
        with self._file.transaction() as connection:
            rows = [(one.task, _encode(one)) for one in changed]
            connection.executemany("INSERT OR REPLACE INTO templates VALUES (?, ?)", rows)
            connection.executemany("DELETE FROM templates WHERE task = ?", [(task,) for task in removed])

    def task_entries(self) -> Sequence[TaskEntry]:
        """Return the entries of all tasks that have one, by task."""
        query = "SELECT task, name, merged_into, at, changed_by FROM task_entries ORDER BY task"
        with self._file.reading() as connection:
            return [TaskEntry(*row) for row in connection.execute(query)]

    def put_entries(self, entries: Sequence[TaskEntry]) -> None:
        """Store tasks' entries, in one transaction; one without name and target is deleted."""
        with self._file.transaction() as connection:
            for one in entries:
                connection.execute("DELETE FROM task_entries WHERE task = ?", (one.task,))
                if one.name is not None or one.merged_into is not None:
                    row = (one.task, one.name, one.merged_into, one.at, one.changed_by)
                    connection.execute("INSERT INTO task_entries VALUES (?, ?, ?, ?, ?)", row)
