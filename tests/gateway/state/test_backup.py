"""Backups of a state in use are of one moment; a restored one is what it was, and nothing is deleted for it."""

import sqlite3
import stat
import subprocess
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import read_newest
from gateway.request_log.sqlite import SqliteRequestStore
from gateway.state.backup import backup_state, restore_state
from gateway.state.sqlite import SqliteStore
from gateway.state.sqlite_schema import SCHEMA
from tests.gateway.asking import HELLO, ask
from tests.gateway.cli.conftest import run_command
from tests.gateway.distributed.test_store import put as put_anywhere
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer, needs_redis
from tests.gateway.request_log.rows import make_block, make_row
from tests.gateway.server.test_shutdown import config, running
from tests.gateway.serving import configuration
from tests.gateway.state.test_sqlite import decision, put
from tests.gateway.waiting import eventually


def names(path: Path) -> Sequence[str]:
    store = SqliteStore(str(path))
    try:
        return store.task_names()
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with one task, closed."""
    state = tmp_path / "state.db"
    store = SqliteStore(str(state))
    put(store, "first", 1, [b"\0\1"], decision())
    store.close()
    return state


def test_a_backup_has_what_is_committed_though_it_is_in_the_log_only(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(str(path))
    put(store, "second", 1, [b"\0\1"], decision())
    target = tmp_path / "backup.db"
    backup_state(path, target)
    store.close()
    assert names(target) == ["first", "second"]


def test_a_backup_is_one_file_for_its_owner_alone(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    backup_state(path, folder / "backup.db")
    assert [one.name for one in folder.iterdir()] == ["backup.db"]
    assert stat.S_IMODE((folder / "backup.db").stat().st_mode) == 0o600


def test_backups_during_writes_are_of_one_moment_and_no_writer_waits(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE pairs (one INTEGER, two INTEGER)")
    stop, faults = threading.Event(), list[Exception]()

    def write() -> None:
        # No time to wait: a backup that held a lock would be an error here.
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    with connection:
                        connection.execute("INSERT INTO pairs VALUES (?, ?)", (number, 0))
                        connection.execute("UPDATE pairs SET two = ? WHERE one = ?", (number, number))
                except sqlite3.Error as error:
                    faults.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for number in range(10):
        backup_state(path, tmp_path / f"{number}.db")
    stop.set()
    thread.join(10)
    counts = []
    for number in range(10):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as backup:
            ((count, unequal),) = backup.execute("SELECT count(*), total(one != two) FROM pairs")
            counts.append(count)
            assert unequal == 0
    assert faults == []
    assert counts == sorted(counts)


def test_an_existing_file_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("mine")
    with pytest.raises(StateError, match=r"backup\.db exists already"):
        backup_state(path, target)
    assert target.read_text() == "mine"


def test_a_state_that_does_not_exist_is_not_made_by_its_backup(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"state\.db does not exist"):
        backup_state(tmp_path / "state.db", tmp_path / "backup.db")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_gives_no_backup(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match=r"state\.db|backup\.db"):
        backup_state(tmp_path / "state.db", tmp_path / "backup.db")
    assert [one.name for one in tmp_path.iterdir()] == ["state.db"]


def test_a_restored_state_is_what_it_was_and_the_one_of_before_is_kept(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup_state(path, backup)
    for number in (1, 2):
        store = SqliteStore(str(path))
        put(store, f"later-{number}", 1, [b"\0\1"], decision())
        store.close()
        (replaced,) = restore_state(backup, path)
        assert replaced == tmp_path / f"state.db.replaced-{number}"
        assert names(replaced) == ["first", f"later-{number}"]
        assert names(path) == ["first"]
    assert names(backup) == ["first"]


def test_a_log_of_before_is_not_applied_to_the_restored_file(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup_state(path, backup)
    store = SqliteStore(str(path))
    put(store, "in-the-log", 1, [b"\0\1"], decision())
    # As after kill -9: the log is left behind.
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (tmp_path / f"killed-{name}").write_bytes((tmp_path / name).read_bytes())
    store.close()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (tmp_path / f"killed-{name}").rename(tmp_path / name)
    (replaced,) = restore_state(backup, path)
    assert names(path) == ["first"]
    assert names(replaced) == ["first", "in-the-log"]


def test_a_backup_is_restored_where_there_is_no_state(path: Path, tmp_path: Path) -> None:
    backup_state(path, tmp_path / "backup.db")
    new = tmp_path / "new.db"
    assert restore_state(tmp_path / "backup.db", new) == []
    assert names(new) == ["first"]
    assert stat.S_IMODE(new.stat().st_mode) == 0o600


def test_a_state_in_use_is_not_replaced(path: Path, tmp_path: Path) -> None:
    backup_state(path, tmp_path / "backup.db")
    store = SqliteStore(str(path))
    store.claim_for_gateway()
    with pytest.raises(StateError, match="in use by another gateway"):
        restore_state(tmp_path / "backup.db", path)
    store.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backup.db", "state.db"]


@pytest.mark.parametrize("schema", [0, SCHEMA + 1])
def test_what_is_no_state_of_this_version_is_not_restored(path: Path, tmp_path: Path, schema: int) -> None:
    backup = tmp_path / "backup.db"
    backup_state(path, backup)
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute(f"PRAGMA user_version = {schema}")
    with pytest.raises(StateError, match=rf"backup\.db has schema {schema}, this version reads schema 1 to {SCHEMA}"):
        restore_state(backup, path)
    assert names(path) == ["first"]


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_what_is_no_database_is_not_restored(path: Path, tmp_path: Path, content: bytes) -> None:
    backup = tmp_path / "backup.db"
    backup.write_bytes(content)
    with pytest.raises(StateError, match=r"backup\.db"):
        restore_state(backup, path)
    assert names(path) == ["first"]


def test_a_damaged_page_is_found_before_the_state_is_touched(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup_state(path, backup)
    content = bytearray(backup.read_bytes())
    content[4096 * 2 : 4096 * 5] = b"\xff" * (4096 * 3)
    backup.write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        restore_state(backup, path)
    assert names(path) == ["first"]
    assert not list(tmp_path.glob("*.replaced*"))


def test_the_request_log_is_backed_up_and_restored_with_the_state(path: Path, tmp_path: Path) -> None:
    """Into files beside the backup and the state; what was logged since is kept aside."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration("http://127.0.0.1:9/v1", ["m"], state={"url": f"sqlite:///{path}"}))

    def run(command: str, exit_code: int = 0, *options: str) -> str:
        done = run_command("state", command, tmp_path / "backup.db", "--config", file, *options)
        assert done.exit_code == exit_code, done.output
        return done.output

    assert "leave --with-log out" in run("backup", 1, "--with-log")
    assert not (tmp_path / "backup.db").exists()
    for ids in (["a", "b"], ["c"]):
        log = SqliteRequestStore(str(tmp_path / "state.requests.db"))
        log.write_blocks([make_block([make_row(at + len(ids), id=one) for at, one in enumerate(ids)])], [])
        log.close()
        if ids == ["a", "b"]:
            assert run("backup", 0, "--with-log").split() == [
                str(tmp_path / "backup.db"), str(tmp_path / "backup.requests.db"),
            ]  # fmt: skip
    assert "backup.requests.db exists already" in run("backup", 1, "--with-log").replace("\n", " ")
    run("restore")
    assert logged(tmp_path / "state.requests.db") == {"a", "b", "c"}
    run("restore", 0, "--with-log")
    assert logged(tmp_path / "state.requests.db") == {"a", "b"}
    assert logged(tmp_path / "state.requests.db.replaced-1") == {"a", "b", "c"}
    (tmp_path / "backup.requests.db").write_bytes(b"no database " * 100)
    before = sorted(tmp_path.iterdir())
    run("restore", 1, "--with-log")
    assert sorted(tmp_path.iterdir()) == before
    assert names(path) == ["first"]


