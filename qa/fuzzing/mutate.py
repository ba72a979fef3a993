"""One request with something, often several things, wrong: bytes flipped, cut, repeated, headers that contradict each
other, JSON nested without end.
"""

import json
import random
from typing import Any

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


def mutate_request(draw: random.Random) -> bytes:
    """Return one request with one or several defects."""
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
