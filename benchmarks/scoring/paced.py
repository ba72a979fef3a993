"""Many tasks at a steady rate: a real scorer behind the gateway's client, its queue and its socket.

Every task sends its inputs at even intervals, whatever the scorer does; what the queue drops is counted by the client
as in a gateway. CPU seconds are of the scorer's process alone, all threads.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scoring.child import cpu_s
from benchmarks.scoring.worker import memory_mb
from gateway.scorer.embedded.client import EmbeddedScorerClient
from gateway.scorer.messages import Configure, ScoreSettings, TaskPolicy
from gateway.vocabulary import ScoreSetting
from routing.manifest import read_manifest

TICK_S = 0.02
READY_S = 120.0
DRAIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """A steady load.

    Attributes:
        tasks: how many, each with inputs of its own dataset.
        per_s: inputs a second of each.
        seconds: duration.
        sampling: embed only a sample of the inputs of settled tasks, as the default settings do.
        score: that decides.
        candidates: how many of the pack's models a task may use.
    """

    tasks: int = 100
    per_s: float = 10.0
    seconds: float = 30.0
    sampling: bool = True
    score: ScoreSetting = "recommended"
    candidates: int = 8


def measure_load(pack: Path, texts: Sequence[Sequence[str]], load: Load) -> dict[str, Any]:
    """Return what became of the inputs, and the scorer's CPU. texts: of each dataset; tasks take them in turn."""
    return asyncio.run(_run(pack, texts, load))


async def _run(pack: Path, texts: Sequence[Sequence[str]], load: Load) -> dict[str, Any]:
    encoded = [[json.dumps([{"role": "user", "content": text}]).encode() for text in some] for some in texts]
    with tempfile.TemporaryDirectory() as folder:
        settings = Configure(
            str(pack),
            f"sqlite:///{folder}/state.db",
            ScoreSettings(score=load.score, adaptive_sampling=load.sampling),
            TaskPolicy(read_manifest(pack).model_names[: load.candidates]),
        )
        client = EmbeddedScorerClient(settings, lambda decisions: None)
        await client.start()
        try:
            await _until(lambda: client.status == "ready", READY_S)
            assert client.pid is not None  # noqa: S101 - a ready scorer has a process
            begun, cpu = time.perf_counter(), cpu_s(client.pid)
            most = await _send(client, encoded, load)
            await _until(lambda: client.counts.scored.observed + client.counts.scored.errors >= most.settled, DRAIN_S)
            took, used = time.perf_counter() - begun, cpu_s(client.pid) - cpu
            counts = client.counts
            embedded = counts.scored.observed - counts.scored.skipped
            return {
                "inputs": most.sent,
                "dropped": sum(counts.dropped.values()),
                "errors": counts.scored.errors,
                "embedded": embedded,
                "most_queued": most.queued,
                "drained_after_s": round(took - load.seconds, 2),
                "cores": round(used / took, 3),
                "cpu_ms_per_input": round(1000 * used / most.sent, 3),
                "memory_mb": memory_mb(client.pid),
            }
        finally:
            await client.stop()


@dataclass(slots=True)
class _Sent:
    sent: int = 0
    queued: int = 0
    settled: int = 0
    """Inputs that the scorer has to answer for: those sent and not dropped."""


async def _send(client: EmbeddedScorerClient, encoded: Sequence[Sequence[bytes]], load: Load) -> _Sent:
    """Send at even intervals, late ones at once."""
    made, begun = _Sent(), time.perf_counter()
    total = int(load.tasks * load.per_s * load.seconds)
    while made.sent < total:
        due = min(total, int((time.perf_counter() - begun) * load.tasks * load.per_s))
        for number in range(made.sent, due):
            task, place = number % load.tasks, number // load.tasks
            some = encoded[task % len(encoded)]
            client.observe_input(f"task-{task}", some[(place + task) % len(some)])
        made.sent = due
        made.queued = max(made.queued, client.counts.queued)
        await asyncio.sleep(TICK_S)
    made.settled = made.sent - sum(client.counts.dropped.values())
    return made


async def _until(holds: Callable[[], bool], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - the client's counters have no event
            await asyncio.sleep(TICK_S)
