"""A page costs what it shows, however many tasks there are: counted in steps of SQLite's machine, not in time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decision import Explanation
from gateway.errors import StateError
from gateway.state.compression import compress_explanation, compress_sums, restore_explanation, restore_sums
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Eviction, TaskFilter
from tests.gateway.api.many_tasks import store_tasks

FEW, MANY = 300, 9000
READS: dict[str, Callable[[SqliteStore], object]] = {
    "first page": lambda store: store.read_decisions(TaskFilter(limit=101)),
    "later page": lambda store: store.read_decisions(TaskFilter("task-00150", limit=101)),
    "prefix": lambda store: store.read_decisions(TaskFilter(prefix="task-0001", limit=101)),
    "explanations": lambda store: store.read_explanations([f"task-{number:05}" for number in range(100)]),
    "one task": lambda store: store.read_task("task-00042"),
    "changes": lambda store: store.decision_changes("task-00042"),
    "oldest": lambda store: store.least_recently_used(50),
    "idle": lambda store: store.least_recently_used(50, before=20.0),
    "undated": lambda store: store.tasks_without_use(50),
}


def filled(path: Path, count: int) -> SqliteStore:
    store = SqliteStore(str(path))
    store_tasks(store, [f"task-{number:05}" for number in range(count)])
    return store


def steps_of(store: SqliteStore, read: Callable[[SqliteStore], object]) -> int:
    """How many instructions of SQLite's machine a read takes, in tens."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    reader = store._file._reader
    reader.set_progress_handler(count, 10)
    read(store)
    reader.set_progress_handler(None, 0)
    return counted[0]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[SqliteStore, SqliteStore]:
    folder = Path(tmp_path_factory.mktemp("many"))
    return filled(folder / "few.db", FEW), filled(folder / "many.db", MANY)


@pytest.mark.parametrize("name", READS)
def test_a_read_takes_as_many_steps_with_many_tasks_as_with_few(
    stores: tuple[SqliteStore, SqliteStore], name: str
) -> None:
    few, many = (steps_of(store, READS[name]) for store in stores)
    assert many <= 1.05 * few + 5


def test_a_read_of_all_tasks_is_told_apart(stores: tuple[SqliteStore, SqliteStore]) -> None:
    few, many = (steps_of(store, lambda store: store.read_decisions()) for store in stores)
    assert many > 20 * few


def test_a_search_finds_what_contains_a_text_in_lower_or_upper_case(stores: tuple[SqliteStore, SqliteStore]) -> None:
    store, _ = stores
    first = store.read_decisions(TaskFilter(search="K-0012", limit=3))
    assert list(first) == ["task-00120", "task-00121", "task-00122"]
    assert list(store.read_decisions(TaskFilter("task-00121", search="k-0012"))) == [
        f"task-0012{digit}" for digit in range(2, 10)
    ]
    assert not store.read_decisions(TaskFilter(search="%"))


def test_the_least_recently_used_tasks_come_first_and_a_use_moves_one_to_the_end(tmp_path: Path) -> None:
    store = filled(tmp_path / "state.db", 5)
    assert list(store.least_recently_used(2)) == ["task-00000", "task-00001"]
    store.touch_tasks({"task-00000": 100.0})
    store.update_task([], lambda _: {}, {"task-00001": b"pace"}, used_at=99.0)
    assert list(store.least_recently_used(9)) == [f"task-0000{place}" for place in (2, 3, 4, 1, 0)]
    assert list(store.least_recently_used(9, before=5.0)) == ["task-00002", "task-00003"]
    store.update_task([], lambda _: {}, {"task-00000": b"pace"}, used_at=50.0)  # earlier than what is stored
    assert list(store.least_recently_used(9))[-1] == "task-00000"
    store.close()


def test_an_evicted_task_leaves_nothing_behind(tmp_path: Path) -> None:
    store = filled(tmp_path / "state.db", 3)
    store.evict_tasks([Eviction("task-00001", "max_tasks", 1.0)])
    assert (store.count_tasks(), store.task_names()) == (2, ["task-00000", "task-00002"])
    assert (store.read_task("task-00001").task, store.recent_embeddings("task-00001")) == (None, [])
    assert list(store.decision_changes("task-00001")) == []
    store.close()


@given(sums=st.binary(max_size=4000), embedding=st.binary(max_size=300))
def test_compressed_sums_are_restored_to_the_last_byte(sums: bytes, embedding: bytes) -> None:
    assert restore_sums(compress_sums(sums, embedding), embedding) == sums


@given(text=st.text())
def test_compressed_explanations_are_restored(text: str) -> None:
    assert restore_explanation(compress_explanation(text)) == text


def test_explanations_of_earlier_schemas_are_read_as_they_are() -> None:
    assert restore_explanation('{"u": 1}') == '{"u": 1}'
    # Of the schema whose dictionary had nothing of `auto`.
    stored = bytes.fromhex("78bb48324a4883f9cb1497c7720dd16c4333af160042e11088")
    assert restore_explanation(stored) == '{"u": 0.5, "scores": [{"model": "m1", "s1": 1.0, "n": 1}], "n": 1}'


def test_damaged_bytes_are_an_error_of_the_state() -> None:
    with pytest.raises(StateError, match="compressed state cannot be read"):
        restore_explanation(b"\x00\x01")
    with pytest.raises(StateError, match="compressed state cannot be read"):
        restore_sums(compress_sums(b"sums" * 99, b"\x00\x3c\x00\x40"), b"")


def test_scores_have_twelve_digits_and_their_derivation_six() -> None:
    document = {"u": 1 / 3, "scores": [{"p": 2 / 3}], "auto": {"views": [{"strength": 2 / 3}]}, "n": 1}
    assert Explanation.from_dict(document).json == (
        '{"u": 0.333333333333, "scores": [{"p": 0.666666666667}], "auto": {"views": [{"strength": 0.666667}]}, "n": 1}'
    )
