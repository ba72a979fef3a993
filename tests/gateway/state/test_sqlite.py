import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decision import Decision, Explanation
from gateway.errors import StateError
from gateway.state import compression
from gateway.state.sqlite import SqliteStore, open_store
from gateway.state.sqlite_rows import MAX_CHANGES
from gateway.state.sqlite_schema import MIGRATIONS, SCHEMA
from gateway.state.store import (
    MAX_POLICY_VERSIONS,
    RING_SIZE,
    StateChange,
    StoredKey,
    StoredPolicy,
    TaskFilter,
    TaskRecord,
    TaskSums,
)
from gateway.task_records import TaskEntry, TemplatePlace
from gateway.usage.history_counts import Slot
from gateway.usage.ledger import UsageTotals

UNCOMPACTED = 5
"""The last schema whose tables have the columns of the first."""

EXPLANATION = Explanation.from_dict({"u": 0.5, "scores": [{"model": "m"}]})


def decision(version: int = 1, n: int = 1, model: str = "m", task: str = "t") -> Decision:
    return Decision(task, version, n, model, "score", (model, "other"), 1.5)


def put(store: SqliteStore, task: str, seen: int, embeddings: list[bytes], *turns: Decision) -> None:
    changes = [msgspec.structs.replace(turn, task=task) for turn in turns]
    latest, explanation = (changes[-1], EXPLANATION) if changes else (None, None)
    made = StateChange(TaskSums("basis", seen, seen, b"sums"), embeddings, latest, changes, explanation=explanation)
    store.update_task([task], lambda _: {task: made})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(str(path))
    yield opened
    opened.close()


def test_what_is_written_is_read_again_after_a_restart(store: SqliteStore, path: Path) -> None:
    put(store, "t/1", 2, [b"a", b"b"], decision())
    store.close()
    again = open_store(f"sqlite:///{path}")
    assert again.read_task("t/1") == TaskRecord(
        TaskSums("basis", 2, 2, b"sums"), decision(task="t/1"), b"", EXPLANATION
    )
    assert again.recent_embeddings("t/1") == [b"a", b"b"]
    assert again.task_names() == ["t/1"]
    assert [(turn.version, turn.model) for turn in again.decision_changes("t/1")] == [(1, "m")]
    assert again.read_task("unknown") == TaskRecord(None, None)
    again.close()


def test_decisions_come_by_name_page_by_page(store: SqliteStore) -> None:
    for task in ("b", "a", "c"):
        put(store, task, 1, [b"x"], decision())
    put(store, "undecided", 1, [b"x"])
    assert list(store.read_decisions()) == ["a", "b", "c"]
    assert list(store.read_decisions(TaskFilter("a", limit=1))) == ["b"]
    assert store.read_decisions()["a"] == decision(task="a")
    assert store.task_names() == ["a", "b", "c", "undecided"]


def test_an_update_that_fails_changes_nothing(store: SqliteStore) -> None:
    put(store, "t", 1, [b"a"], decision())

    def change(stored: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        assert stored["t"].decision == decision()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.update_task(["t"], change)
    put(store, "t", 2, [b"b"], decision(n=2))
    assert store.recent_embeddings("t") == [b"a", b"b"]


def test_a_change_may_read_the_ring(store: SqliteStore) -> None:
    put(store, "t", 1, [b"a"])
    seen: list[bytes] = []

    def change(_: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        seen.extend(store.recent_embeddings("t"))
        return {}

    store.update_task(["t"], change)
    assert seen == [b"a"]


@settings(max_examples=25, deadline=None)
@given(batches=st.lists(st.integers(0, 200), max_size=8))
def test_the_ring_keeps_the_most_recent_oldest_first(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int]
) -> None:
    store = SqliteStore(str(tmp_path_factory.mktemp("ring") / "state.db"))
    kept: list[bytes] = []
    seen = 0
    for size in batches:
        new = [str(seen + place).encode() for place in range(size)]
        seen += size
        put(store, "t", seen, new)
        kept = (kept + new)[-RING_SIZE:]
    assert list(store.recent_embeddings("t")) == kept
    store.close()


def test_the_history_is_bounded(store: SqliteStore) -> None:
    for version in range(1, MAX_CHANGES + 21):
        put(store, "t", version, [], decision(version))
    versions = [turn.version for turn in store.decision_changes("t")]
    assert versions == list(range(21, MAX_CHANGES + 21))


def test_a_forgotten_task_leaves_nothing(store: SqliteStore) -> None:
    put(store, "t", 1, [b"a"], decision())
    put(store, "other", 1, [b"a"], decision())
    assert store.forget_task("t")
    assert not store.forget_task("t")
    assert (store.read_task("t"), store.recent_embeddings("t"), store.decision_changes("t")) == (
        TaskRecord(None, None),
        [],
        [],
    )
    assert store.task_names() == ["other"]


def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, whatever its name may say " * 50)
    with pytest.raises(StateError, match=r"text\.db"):
        SqliteStore(str(text))
    assert text.read_text().startswith("this is no database")
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StateError, match=rf"foreign\.db has schema 0, this version reads schema {SCHEMA}"):
        SqliteStore(str(foreign))


