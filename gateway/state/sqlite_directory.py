"""Templates of system prompts, and names and targets of tasks, in a SQLite state."""

from collections.abc import Sequence

import msgspec

from gateway.errors import StateError
from gateway.state.sqlite_file import SqliteFile
from gateway.state.sqlite_schema import count_change
from gateway.task_records import StoredTemplate, TaskEntry, TemplatePlace

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredTemplate).decode


class SqliteDirectory:
    """The part of a store that says which requests belong to which task."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def read_templates(self, after: TemplatePlace) -> tuple[Sequence[StoredTemplate], TemplatePlace]:
        """Return the templates that were stored after a place, and the present one."""
        query = "SELECT data, born FROM templates WHERE revision > ? OR ? = 0"
        with self._file.reading() as connection:
            found = connection.execute("SELECT number FROM changes WHERE kind = 'templates'").fetchone()
            place = TemplatePlace(found[0]) if found else TemplatePlace()
            rows = connection.execute(query, (after.revision, after.revision)).fetchall() if place != after else []
            if not found:  # of an earlier schema
                rows = connection.execute("SELECT data, born FROM templates").fetchall()
        try:
            return [msgspec.structs.replace(_decode(data), born=born) for data, born in rows], place
        except (msgspec.MsgspecError, TypeError) as error:
            raise StateError(f"a stored template cannot be read: {error}") from error

    def put_templates(self, changed: Sequence[StoredTemplate], removed: Sequence[str]) -> None:
        """Store templates, and delete others by their tasks; in one transaction. The first revision of each stays."""
        statement = (
            "INSERT INTO templates (task, data, revision, born) VALUES (?, ?, ?, ?) ON CONFLICT (task)"
            " DO UPDATE SET data = excluded.data, revision = excluded.revision"
        )
        with self._file.transaction() as connection:
            for one in changed:
                revision = count_change(connection, "templates")
                connection.execute(statement, (one.task, _encode(one), revision, one.born or revision))
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
            count_change(connection, "tasks")
