"""`python -m qa.faults.capacity`: the constants of docs/scale.md's model, measured at 1,000 tasks.

Memory: tasks with full rings, written as a scorer writes them. Flow: a running deployment with 1,000 tasks; commands
and bytes in Redis per request, and CPU of the programs.
"""

import argparse
import json
import os
import random
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gateway.decision import Decision, Explanation
from gateway.distributed import scripts
from gateway.distributed.codec import JSON, AckBatch, AckCounts, Lease
from gateway.distributed.leases import acquire_lease
from gateway.distributed.producer import ShardProducer
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.store import RedisStore
from gateway.scorer.messages import BatchCounts
from gateway.state.store import RING_SIZE, StateChange, TaskSums
from qa.faults import programs
from qa.faults.stack import Shape, Stack, running

TICKS = os.sysconf("SC_CLK_TCK")


def task_bytes(models: int, dim: int, inputs: int) -> int:
    """Return the model's estimate of a task's bytes in Redis. docs/scale.md derives it."""
    ring = int(1.07 * min(inputs, RING_SIZE) * 2 * dim)  # Redis packs ten or so into a piece, and rounds its size up
    sums = 8 * (3 * models + 1 + dim)
    account = 140 * models + 500
    return ring + sums + account + 900


def example_task(models: int, dim: int) -> tuple[Decision, Explanation, TaskSums]:
    """Return a task's decision, explanation and sums of realistic length."""
    names = tuple(f"model-{number}" for number in range(models))
    scores = [{"model": name, "s1": 0.71234, "s2": 0.71234, "s3": 0.71234, "p": 0.912345, "n": 256} for name in names]
    account = {"u": 0.123456, "scores": scores, "nearest_datasets": [], "decision": {"why": "x" * 200}}
    size = 3 * models + 1 + dim
    sums = struct.pack(f"<{size}d", *(number / 7 for number in range(size)))
    decision = Decision("", 1, RING_SIZE, names[0], "score", names, 1.0)
    return decision, Explanation.from_dict(account), TaskSums("0" * 64 + "/5/19/0.5", RING_SIZE, RING_SIZE, sums)


def fill_redis(client: RedisClient, tasks: int, models: int, dim: int) -> None:
    """Write tasks with full rings."""
    store = RedisStore(client)
    decision, explanation, sums = example_task(models, dim)
    ring = [os.urandom(2 * dim) for _ in range(RING_SIZE)]
    change = StateChange(sums, ring, decision, [decision], explanation=explanation)
    for number in range(tasks):
        store.update_task([f"task-{number:07}"], partial(_same, change))


def measure_memory(folder: Path, tasks: int, models: int, dim: int) -> dict[str, float]:
    """Return bytes per task: measured, and as the model estimates."""
    server = programs.redis_server(folder, programs.free_port(), "--appendonly", "no")
    server.start_and_wait()
    try:
        with server.client() as client:
            before = int(client.info("memory")["used_memory"])
            fill_redis(RedisClient(f"redis://127.0.0.1:{server.port}/0"), tasks, models, dim)
            after = int(client.info("memory")["used_memory"])
    finally:
        server.kill()
    return {"tasks": tasks, "models": models, "dim": dim, "bytes_a_task": (after - before) / tasks,
            "model_says": task_bytes(models, dim, RING_SIZE)}  # fmt: skip


def measure_batches(folder: Path, tasks: int, batch: int, rounds: int) -> dict[str, float]:
    """Return the cost of an observation in Redis if batches of this size wait in a shard: 7 models, dim 384."""
    server = programs.redis_server(folder, programs.free_port())
    server.start_and_wait()
    try:
        client = RedisClient(f"redis://127.0.0.1:{server.port}/0")
        before = redis_totals(server)
        for _ in _through(client, tasks, batch, rounds):
            pass
        after = redis_totals(server)
        client.close_connections()
    finally:
        server.kill()
    return {"batch": batch, **{name: (after[name] - before[name]) / (rounds * batch) for name in before}}


