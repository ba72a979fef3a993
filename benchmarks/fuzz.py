"""Mutated requests against a gateway: no 500, no hang, no leak.

usage: python benchmarks/fuzz.py [--requests N] [--seed S] [--results FILE]

Starts a gateway in front of a small backend, both on loopback, and sends it requests with something wrong in them:
bytes flipped, cut, repeated, headers that contradict each other, JSON nested without end. No answer may be a 500, and
every request must end within a time limit: with an answer, or, where the rest of it never comes, with the client's
leaving. Exit code 1 if not.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from gateway.demo.fetch import get_json
from gateway.demo.processes import free_port, running

LIMIT_S = 8.0
PATIENCE_S = 1.0
CONCURRENCY = 16
PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/tasks/a/inputs",
    "/v1/route",
)
HEADERS = (
    "x-task-id: t",
    "x-task-id: ",
    "x-task-id: \xff\xfe",
    "x-request-id: a b",
    "authorization: Bearer x",
    "content-encoding: gzip",
    "transfer-encoding: chunked",
    "content-length: 5",
    "content-length: -1",
    "content-length: 99999999999999999999",
    "expect: 100-continue",
    "upgrade: websocket",
    "connection: close, upgrade",
    "x-benchroute-total-s: nan",
    "x-benchroute-connect-s: 1e-9",
    "host: \x00",
    "a" * 9000 + ": b",
    "x: " + "y" * 70_000,
)
BODIES: tuple[Any, ...] = (
    {"model": "auto", "messages": [{"role": "user", "content": "hi"}]},
    {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True, "metadata": {"task_id": "t"}},
    {"model": "task/x", "messages": [{"role": "user", "content": [{"type": "text", "text": "\ud83d"}]}], "n": 2**70},
    {"model": "m", "prompt": ["a", "b"], "input": [{"role": "user", "content": []}]},
    {"inputs": ["a", {"messages": [{"role": "user", "content": "b"}]}], "task": "t"},
)


@dataclass
class Found:
    """What came back. statuses: status -> how often; faults: what must not be."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("results/fuzz.json"))
    given = parser.parse_args()
    work = given.results.parent / "fuzz"
    work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    port, upstream = free_port(), free_port()
    (work / "config.yaml").write_text(yaml.safe_dump(_config(work, upstream)))
    arguments = ["gateway.cli", "serve", "--config", str(work / "config.yaml"), "--port", str(port)]
    with running("the gateway", arguments, work / "gateway.log", {}) as child:
        child.wait_until(lambda: get_json(port, "/health/live") is not None, 30)
        found, memory = asyncio.run(_fuzz(port, upstream, given.requests, given.seed, _pid(port)))
        child.check()
    report = {
        "requests": given.requests,
        "seed": given.seed,
        "statuses": dict(sorted(found.statuses.items())),
        "faults": found.faults[:50],
        "n_faults": len(found.faults),
        "memory_mb": memory,
        "elapsed_s": round(time.monotonic() - begun, 1),
    }
    given.results.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 1 if found.faults else 0


def _config(work: Path, upstream: int) -> dict[str, Any]:
    backend = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1"}
    return {
        "models": [{"name": "m", "backends": [backend]}],
        "state": {"url": f"sqlite:///{(work / 'state.db').resolve()}"},
        "server": {"max_body_bytes": 200_000},
        "upstream": {"limits": {"total_s": 2}, "breaker": {"consecutive_faults": 10**6, "min_requests": 10**6}},
    }


def _pid(port: int) -> int | None:
    """The gateway's process, by the port it listens on; None where the system does not say."""
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = status.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"serve" in command and str(port).encode() in command:
            return int(status.parent.name)
    return None


async def _fuzz(port: int, upstream: int, count: int, seed: int, pid: int | None) -> tuple[Found, dict[str, float]]:
    runner = web.AppRunner(_backend())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", upstream).start()
    found, draw, memory = Found(), random.Random(seed), {}
    waiting = iter(range(count))

    async def worker() -> None:
        for place in waiting:
            request = mutated(draw)
            await _send(port, request, found)
            if pid is not None and place in (count // 10, count - 1):
                memory[f"after {place + 1}"] = _memory_mb(pid)

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    await runner.cleanup()
    return found, memory


def _backend() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"choices": [{"message": {"content": "ok"}}], "usage": {"prompt_tokens": 1}})

    app = web.Application(client_max_size=10**7)
    app.router.add_post("/v1/{path:.*}", answer)
    return app


def mutated(draw: random.Random) -> bytes:
    """One request with something, often several things, wrong."""
    body = _body(draw)
    lines = [f"POST {draw.choice(PATHS)} HTTP/1.1", "host: x", "content-type: application/json"]
    if draw.random() < 0.85:
        lines.append(f"content-length: {len(body)}")
    lines += draw.sample(HEADERS, draw.choice((0, 0, 0, 1, 1, 2)))
    lines.append("connection: close")
    request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    return _flipped(draw, request) if draw.random() < 0.3 else request


def _body(draw: random.Random) -> bytes:
    kind = draw.random()
    body = json.dumps(draw.choice(BODIES)).encode()
    if kind < 0.3:
        return body
    if kind < 0.6:
        return _flipped(draw, body)
    if kind < 0.7:
        return body[: draw.randrange(len(body))]
    if kind < 0.8:
        depth = draw.choice((10, 1000, 50_000))
        return b'{"model":"auto","messages":' + b"[" * depth + b"]" * draw.choice((0, depth)) + b"}"
    if kind < 0.9:
        return draw.randbytes(draw.randrange(300))
    return (
        b'{"model":"auto","messages":[{"role":"user","content":"'
        + b"x" * draw.choice((1000, 199_000, 300_000))
        + b'"}]}'
    )


def _flipped(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(changed))
        how = draw.random()
        if how < 0.5:
            changed[at] = draw.randrange(256)
        elif how < 0.75:
            del changed[at : at + draw.randrange(1, 8)]
        else:
            changed[at:at] = changed[max(0, at - 8) : at]
        if not changed:
            changed = bytearray(b"x")
    return bytes(changed)


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


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
