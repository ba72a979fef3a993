"""The faults. Each begins under load and ends while load continues; then every observation is counted."""

import os
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from gateway.distributed import packs
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from qa.faults import clients
from qa.faults.material import build_letters_pack
from qa.faults.programs import wait_until
from qa.faults.stack import Row, Shape, Stack, running
from qa.faults.wires import are_wires_possible, lay_wires
from routing.manifest import read_manifest
from tests.gateway.letters import POISON

CLOCK = Path(__file__).with_name("clock.c")
HOUR_S = 3600

Fault = Callable[[Stack], str]
"""Causes the fault within `stack.fault()`, and returns a note."""


def none(stack: Stack) -> str:
    """No fault: the baseline."""
    with stack.fault():
        stack.wait_a_third()
    return ""


def scorer_killed(stack: Stack) -> str:
    """SIGKILL for scorers in the middle of batches: one process alone, another with its descendants."""
    with stack.fault():
        os.kill(stack.scorers[0].child, signal.SIGKILL)
        stack.wait_a_third()
        stack.scorers[1].kill()
    stack.scorers[1].start()
    return ""


def gateway_killed(stack: Stack) -> str:
    """SIGKILL for a gateway, which restarts later."""
    victim = stack.gateways[1]
    with stack.fault():
        os.kill(victim.pid, signal.SIGKILL)
        victim.process.wait()  # type: ignore[union-attr]  # it was running
        stack.save_crash_counters()
        stack.wait_a_third()
    victim.start_and_wait()
    return ""


def redis_killed(stack: Stack) -> str:
    """SIGKILL for Redis, which restarts with its append-only file."""
    with stack.fault():
        stack.redis.kill()
        time.sleep(min(3.0, stack.shape.seconds / 4))
        stack.redis.start_and_wait()
    return ""


def redis_emptied(stack: Stack) -> str:
    """SIGKILL for Redis, which restarts empty; gateways write back what was spent."""
    before = _spent_requests(stack)
    with stack.fault():
        stack.redis.kill()
        stack.redis.delete_files()
        time.sleep(1.0)
        stack.redis.start_and_wait()
        wait_until(lambda: _spent_requests(stack) >= before, 10, "the spending's return")
    return f"decisions are those of the inputs since then; spending of {before:,} requests written back"


def _spent_requests(stack: Stack) -> int:
    client = RedisClient(stack.url, shards=stack.shape.shards)
    try:
        rows = RedisStore(client).read_usage()
        return sum(total.requests for (kind, _, _), total in rows.items() if kind == "task")
    finally:
        client.close_connections()


def sentinel_failover(stack: Stack) -> str:
    """SIGKILL for Redis; a Sentinel makes its replica the master."""
    watched = stack.watched
    assert watched is not None  # noqa: S101 - `run` makes it so
    with stack.fault():
        started = time.monotonic()
        stack.redis.kill()
        wait_until(lambda: watched.is_master(watched.replica), 30, "the failover")
        took_s = time.monotonic() - started
        # From here on the runner counts on the new master.
        stack.redis = watched.replica
        stack.wait_a_third()
    return f"the replica was the master after {took_s:.1f} s"


def redis_hangs(stack: Stack) -> str:
    """SIGSTOP for Redis."""
    with stack.fault():
        os.kill(stack.redis.pid, signal.SIGSTOP)
        stack.wait_a_third()
        os.kill(stack.redis.pid, signal.SIGCONT)
    return f"stopped for {stack.shape.seconds / 3:g} s"


def partition(stack: Stack) -> str:
    """A partition between one gateway and Redis."""
    with stack.fault():
        stack.cut()
        stack.wait_a_third()
        stack.restore()
    return "the first gateway's: " + ("a namespace's cable" if stack.wires else "a proxy that drops everything")


def redis_full(stack: Stack) -> str:
    """Redis reaches maxmemory with noeviction."""
    with stack.redis.client() as client, stack.fault():
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1_000_000)
        stack.wait_a_third()
        client.config_set("maxmemory", 0)
    return ""


def clock_jump(stack: Stack) -> str:
    """The clock jumps an hour forward and two back, for Redis, a gateway and a scorer."""
    clock = stack.folder / "clock"
    with stack.fault():
        _set_clock(clock, HOUR_S)
        stack.wait_a_third()
        _set_clock(clock, -HOUR_S)
    return ""


def poison(stack: Stack) -> str:
    """An input that crashes the scorer whenever it is embedded."""
    with stack.fault():
        stack.send_request("poisoned", f"{POISON} in the middle")  # the first input of a task is never skipped
        stack.wait_a_third()
    return ""