def _through(client: RedisClient, tasks: int, batch: int, rounds: int) -> Iterator[None]:
    """Add observations as a gateway and acknowledge them as a scorer, without embedding."""
    shard, sending, draw = Shard(0), ShardProducer(), random.Random(1)
    store = acquire_lease(client, shard, "measuring", Lease(lease_ms=60_000))
    assert store is not None  # noqa: S101 - nobody else is there
    decision, _, sums = example_task(7, 384)
    body = JSON + json.dumps([{"role": "user", "content": "x" * 400}]).encode()
    keys = [shard.stream_key, shard.info_key, shard.producers_key, shard.seen_key, shard.counts_key]
    for _ in range(rounds):
        for _ in range(batch):
            sending.push_observation(f"task-{draw.randrange(tasks)}", body)
        while waiting := sending.unsent_entries(256):
            code, epoch, last, _ = client.eval_script(
                scripts.ADD, keys, sending.script_args("me", "epoch", waiting, 100_000)
            )
            sending.on_add_reply(code, epoch.decode(), last)
        taken = store.read_batch("me", batch).entries
        store.batch = AckBatch(
            [entry.id for entry in taken], [AckCounts("me", taken[-1].number, BatchCounts(len(taken)))]
        )
        change = StateChange(sums, [os.urandom(768)], decision, [])
        seen = sorted({entry.task for entry in taken})
        store.update_task(seen, partial(_same, change))
        yield


def _same(change: StateChange, stored: Mapping[str, object]) -> dict[str, StateChange]:
    return dict.fromkeys(stored, change)


def redis_totals(server: programs.Server) -> dict[str, float]:
    """Return a Redis server's totals: bytes in and out, CPU seconds."""
    with server.client() as client:
        result: Mapping[str, Any] = client.info("stats")
    return {
        "redis_bytes_in": result["total_net_input_bytes"],
        "redis_bytes_out": result["total_net_output_bytes"],
        "redis_cpu_s": cpu_s(server.pid),
    }


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_totals(stack: Stack) -> dict[str, float]:
    """Return the deployment's totals so far."""
    with stack.redis.client() as client:
        result: Mapping[str, Any] = client.info("stats")
    return {
        "requests": len(stack.load.finished) if stack.load else 0,
        "redis_commands": result["total_commands_processed"],
        "redis_bytes_in": result["total_net_input_bytes"],
        "redis_bytes_out": result["total_net_output_bytes"],
        "redis_cpu_s": cpu_s(stack.redis.pid),
        "gateway_cpu_s": sum(cpu_s(gateway.pid) for gateway in stack.gateways),
        "scorer_cpu_s": sum(cpu_s(scorer.child) for scorer in stack.scorers),
    }


def measure_flow(folder: Path, per_s: float, seconds: float, tasks: int) -> dict[str, float]:
    """Return the cost of one request, with idle costs subtracted."""
    shape = Shape(per_s=per_s, seconds=seconds, tasks=tasks, kept=0)
    with running(folder, shape) as stack:
        time.sleep(3)
        idle = [read_totals(stack)]
        time.sleep(5)
        idle.append(read_totals(stack))
        stack.start_load()
        time.sleep(seconds / 4)
        busy = [read_totals(stack)]
        time.sleep(seconds / 2)
        busy.append(read_totals(stack))
        stack.end_load()
    requests = busy[1]["requests"] - busy[0]["requests"]
    took_s, idle_s = seconds / 2, 5.0
    found: dict[str, float] = {"requests_per_s": requests / took_s}
    for name in busy[0]:
        if name != "requests":
            rate = (idle[1][name] - idle[0][name]) / idle_s
            found[f"{name}_a_request"] = (busy[1][name] - busy[0][name] - rate * took_s) / requests
            found[f"{name}_idle_a_second"] = rate
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--per-s", type=float, default=80.0)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--results", type=Path, default=Path("results/capacity.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchroute-capacity-") as scratch:
        sizes = [
            measure_memory(Path(scratch) / f"memory-{dim}", given.tasks, models, dim)
            for models, dim in ((7, 384), (30, 768))
        ]
        found = {
            "memory": sizes,
            "redis_an_observation": [
                measure_batches(Path(scratch) / f"batch-{batch}", given.tasks, batch, rounds)
                for batch, rounds in ((1, 500), (8, 200), (64, 60))
            ],
            "flow": measure_flow(Path(scratch) / "flow", given.per_s, given.seconds, given.tasks),
        }
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
