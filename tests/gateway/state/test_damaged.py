"""State files that are damaged, truncated, full or read-only: an error of one line, and never another exception."""

import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.decision import Decision
from gateway.errors import StateError
from gateway.state.compression import compress_explanation, compress_sums, restore_explanation, restore_sums
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Eviction, StateChange, StoredKey, StoredPolicy, TaskSums
from gateway.usage.ledger import UsageTotals
from tests.gateway.cli.conftest import run_command
from tests.gateway.serving import configuration
from tests.routing.hostile.fuzz import mutate

DAY = "2026-11-28"


def fill(store: SqliteStore, tasks: int = 30) -> None:
    for number in range(tasks):
        name = f"task-{number}"
        decision = Decision(name, 1, 5, "m", "score", ("m", "n"), 1.0)
        change = StateChange(TaskSums("b", 5, 5, b"x" * 500), [b"e" * 64] * 5, decision, [decision], b"s", used_at=1.0)
        store.update_task([name], lambda _, name=name, change=change: {name: change})  # type: ignore[misc]
        store.add_usage({("task", name, DAY): UsageTotals(1, 2, 3, Decimal("0.1"))})
        store.add_key(StoredKey(name, f"{number:064x}", 1.0, f'{{"name": "{name}"}}'))
        store.put_policy(StoredPolicy(name, 1, 1.0, None, "{}"))


def use(path: Path) -> None:
    """Read and write everything."""
    store = SqliteStore(str(path), busy_s=0.2)
    try:
        for name in store.task_names():
            store.read_task(name)
            store.recent_embeddings(name)
            store.decision_changes(name)
            store.policy_history(name)
        store.read_explanations(["task-1"])
        store.read_decisions()
        store.read_usage()
        store.usage_of([("task", "task-2")])
        store.created_keys()
        store.current_policies()
        store.outdated_tasks("b")
        store.tasks_without_use(10)
        store.least_recently_used(10)
        store.count_tasks()
        fill(store, 3)
        store.touch_tasks({"task-5": 7.0})
        store.forget_task("task-4")
        store.evict_tasks([Eviction("task-6", "max_tasks", 2.0)])
        store.fold_usage(["task-6"])
    finally:
        store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = Path(tmp_path_factory.mktemp("whole")) / "state.db"
    store = SqliteStore(str(path))
    fill(store)
    store.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_altered_files_are_used_or_refused(whole: bytes, path: Path) -> None:
    draw, refused = random.Random(7), 0  # noqa: S311 - mutations
    for _ in range(150):
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(mutate(whole, draw))
        message = ""
        try:
            use(path)
        except StateError as error:
            message, refused = str(error), refused + 1
        assert "\n" not in message
    assert refused > 20


@pytest.mark.parametrize("page", range(1, 8))
def test_a_page_that_is_overwritten(whole: bytes, path: Path, page: int) -> None:
    content = bytearray(whole)
    content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"state\.db cannot be .*(damaged|malformed)"):
        use(path)


@pytest.mark.parametrize("size", [0, 1, 50, 100, 4096, 20_000])
def test_a_truncated_file(whole: bytes, path: Path, size: int) -> None:
    path.write_bytes(whole[:size])
    if size <= 1:
        use(path)  # SQLite takes it for an empty database
        return
    with pytest.raises(StateError):
        use(path)


def test_a_file_whose_log_is_missing_or_damaged(path: Path) -> None:
    store = SqliteStore(str(path))
    fill(store)
    for name in ("state.db", "state.db-wal"):
        shutil.copy(path.parent / name, path.parent / f"copy-{name}")
    store.close()
    log = path.parent / "copy-state.db-wal"
    log.write_bytes(log.read_bytes()[:-3000])
    use(path.parent / "copy-state.db")
    (path.parent / "other").mkdir()
    shutil.copy(path.parent / "state.db", path.parent / "other" / "state.db")
    use(path.parent / "other" / "state.db")


def test_values_that_are_not_what_they_are_named(whole: bytes, path: Path) -> None:
    for statement in (
        "UPDATE spending SET usd = 'money'",
        "UPDATE spending SET requests = 'many'",
        "UPDATE decisions SET ranking = '[['",
        "UPDATE decisions SET ranking = 7",
        "UPDATE spending SET name = CAST(x'ff' AS TEXT) WHERE name = 'task-3'",
    ):
        path.write_bytes(whole)
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()
        with pytest.raises(StateError):
            use(path)


FULL = """
import resource, signal, sys
from pathlib import Path
from gateway.errors import StateError
from gateway.state.compression import compress_explanation, compress_sums, restore_explanation, restore_sums
from gateway.state.sqlite import SqliteStore
from tests.gateway.state.test_damaged import fill
store = SqliteStore(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    fill(store, 500)
except StateError as error:
    assert "cannot be written" in str(error), error
    assert "\\n" not in str(error)
else:
    raise AssertionError("it was written")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_disk_without_room(path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    ended = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    use(path)


@pytest.fixture
def damaged(whole: bytes, path: Path) -> Path:
    content = bytearray(whole)
    content[4096:20_000] = b"\xa5" * (20_000 - 4096)
    path.write_bytes(content)
    return path.parent


@pytest.mark.parametrize("words", [("serve",), ("doctor", "--no-embedder-check")], ids=["serve", "doctor"])
def test_commands_end_with_one_line(words: tuple[str, ...], damaged: Path) -> None:
    config = damaged / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:9/v1", ("m",), state={"url": f"sqlite:///{damaged}/state.db"}))
    told = run_command(*words, "--config", config)
    assert told.exit_code == 1
    assert "Traceback" not in told.output
    assert "move " in told.output
    if words == ("serve",):
        assert told.stderr.count("\n") == 1, told.stderr


def test_compressed_state_that_is_cut_off_or_altered_is_refused() -> None:
    sums, embedding = bytes(range(256)) * 4, b"\x00\x3c" * 32
    for stored, restore in (
        (compress_sums(sums, embedding), lambda data: restore_sums(data, embedding)),
        (compress_explanation('{"u": 0.5, "scores": []}' * 9), restore_explanation),
    ):
        restore(stored)
        for damaged in (stored[:-1], stored[: len(stored) // 2], stored[:8], b"", b"\xa5" * 40):
            with pytest.raises(StateError, match="compressed state cannot be read"):
                restore(damaged)
