"""What Redis refuses, and keys that hold something else: one line each, no traceback, and requests go on."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import DEFAULT_KEYS, Shard, shard_of
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from tests.gateway.asking import HELLO, ask
from tests.gateway.distributed.deployments import fleet_config
from tests.gateway.distributed.test_emptied import stored_key
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
ANSWERS = {
    "WRONGTYPE Operation against a key holding the wrong kind of value": "another program writes this key",
    "OOM command not allowed when used memory > 'maxmemory'.": "raise its maxmemory",
    "READONLY You can't write against a read only replica.": "use the master's address",
    "LOADING Redis is loading the dataset in memory": "will answer when it has",
    "NOAUTH Authentication required.": "user and password",
    "WRONGPASS invalid username-password pair or user is disabled.": "user and password",
    "NOPERM User x has no permissions to run the 'get' command": "docs/scale.md",
    "MISCONF Redis is configured to save RDB snapshots": "see its log",
    "CLUSTERDOWN The cluster is down": "served by no node",
    "NOSCRIPT No matching script. Please use EVAL.": "",
    "ERR unknown command 'GET'": "Redis 7 or newer",
    "ERR something else": "",
}


@contextmanager
def refusing_server(answer: str) -> Iterator[str]:
    """A server that answers everything with one error."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65536):
                    # One answer a command: each begins with its number of parts.
                    connection.sendall(f"-{answer}\r\n".encode() * max(1, data.count(b"*")))

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("answer", "advice"), ANSWERS.items(), ids=lambda text: text.split(" ")[0])
def test_every_refusal_is_an_error_of_one_line_with_its_advice(answer: str, advice: str) -> None:
    with refusing_server(answer) as url:
        client = RedisClient(url)
        calls = (
            lambda: client.execute("GET", "benchroute:keys"),
            lambda: client.pipeline([("GET", "benchroute:keys")]),
            lambda: RedisStore(client).read_decisions(),
            lambda: list(client.scan_keys("benchroute:keys")),
        )
        for call in calls:
            with pytest.raises(StateError) as caught:
                call()
            assert "\n" not in str(caught.value)
            assert advice in str(caught.value)
        client.close_connections()


@pytest.mark.slow
@pytest.mark.parametrize("answer", list(ANSWERS), ids=lambda text: text.split(" ")[0])
def test_a_gateway_serves_on_and_logs_no_traceback(
    answer: str, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        refusing_server(answer) as url,
        serving_gateway(fleet_config(upstream.base_url, url, tmp_path, None)) as serving,
    ):
        for _ in range(3):
            assert ask(serving.url, body=HELLO, **JSON).status == 200
        eventually(lambda: "routing by the last decisions" in caplog.text)
    assert_one_line_each(caplog)


def assert_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        assert record.exc_info is None, record.getMessage()
        assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    "answer", [next(iter(ANSWERS)), "NOAUTH Authentication required."], ids=["WRONGTYPE", "NOAUTH"]
)
@pytest.mark.parametrize("words", [("pack", "list"), ("observations", "dead-letter")], ids=" ".join)
def test_commands_end_with_one_line_and_their_exit_code(words: tuple[str, ...], answer: str, tmp_path: Path) -> None:
    with refusing_server(answer) as url:
        config = tmp_path / "config.yaml"
        config.write_text(fleet_config("http://127.0.0.1:9/v1", url, tmp_path, None))
        result = CliRunner().invoke(app, [*words, "--config", str(config)])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
    assert result.stderr.startswith("error: redis://127.0.0.1")


def wrong_keys() -> list[str]:
    """Keys of every kind that a running gateway reads or writes."""
    keys, shard = DEFAULT_KEYS, Shard(shard_of("default", 4))
    return [
        *(keys.shard_count, keys.created_keys, keys.revoked_keys, keys.changes, keys.policies, keys.events),
        *(keys.live("gateways"), keys.live("scorers"), keys.packs, keys.active_pack, keys.installation),
        *(keys.usage("key", "k"), keys.usage_writers("key", "k"), keys.usage_names("key"), keys.usage_names("task")),
        *(shard.stream_key, shard.info_key, shard.producers_key, shard.seen_key, shard.counts_key),
        *(shard.decisions_key, shard.tasks_key),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("key", wrong_keys())
def test_a_key_of_another_type_or_with_other_content(
    key: str, redis_server: RedisServer, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving_gateway(fleet_config(upstream.base_url, redis_server.url, tmp_path, None)) as serving:
        RedisStore(RedisClient(redis_server.url)).add_key(stored_key("k"))
        eventually(lambda: ask(serving.url, body=HELLO, **JSON).status == 401)
        for spoil in (spoil_type, spoil_content):
            with redis_server.client() as client:
                spoil(client, key)
                if key != DEFAULT_KEYS.changes:
                    client.hincrby(DEFAULT_KEYS.changes, "keys", 1)
            deadline = time.monotonic() + 1.2
            while time.monotonic() < deadline:
                assert ask(serving.url, body=HELLO, authorization="Bearer k", **JSON).status == 200
                time.sleep(0.1)
    assert_one_line_each(caplog)


def spoil_type(client: Redis, key: str) -> None:
    is_list = client.type(key) in (b"list", "list")
    client.delete(key)
    if is_list or key in (DEFAULT_KEYS.installation, DEFAULT_KEYS.shard_count):
        client.hset(key, "a", "b")
    else:
        client.rpush(key, "x")


def spoil_content(client: Redis, key: str) -> None:
    client.delete(key)
    client.hset(
        key, mapping={b"\xff\xfe": b"\xc1garbage", "2026-11-28 requests": "many", "2026-11": "1", "epoch": b"\xff"}
    )


def test_a_full_redis_that_is_read_only_for_a_while(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    RedisStore(RedisClient(redis_server.url)).add_key(stored_key("k"))
    with serving_gateway(fleet_config(upstream.base_url, redis_server.url, tmp_path, None)) as serving:
        eventually(lambda: ask(serving.url, body=HELLO, **JSON).status == 401)
        sent = 0
        for name, value in (("maxmemory", "1"), ("min-replicas-to-write", "1")):
            with redis_server.client() as client:
                before = client.config_get(name)[name]
                client.config_set(name, value)
                for _ in range(8):
                    assert ask(serving.url, body=HELLO, authorization="Bearer k", **JSON).status == 200
                    sent += 1
                    time.sleep(0.2)
                client.config_set(name, before)
        store = RedisStore(RedisClient(redis_server.url))
        # Nothing that was spent meanwhile is lost.
        eventually(lambda: sum(row.requests for row in store.usage_of([("key", "k")]).values()) == sent)
    assert_one_line_each(caplog)
