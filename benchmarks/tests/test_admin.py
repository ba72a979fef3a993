"""The benchmark of the admin API catches a handler that holds the event loop, and its state is what a gateway reads."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import yaml

from benchmarks.admin.chats import quantile, running_chats
from benchmarks.admin.fill import fill_state, task_name
from benchmarks.admin.reload import change_text, configured_tasks
from benchmarks.admin.run import measure_endpoint
from gateway.config import parse_config
from gateway.state.sqlite import SqliteStore
from gateway.state.store import TaskFilter
from tests.golden.programs import FOLDER

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
HELD_S = 0.25


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests; one path holds the event loop."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            if head.startswith(b"GET /slow"):
                time.sleep(HELD_S)  # noqa: ASYNC251 - the mistake that is to be caught
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@contextmanager
def running_server() -> Iterator[int]:
    loop, ports = asyncio.new_event_loop(), list[int]()
    started = threading.Event()

    async def main() -> None:
        server = await asyncio.start_server(serve_connection, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        async with server:
            await ended.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield ports[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


def test_a_planted_slow_handler_is_caught() -> None:
    with running_server() as port, running_chats(port) as chats:
        time.sleep(0.3)
        alone_p99_ms = quantile(chats.take_times(), 0.99)
        held = measure_endpoint(port, "slow", "/slow", chats)
    assert held.is_slow(alone_p99_ms)
    assert held.chat_worst_ms >= 1000 * HELD_S * 0.8
    assert (held.status, chats.failed) == (200, 0)


def test_the_state_is_one_that_a_gateway_reads(tmp_path: Path) -> None:
    fill_state(tmp_path / "state.db", FOLDER / "pack", 1500)
    store = SqliteStore(str(tmp_path / "state.db"))
    assert store.count_tasks() == 1500
    page = store.read_decisions(TaskFilter(limit=5))
    assert list(page) == sorted(task_name(number) for number in range(1500))[:5]
    name = task_name(1234)
    record = store.read_task(name)
    assert record.decision is not None
    assert (record.decision.task, record.decision.n, record.explanation.to_dict()["n"]) == (name, 1, 1)
    assert store.usage_of([("task", name)])
    assert len(store.decision_changes(name)) == 1
    store.close()


PLANTED = """
import asyncio, json, time
from benchmarks.speed.stalls import StallWatch

def planted_stall():
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass

async def main():
    watch = StallWatch()
    watch.start()
    beating = asyncio.create_task(watch.beat())
    for _ in range(5):
        asyncio.get_running_loop().call_soon(planted_stall)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    beating.cancel()
    print(json.dumps(watch.to_dict()))

asyncio.run(main())
"""


def test_a_function_that_holds_the_event_loop_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", PLANTED], capture_output=True, text=True, check=True, timeout=60)
    callbacks = json.loads(done.stdout)["callbacks"]
    (stall,) = [found for where, found in callbacks.items() if "planted_stall" in where]
    assert stall["times"] >= 3
    assert stall["worst_ms"] >= 40
    assert all("planted_stall" in stack for stack, _ in stall["stacks"])


def test_the_configured_tasks_are_a_valid_configuration_and_each_change_is_one() -> None:
    models = ("m1", "m2", "m3")
    listed = [{"name": name, "backends": [{"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}]} for name in models]
    text = yaml.safe_dump({"models": listed, "tasks": configured_tasks(20, models)})
    versions = [parse_config(one, "config.yaml", {}).tasks for one in (text, *change_text(text, 3))]
    assert [len(tasks) for tasks in versions] == [20] * 4
    first = next(iter(versions[0]))
    for before, after in pairwise(versions[1:]):
        assert [name for name in before if before[name] != after[name]] == [first]
