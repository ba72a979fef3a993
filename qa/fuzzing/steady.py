"""Many valid requests, and the memory that they leave allocated: growth with the number of requests is a leak.

A third of them streams; tasks, sessions and texts vary within bounded numbers.
"""

import asyncio
import json
from typing import Any

from qa.fuzzing.servers import Target

CONCURRENCY = 32
TASKS, SESSIONS = 200, 500
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def send_valid(target: Target, count: int) -> dict[str, Any]:
    """Send so many requests. memory_mb: after a tenth, half and all of them."""
    memory: dict[int, float] = {}
    statuses = asyncio.run(_all(target, count, memory))
    first, last = memory[min(memory)], memory[max(memory)]
    return {"requests": count, "statuses": statuses, "memory_mb": memory, "growth_mb": round(last - first, 1)}


async def _all(target: Target, count: int, memory: dict[int, float]) -> dict[str, int]:
    waiting, statuses = iter(range(1, count + 1)), dict[str, int]()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        for place in waiting:
            writer.write(_request(place))
            status = await _read_response(reader)
            statuses[status] = statuses.get(status, 0) + 1
            if place in (count // 10, count // 2, count):
                memory[place] = target.memory_mb()
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return statuses


def _request(place: int) -> bytes:
    text = f"question {place % 1000}: what is {place} plus {place + 1}?"
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": place % 3 == 0}
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"x-task-id: task-{place % TASKS}\r\nx-session-id: session-{place % SESSIONS}\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def _read_response(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(HEAD_END)).lower()
    if b"transfer-encoding: chunked" in head:
        await reader.readuntil(LAST_CHUNK)
    else:
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    return head[9:12].decode()