def logged(path: Path) -> set[str]:
    store = SqliteRequestStore(str(path))
    try:
        return {row.id for row in read_newest(store, RequestFilter(), None, 10).rows}
    finally:
        store.close()


@pytest.mark.slow
def test_a_gateway_is_backed_up_while_it_serves_and_goes_on_from_the_backup(upstream: Upstream, tmp_path: Path) -> None:
    text = config(upstream, tmp_path, 5)
    spent = "SELECT name, requests FROM spending WHERE kind = 'task'"
    with running(tmp_path, text) as gateway:
        for _ in range(3):
            assert ask(gateway.url, body={**HELLO, "model": "good"}, x_task_id="paid").status == 200
        gateway.process.terminate()
        gateway.ended()
    with running(tmp_path, text) as gateway:
        done = run_command("state", "backup", tmp_path / "backup.db", "--config", tmp_path / "config.yaml")
        assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'backup.db'}\n")
        assert ask(gateway.url, body={**HELLO, "model": "good"}, x_task_id="paid").status == 200
        refused = run_command("state", "restore", tmp_path / "backup.db", "--config", tmp_path / "config.yaml")
        assert refused.exit_code == 1
        assert "in use by another gateway" in refused.stderr
        gateway.process.terminate()
        gateway.ended()
        assert gateway.rows(spent) == [("paid", 4)]
    done = run_command("state", "restore", tmp_path / "backup.db", "--config", tmp_path / "config.yaml")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'state.db'}\n")
    with running(tmp_path, text) as gateway:
        assert gateway.rows(spent) == [("paid", 3)]
        assert ask(gateway.url, body={**HELLO, "model": "good"}, x_task_id="paid").status == 200


def test_a_state_in_redis_is_left_to_redis(tmp_path: Path) -> None:
    text = yaml.safe_load(configuration("http://127.0.0.1:9/v1", ["m"]))
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**text, "state": {"url": "redis://127.0.0.1:9/0"}}))
    done = run_command("state", "backup", tmp_path / "backup.db", "--config", file)
    assert done.exit_code == 2
    assert "redis-cli --rdb" in " ".join(done.stderr.split())


@needs_redis
def test_a_snapshot_of_redis_starts_another_one_with_the_same_state(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    # Without its pause of five seconds for other replicas.
    first, second = RedisServer(before, ("--repl-diskless-sync-delay", "0")), RedisServer(after)
    try:
        first.start()
        written = RedisStore(RedisClient(first.url))
        put_anywhere(written, "t", 1, [b"\0\1"], decision())
        command = ["redis-cli", "-p", str(first.port), "--rdb", str(after / "dump.rdb")]  # as the documentation has it
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        second.start()
        with second.client() as client:
            client.config_set("appendonly", "yes")
            files = after / "appendonlydir"
            eventually(lambda: files.exists() and not client.info("persistence")["aof_rewrite_in_progress"])
        second.kill()
        second.options = (*second.options, "--appendonly", "yes")
        second.start()
        restored = RedisStore(RedisClient(second.url))
        assert restored.read_task("t") == written.read_task("t")
        assert restored.read_decisions() == written.read_decisions()
        assert list(restored.recent_embeddings("t")) == [b"\0\1"]
        written.close()
        restored.close()
    finally:
        first.kill()
        second.kill()
