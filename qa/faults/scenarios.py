"""The faults. Each begins under load, does its worst, and lets the fleet recover; then everything is counted."""

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
from qa.faults.material import build
from qa.faults.programs import until
from qa.faults.stack import Row, Shape, Stack, running
from qa.faults.wires import are_possible, laid
from routing.manifest import read_manifest
from tests.gateway.letters import POISON

CLOCK = Path(__file__).with_name("clock.c")
HOUR_S = 3600

Fault = Callable[[Stack], str]
"""Does it, while `stack.fault()` says since when, and returns a note."""


def none(stack: Stack) -> str:
    """Nothing goes wrong: the measure of the others."""
    with stack.fault():
        stack.third()
    return ""


def scorer_killed(stack: Stack) -> str:
    """kill -9 of scorers in the middle of their batches; one process alone, and another with all that belongs to it."""
    with stack.fault():
        os.kill(stack.scorers[0].child, signal.SIGKILL)
        stack.third()
        stack.scorers[1].kill()
    stack.scorers[1].start()
    return ""


def gateway_killed(stack: Stack) -> str:
    """kill -9 of a gateway, which comes back after a while."""
    victim = stack.gateways[1]
    with stack.fault():
        os.kill(victim.pid, signal.SIGKILL)
        victim.process.wait()  # type: ignore[union-attr]  # it was running
        stack.remember_tallies()
        stack.third()
    victim.up()
    return ""


def redis_killed(stack: Stack) -> str:
    """kill -9 of Redis, whose append-only file is there when it comes back."""
    with stack.fault():
        stack.redis.kill()
        time.sleep(min(3.0, stack.shape.seconds / 4))
        stack.redis.up()
    return ""


def redis_emptied(stack: Stack) -> str:
    """kill -9 of Redis, which comes back with nothing."""
    with stack.fault():
        stack.redis.kill()
        stack.redis.empty()
        time.sleep(1.0)
        stack.redis.up()
    return "decisions are those of the inputs since then"


def redis_hangs(stack: Stack) -> str:
    """SIGSTOP for Redis."""
    with stack.fault():
        os.kill(stack.redis.pid, signal.SIGSTOP)
        stack.third()
        os.kill(stack.redis.pid, signal.SIGCONT)
    return f"stopped for {stack.shape.seconds / 3:g} s"


def partition(stack: Stack) -> str:
    """Nothing goes through between one gateway and Redis."""
    with stack.fault():
        stack.cut()
        stack.third()
        stack.mend()
    return "the first gateway's: " + ("a namespace's cable" if stack.wires else "a proxy that swallows everything")


def redis_full(stack: Stack) -> str:
    """maxmemory is reached, and nothing is evicted."""
    with stack.redis.client() as client, stack.fault():
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1_000_000)
        stack.third()
        client.config_set("maxmemory", 0)
    return ""


def clock_jump(stack: Stack) -> str:
    """An hour forward and two back, for Redis, a gateway and a scorer."""
    clock = stack.folder / "clock"
    with stack.fault():
        _turn(clock, HOUR_S)
        stack.third()
        _turn(clock, -HOUR_S)
    return ""


def poison(stack: Stack) -> str:
    """An input that ends the scorer's process whenever it is embedded."""
    with stack.fault():
        stack.say("poisoned", f"{POISON} in the middle")  # the first input of a task is never passed over
        stack.third()
    return ""


def rolling_restart(stack: Stack) -> str:
    """Every process of the fleet is restarted in turn, Redis left alone."""
    with stack.fault():
        for program in stack.scorers:
            program.end()
            program.start()
            time.sleep(0.5)
        for gateway in stack.gateways:
            os.kill(gateway.pid, signal.SIGTERM)
            while gateway.process.poll() is None:  # type: ignore[union-attr]  # it was running
                stack.remember_tallies()
                time.sleep(0.005)
            gateway.up()
    return ""


def backlog_full(stack: Stack) -> str:
    """No scorer is there, and the streams fill up."""
    with stack.fault():
        for program in stack.scorers:
            program.kill()
        stack.third()
    for program in stack.scorers:
        program.start()
    return f"at most {stack.shape.backlog} wait in a shard"


def two_packs(stack: Stack) -> str:
    """Two packs are activated at once; one of them is in force everywhere in the end."""
    made = [build(stack.folder / name, seed=seed) for name, seed in (("second", 6), ("third", 7))]
    with stack.fault():
        begun, threads = time.monotonic(), [threading.Thread(target=stack.activate, args=(path,)) for path in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(stack.bases()) == 1 and not stack.bases() & {read_manifest(stack.pack).hash}, 60, "the swap")
        took_s = time.monotonic() - begun
        stack.third()
    return f"the last shard was scored again after {took_s:.2f} s; equal: everybody works with the same pack"


def all_by_one_pack(stack: Stack) -> list[str]:
    """What is not by the active pack: shards, gateways, and single tasks."""
    client = RedisClient(stack.url, shards=stack.shape.shards)
    active, store = packs.active_pack(client), RedisStore(client)
    assert active is not None  # noqa: S101 - activated before
    kept = {task: store.read_task(task).task for task in store.task_names()}
    client.close_connections()
    wrong = [task for task, sums in kept.items() if sums is None or not sums.sums_version.startswith(active.hash)]
    others = (stack.bases() | stack.routed_by()) - {active.hash}
    return [*wrong, *sorted(others)]


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        none,
        scorer_killed,
        gateway_killed,
        redis_killed,
        redis_emptied,
        redis_hangs,
        partition,
        redis_full,
        clock_jump,
        poison,
        backlog_full,
        two_packs,
        rolling_restart,
    )
}


def run(name: str, folder: Path, shape: Shape) -> Row | None:
    """One fault, and its line in the table; None where this machine cannot do it."""
    environments: dict[str, dict[str, str]] = {}
    if name == "clock_jump":
        if shutil.which("cc") is None:
            return None
        environments = _clocks(folder)
    if name == "backlog_full":
        shape = replace(shape, backlog=20)
    if name == "two_packs":
        shape = replace(shape, has_file=False)
    with ExitStack() as around:
        has_wires = name == "partition" and shape.has_cables and are_possible()
        wires = around.enter_context(laid()) if has_wires else None
        stack = around.enter_context(running(folder, shape, environments, wires))
        stack.begin()
        stack.warm_up()
        note = FAULTS[name](stack)
        stack.third()
        stack.end_load()
        until(lambda: all(gateway.answers() for gateway in stack.gateways), 30, "the gateways' recovery")
        return stack.row(name, note, all_by_one_pack if name == "two_packs" else None)


def _clocks(folder: Path) -> dict[str, dict[str, str]]:
    """Redis, a gateway and a scorer have a time of day that can be turned; the others have the machine's."""
    folder.mkdir(parents=True, exist_ok=True)
    library, clock = folder / "clock.so", folder / "clock"
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(CLOCK)], check=True)
    clock.write_bytes(bytes(8))
    turned = {"LD_PRELOAD": str(library), "BENCHROUTE_CLOCK": str(clock)}
    return {"redis": turned, "gateway-0": turned, "scorer-0": turned}


def _turn(clock: Path, seconds: int) -> None:
    with clock.open("r+b") as file:
        file.write(struct.pack("q", seconds))
