"""History in a SQLite state: a row a series for each minute and hour with requests.

Rows are ordered by time, so that new ones are appended, and old ones free whole pages. A name is stored once, in
`history_series`.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.errors import StateError
from gateway.state.sqlite_file import SqliteFile
from gateway.usage.history import (
    HOUR_S,
    MAX_NAMES,
    RETENTION_S,
    Bucket,
    ChangeMark,
    HistoryRows,
    SeriesName,
    add_rows,
    count_changes,
    give_way,
)
from gateway.usage.history_counts import Counts, add_counts, decode_counts, encode_counts
from gateway.usage.ledger import OTHER_NAMES

MAX_PRUNED = 240
"""Minutes, and hours, that one call deletes: a state that was not used for long is pruned in steps."""

COUNTED_S = 4_500
"""Time after a decision in which it is counted once: workers report it within seconds, unless the file is locked."""

_READ_RANGE = """
WITH RECURSIVE numbers (number) AS (SELECT ? UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
SELECT bucket, counts FROM numbers CROSS JOIN history ON step = ? AND bucket = number AND series = ?
"""
_FIND = "SELECT id FROM history_series WHERE kind = ? AND name = ?"


class SqliteHistory:
    """The part of a store that holds history."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def add_history(self, rows: HistoryRows, changes: Sequence[ChangeMark] = ()) -> None:
        """Add to the stored history. changes: counted once, however many workers add them."""
        if not rows and not changes:
            return
        with self._file.transaction() as connection:
            added = count_changes([change for change in changes if _is_new(connection, change)])
            add_rows(added, rows)
            for bucket, series in added.items():
                _add_bucket(connection, bucket, series)

    def read_history(
        self, series: SeriesName, step_s: int, first: int, last: int, merged: Sequence[str] = ()
    ) -> Mapping[int, Counts]:
        """Return the counts of a series by minute or hour, from number `first` to `last`, those without left out.

        merged: other names of its kind, whose counts are added.
        """
        with self._file.reading() as connection:
            ids = [found for name in (series[1], *merged) for found in connection.execute(_FIND, (series[0], name))]
            rows = [row for (id_,) in ids for row in connection.execute(_READ_RANGE, (first, last, step_s, id_))]
        counts: dict[int, Counts] = {}
        for place, (number, data) in enumerate(sorted(rows)):
            give_way(place)
            add_counts(counts.setdefault(number, {}), _decode(data))
        return counts

    def prune_history(self, now: float) -> None:
        """Delete a part of what is older than its retention. now: Unix time in seconds."""
        with self._file.transaction() as connection:
            for step_s, retention_s in RETENTION_S.items():
                kept = int((now - retention_s) // step_s)
                (oldest,) = connection.execute("SELECT min(bucket) FROM history WHERE step = ?", (step_s,)).fetchone()
                if oldest is not None and oldest < kept:
                    until = min(kept, oldest + MAX_PRUNED)
                    connection.execute("DELETE FROM history WHERE step = ? AND bucket < ?", (step_s, until))
            connection.execute("DELETE FROM counted_changes WHERE at < ?", (now - COUNTED_S,))
            hour = int((now - RETENTION_S[HOUR_S]) // HOUR_S)
            connection.execute("DELETE FROM history_series WHERE last_hour < ?", (hour,))


def _is_new(connection: sqlite3.Connection, change: ChangeMark) -> bool:
    """Note a change as counted. Return False if it was before."""
    statement = "INSERT OR IGNORE INTO counted_changes VALUES (?, ?)"
    return connection.execute(statement, (change.identity, change.at)).rowcount == 1


def _add_bucket(connection: sqlite3.Connection, bucket: Bucket, series: Mapping[SeriesName, Counts]) -> None:
    step_s, number = bucket
    query = (
        "SELECT kind, name, id, counts FROM history JOIN history_series ON id = series WHERE step = ? AND bucket = ?"
    )
    stored: dict[SeriesName, tuple[int, bytes]] = {
        (kind, name): (id_, data) for kind, name, id_, data in connection.execute(query, bucket)
    }
    hour, used = number * step_s // HOUR_S, Counter[str](kind for kind, _ in stored)
    for place, (target, counts) in enumerate(_fold_beyond(stored, used, series, MAX_NAMES[step_s]).items()):
        give_way(place)
        id_, data = stored.get(target) or (_series_id(connection, target, hour), b"")
        if data:
            total = _decode(data)
            add_counts(total, counts)
        else:
            total = counts
        connection.execute("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", (*bucket, id_, encode_counts(total)))


def _fold_beyond(
    stored: Mapping[SeriesName, object], used: Counter[str], series: Mapping[SeriesName, Counts], most: int
) -> Mapping[SeriesName, Counts]:
    """Return the counts by the series they are added to: names beyond `most` of a kind are one series."""
    folded: dict[SeriesName, Counts] = {}
    for (kind, name), counts in series.items():
        place: SeriesName = (kind, name)
        if place not in stored and place not in folded and name != OTHER_NAMES:
            if used[kind] >= most + ((kind, OTHER_NAMES) in stored):
                place = (kind, OTHER_NAMES)
            else:
                used[kind] += 1
        add_counts(folded.setdefault(place, {}), counts)
    return folded


def _series_id(connection: sqlite3.Connection, series: SeriesName, hour: int) -> int:
    statement = (
        "INSERT INTO history_series (kind, name, last_hour) VALUES (?, ?, ?)"
        " ON CONFLICT (kind, name) DO UPDATE SET last_hour = max(last_hour, excluded.last_hour) RETURNING id"
    )
    (found,) = connection.execute(statement, (*series, hour)).fetchone()
    return int(found)


def _decode(data: bytes) -> Counts:
    try:
        return decode_counts(data)
    except (ValueError, TypeError) as error:
        raise StateError(f"stored history cannot be read: {error}") from error
