"""Malformed requests: each must end within a time limit, by a response or, if it is incomplete, by disconnecting.

No response may be a 500.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from qa.fuzzing.mutate import mutate_request
from qa.fuzzing.servers import Target

LIMIT_S = 10.0
PATIENCE_S = 1.0
CONCURRENCY = 16
SHOWN = 50


@dataclass
class FuzzResults:
    """The results.

    Attributes:
        statuses: status -> count.
        faults: descriptions of hangs and 500s.
        memory_mb: number of requests -> MB of the gateway after them.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory_mb: dict[int, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "requests": sum(self.statuses.values()),
            "statuses": dict(sorted(self.statuses.items())),
            "n_faults": len(self.faults),
            "faults": self.faults[:SHOWN],
            "memory_mb": self.memory_mb,
        }


def send_broken(target: Target, count: int, seed: int) -> FuzzResults:
    """Send so many malformed requests, sixteen at a time."""
    return asyncio.run(_all(target, count, seed))


async def _all(target: Target, count: int, seed: int) -> FuzzResults:
    found, draw = FuzzResults(), random.Random(seed)
    waiting = iter(range(1, count + 1))

    async def worker() -> None:
        for place in waiting:
            await _send(target.port, mutate_request(draw), found)
            if place in (count // 10, count):
                found.memory_mb[place] = target.memory_mb()

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return found


async def _send(port: int, request: bytes, found: FuzzResults) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            response = await _exchange(port, request)
    except TimeoutError:
        found.statuses["hang"] += 1
        found.faults.append(f"no answer within {LIMIT_S:g} s to {request[:300]!r}")
        return
    status = response[9:12].decode("latin-1") if response.startswith(b"HTTP/1.") else "none"
    found.statuses[status] += 1
    if status == "500":
        found.faults.append(f"500 to {request[:300]!r}: {response[:300]!r}")


async def _exchange(port: int, request: bytes) -> bytes:
    """Return the response. An incomplete request gets none: the client half-closes after a second."""
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