def rolling_restart(stack: Stack) -> str:
    """Every process is restarted in turn, except Redis."""
    with stack.fault():
        for program in stack.scorers:
            program.end()
            program.start()
            time.sleep(0.5)
        for gateway in stack.gateways:
            os.kill(gateway.pid, signal.SIGTERM)
            while gateway.process.poll() is None:  # type: ignore[union-attr]  # it was running
                stack.save_crash_counters()
                time.sleep(0.005)
            gateway.start_and_wait()
    return ""


def backlog_full(stack: Stack) -> str:
    """No scorer runs, and the streams reach their limit."""
    with stack.fault():
        for program in stack.scorers:
            program.kill()
        stack.wait_a_third()
    for program in stack.scorers:
        program.start()
    return f"max_backlog {stack.shape.backlog} per shard"


def two_packs(stack: Stack) -> str:
    """Two packs are activated concurrently; one of them must win everywhere."""
    made = [build_letters_pack(stack.folder / name, seed=seed) for name, seed in (("second", 6), ("third", 7))]
    with stack.fault():
        started, threads = time.monotonic(), [threading.Thread(target=stack.activate, args=(path,)) for path in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(
            lambda: len(stack.packs_of_sums()) == 1 and not stack.packs_of_sums() & {read_manifest(stack.pack).hash},
            60,
            "the swap",
        )
        took_s = time.monotonic() - started
        stack.wait_a_third()
    return f"the last shard was scored again after {took_s:.2f} s; equal: all programs use the same pack"


def not_on_active_pack(stack: Stack) -> list[str]:
    """Return the shards, gateways and tasks that do not use the active pack."""
    client = RedisClient(stack.url, shards=stack.shape.shards)
    active, store = packs.active_pack(client), RedisStore(client)
    assert active is not None  # noqa: S101 - activated before
    kept = {task: store.read_task(task).task for task in store.task_names()}
    client.close_connections()
    wrong = [task for task, sums in kept.items() if sums is None or not sums.sums_version.startswith(active.hash)]
    others = (stack.packs_of_sums() | stack.packs_of_gateways()) - {active.hash}
    return [*wrong, *sorted(others)]


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        none,
        scorer_killed,
        gateway_killed,
        redis_killed,
        redis_emptied,
        sentinel_failover,
        redis_hangs,
        partition,
        redis_full,
        clock_jump,
        poison,
        backlog_full,
        two_packs,
        rolling_restart,
        clients.descriptor_limit,
        clients.slow_reader,
        clients.trickled_body,
        clients.sigterm,
    )
}


def run(name: str, folder: Path, shape: Shape) -> Row | None:
    """Run one fault and return its row; None if this machine cannot run it."""
    environments: dict[str, dict[str, str]] = {}
    if name == "clock_jump":
        if shutil.which("cc") is None:
            return None
        environments = _clocks(folder)
    if name == "backlog_full":
        shape = replace(shape, backlog=20)
    if name == "sigterm":
        shape = replace(shape, drain_s=2.0)
    if name == "sentinel_failover":
        shape = replace(shape, has_sentinel=True)
    if name == "two_packs":
        shape = replace(shape, has_file=False)
    with ExitStack() as around:
        has_wires = name == "partition" and shape.has_cables and are_wires_possible()
        wires = around.enter_context(lay_wires()) if has_wires else None
        stack = around.enter_context(running(folder, shape, environments, wires))
        stack.start_load()
        stack.warm_up()
        note = FAULTS[name](stack)
        stack.wait_a_third()
        stack.end_load()
        wait_until(lambda: all(gateway.answers() for gateway in stack.gateways), 30, "the gateways' recovery")
        return stack.row(name, note, not_on_active_pack if name == "two_packs" else None)


def _clocks(folder: Path) -> dict[str, dict[str, str]]:
    """Give Redis, a gateway and a scorer a clock that can be set; the others keep the machine's."""
    folder.mkdir(parents=True, exist_ok=True)
    library, clock = folder / "clock.so", folder / "clock"
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(CLOCK)], check=True)
    clock.write_bytes(bytes(8))
    turned = {"LD_PRELOAD": str(library), "BENCHROUTE_CLOCK": str(clock)}
    return {"redis": turned, "gateway-0": turned, "scorer-0": turned}


def _set_clock(clock: Path, seconds: int) -> None:
    with clock.open("r+b") as file:
        file.write(struct.pack("q", seconds))
