"""Mutated requests: every one must end within a time limit, with an answer, or, where the rest of it never comes, with
the client's leaving; and no answer may be a 500.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from qa.fuzzing.mutate import mutated
from qa.fuzzing.servers import Target

LIMIT_S = 10.0
PATIENCE_S = 1.0
CONCURRENCY = 16
SHOWN = 50


@dataclass
class Found:
    """What came back. statuses: status -> how often; faults: what must not be."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory_mb: dict[int, float] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """As JSON. memory_mb: after so many requests."""
        return {
            "requests": sum(self.statuses.values()),
            "statuses": dict(sorted(self.statuses.items())),
            "n_faults": len(self.faults),
            "faults": self.faults[:SHOWN],
            "memory_mb": self.memory_mb,
        }


def send_broken(target: Target, count: int, seed: int) -> Found:
    """So many mutated requests, sixteen at a time."""
    return asyncio.run(_all(target, count, seed))


async def _all(target: Target, count: int, seed: int) -> Found:
    found, draw = Found(), random.Random(seed)
    waiting = iter(range(1, count + 1))

    async def worker() -> None:
        for place in waiting:
            await _send(target.port, mutated(draw), found)
            if place in (count // 10, count):
                found.memory_mb[place] = target.memory_mb()

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return found


async def _send(port: int, request: bytes, found: Found) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            answer = await _exchange(port, request)
    except TimeoutError:
        found.statuses["hang"] += 1
        found.faults.append(f"no answer within {LIMIT_S:g} s to {request[:300]!r}")
        return
    status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "none"
    found.statuses[status] += 1
    if status == "500":
        found.faults.append(f"500 to {request[:300]!r}: {answer[:300]!r}")


async def _exchange(port: int, request: bytes) -> bytes:
    """The answer. A request that promises more than it holds gets none, and its sender leaves after a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE_S)
        except TimeoutError:
            writer.write_eof()
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()