def test_keys_are_kept_by_name(store: SqliteStore, path: Path) -> None:
    first, second = StoredKey("b", "1" * 64, 1.5, "{}"), StoredKey("a", "2" * 64, 2.5, '{"name":"a"}')
    assert [store.add_key(key) for key in (first, second, first)] == [True, True, False]
    store.close()
    again = SqliteStore(str(path))
    assert again.created_keys() == [first, second]
    assert (again.remove_key("b"), again.remove_key("b")) == (True, False)
    assert again.created_keys() == [second]
    again.close()


def write_earlier_file(path: Path, schema: int) -> None:
    """A file as the version that had this schema wrote it."""
    with sqlite3.connect(path) as connection:
        for step in MIGRATIONS[: min(schema, UNCOMPACTED)]:
            connection.executescript(step)
        connection.execute("INSERT INTO tasks VALUES ('t', 'basis', 1, 1, CAST('sums' AS BLOB))")
        connection.execute("INSERT INTO ring VALUES ('t', 0, CAST('a' AS BLOB))")
        row = "'t', 1, 1, 'm', 'score', '[\"m\", \"other\"]', 1.5"
        connection.execute(f"INSERT INTO decisions VALUES ({row}, ?)", (EXPLANATION.json,))  # noqa: S608
        connection.execute(f"INSERT INTO turns VALUES ({row})")  # noqa: S608
        spent = "INSERT INTO spending (kind, name, day, requests, input_tokens, output_tokens, usd, baseline_usd)"
        connection.execute(f"{spent} VALUES ('key', 'k', '2026-11-01', 2, 3, 4, '0.5', '0.75')")
        for step in MIGRATIONS[UNCOMPACTED:schema]:
            connection.executescript(step)
        connection.execute(f"PRAGMA user_version = {schema}")
    connection.close()


@pytest.mark.parametrize("schema", range(1, SCHEMA))
def test_a_file_of_an_earlier_schema_is_brought_up_with_what_it_holds(path: Path, schema: int) -> None:
    write_earlier_file(path, schema)
    again = SqliteStore(str(path))
    assert again.task_names() == ["t"]
    assert (again.recent_embeddings("t"), list(again.decision_changes("t"))) == ([b"a"], [decision()])
    spent = UsageTotals(2, 3, 4, Decimal("0.5"), Decimal("0.75"), compared_usd=Decimal("0.5"))
    assert again.read_usage() == {("key", "k", "2026-11-01"): spent}
    assert again.read_task("t") == TaskRecord(TaskSums("basis", 1, 1, b"sums"), decision(), b"", EXPLANATION)
    assert (again.tasks_without_use(9), again.least_recently_used(9)) == (["t"], [])
    put(again, "t", 2, [b"b"], decision(n=2))
    assert again.recent_embeddings("t") == [b"a", b"b"]
    again.update_task([], lambda _: {}, {"t": b"pace"})
    assert again.sampling_states(["t"]) == {"t": b"pace"}
    assert again.add_key(StoredKey("k", "1" * 64, 1.0, "{}"))
    again.put_entries([TaskEntry("t", "Bills")])
    assert again.task_entries() == [TaskEntry("t", "Bills")]
    assert again.read_templates(TemplatePlace())[0] == []
    again.add_history({(60, 7): {("task", "t"): {Slot.REQUESTS: 2}}})
    assert again.read_history(("task", "t"), 60, 0, 9) == {7: {Slot.REQUESTS: 2}}
    again.close()


def test_a_file_that_cannot_be_brought_up_stays_as_it_was(store: SqliteStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")  # and yet it has the table that is to be made
    connection.close()
    with pytest.raises(StateError, match="keys already exists"):
        SqliteStore(str(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_another_schema_is_refused_with_both_sides(store: SqliteStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(StateError, match=f"has schema {SCHEMA + 1}, this version reads schema {SCHEMA}"):
        SqliteStore(str(path))


@pytest.mark.parametrize("url", ["sqlite:///nowhere/at/all/state.db", "postgres://x", "sqlite:///", "state.db"])
def test_a_place_that_cannot_hold_state_is_named(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url)
    assert url.removeprefix("sqlite:///") in str(caught.value)


def test_a_store_that_another_program_holds_is_an_error_and_no_hang(path: Path) -> None:
    store = SqliteStore(str(path), busy_s=0.1)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="cannot be written"):
        put(store, "t", 1, [])
    assert store.read_task("t") == TaskRecord(None, None)
    blocker.execute("ROLLBACK")
    blocker.close()
    put(store, "t", 1, [])
    store.close()


def policy(task: str, version: int, terms: str | None = '{"pin":"m"}') -> StoredPolicy:
    return StoredPolicy(task, version, 1.5, "ops", terms)


def test_a_tasks_policies_follow_one_another_and_outlive_the_task(store: SqliteStore) -> None:
    put(store, "b", 1, [b"x"], decision())
    assert [store.put_policy(policy(task, 1)) for task in ("b", "a")] == [True, True]
    taken_back = StoredPolicy("b", 2, 2.5, None, None)
    assert store.put_policy(taken_back)
    assert store.forget_task("b")
    assert store.current_policies() == [policy("a", 1), taken_back]
    assert store.policy_history("b") == [policy("b", 1), taken_back]
    assert store.policy_history("c") == []


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_policy_that_does_not_follow_on_the_latest_is_not_kept(store: SqliteStore, version: int) -> None:
    """Two admins who change a task at once: the second has not seen what the first did."""
    store.put_policy(policy("t", 1))
    assert not store.put_policy(policy("t", version, None))
    assert store.current_policies() == [policy("t", 1)]


def test_old_policies_make_room(store: SqliteStore) -> None:
    for version in range(1, MAX_POLICY_VERSIONS + 4):
        store.put_policy(policy("t", version))
    assert [kept.version for kept in store.policy_history("t")] == list(range(4, MAX_POLICY_VERSIONS + 4))


WRITER = """
import sys
from gateway.decision import Decision
from gateway.state.store import StateChange, TaskSums
from gateway.state.sqlite import SqliteStore
store, n = SqliteStore(sys.argv[1]), 0
while True:
    n += 1
    made = Decision("t", 1, n, "m", "score", ("m",), 0.0)
    change = StateChange(TaskSums("b", n, n, b"s" * 1000), [str(n).encode()], made, ())
    store.update_task(["t"], lambda _: {"t": change})
    print(n, flush=True)
"""


def test_what_was_written_survives_kill_nine_while_others_read(store: SqliteStore, path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = 0
        for line in writer.stdout:
            told = int(line)
            stored = store.read_task("t")
            assert stored.task is not None
            assert stored.decision is not None
            assert stored.task.n == stored.decision.n >= told
            if told >= 60:
                os.kill(writer.pid, signal.SIGKILL)
                break
        told = max([told, *(int(line) for line in writer.stdout if line.strip())])
    again = SqliteStore(str(path))
    stored = again.read_task("t")
    assert stored.task is not None
    assert stored.task.n >= told
    assert again.recent_embeddings("t")[-1] == str(stored.task.n).encode()
    again.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(str(tmp_path / "new.db"))
        store.add_key(StoredKey("k", "1" * 64, 1.0, "{}"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}, modes


def test_a_second_gateway_on_one_file_is_refused_until_the_first_has_ended(path: Path) -> None:
    first, second = SqliteStore(str(path)), SqliteStore(str(path))
    first.claim_for_gateway()
    with pytest.raises(StateError, match=r"in use by another gateway\. Stop it, set another state\.url"):
        second.claim_for_gateway()
    # Whoever makes no claim, such as the scorer, reads and writes.
    assert second.add_key(StoredKey("k", "1" * 64, 1.0, "{}"))
    first.close()
    second.claim_for_gateway()
    second.close()


def test_tasks_are_read_together_as_each_alone(store: SqliteStore) -> None:
    """With few inputs and many, with a decision, a sampling state or nothing at all, whatever the name."""
    names = ["few", "many", 'a\'b "c"', "é/ü", "12", "no decision"]
    for place, name in enumerate(names):
        put(store, name, 1 + 19 * (place == 1), [b"\x00\x3c\x00\x40"], *([] if place == 5 else [decision()]))
    store.update_task([], lambda _: {}, {"few": b"pace", "only a pace": b"other"})
    asked = ["unknown", *names, "only a pace"]
    together: dict[str, TaskRecord] = {}

    def look(records: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        together.update(records)
        return {}

    store.update_task(asked, look)
    assert list(together) == asked
    assert together == {name: store.read_task(name) for name in asked}
    assert together["unknown"] == TaskRecord(None, None)
    assert together["only a pace"].sampling_state == b"other"
    assert together["12"].decision == decision(task="12")
    assert store.sampling_states(asked) == {"few": b"pace", "only a pace": b"other"}


def test_an_explanation_is_equal_by_its_text_however_it_is_held(store: SqliteStore) -> None:
    put(store, "t", 1, [b"a"], decision())
    stored = store.read_task("t").explanation
    assert stored == EXPLANATION
    assert hash(stored) == hash(EXPLANATION)
    assert stored != Explanation("{}")
    assert not stored.is_dated
    dated = compression.stored_explanation(compression.compress_explanation('{"n": 3}'))
    assert dated.is_dated
    assert dated.to_dict() == {"n": 3}
