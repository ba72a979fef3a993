"""A raw socket: bytes on the wire."""

from collections.abc import Callable
from typing import Any

from qa.conformance.checks import Check, expect_equal, expect_true
from qa.conformance.clients.material import TOOLS, chat_body
from qa.conformance.http.cases import head
from qa.conformance.http.connection import Connection, Response
from qa.conformance.servers import Target

SUITE = "raw socket"
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
OWN = ("task", "model", "backend", "reason", "decision", "attempts", "overhead-ms")


def _asked(target: Target, mark: str, **more: Any) -> Response:
    data = chat_body(mark, **more)
    with Connection(target.port) as connection:
        connection.send(head("content-type: application/json", f"content-length: {len(data)}") + data)
        return connection.read_response()


def _bytes(name: str, more: dict[str, Any], hidden: bool = False) -> Callable[[Target], str]:
    """Compare the response with the upstream's bytes. hidden: without the event that only the gateway asked for."""

    def run(target: Target) -> str:
        mark = f"raw-{name}"
        response = _asked(target, mark, **more)
        (exchange,) = target.exchanges(mark)
        sent = _shown(exchange.sent) if hidden else exchange.sent
        expect_equal(response.body, sent, "the body")
        missing = [one for one in OWN if response.header(f"x-benchroute-{one}") is None]
        expect_true(not missing, f"headers are missing: {missing}")
        expect_true(
            response.header("set-cookie") is None and response.header("server") is None,
            "the upstream's own headers came",
        )
        return f"{len(response.body)} bytes as sent, {response.header('content-type')}"

    return run


def _shown(sent: bytes) -> bytes:
    shown = b"".join(event + b"\n\n" for event in sent.split(b"\n\n")[:-1] if b'"choices":[],' not in event)
    return shown.replace(b',"usage":null', b"")


def _check(name: str, sent: str, more: dict[str, Any], hidden: bool = False) -> Check:
    return Check(
        SUITE, name, sent, "the upstream's bytes, and our headers", _bytes(name.replace(" ", "-"), more, hidden)
    )


CHECKS = (
    _check("whole", "a chat completion", {}),
    _check("stream", "stream: true", {"stream": True}, hidden=True),
    _check("stream with usage", "stream_options.include_usage", WITH_USAGE),
    _check("stream of tool calls", "tools, stream, include_usage", {**WITH_USAGE, "tools": TOOLS}),
    _check("stream of three", "n: 3, logprobs, stream, include_usage", {**WITH_USAGE, "n": 3, "logprobs": True}),
    _check("unknown members", "unheard_of: {…}, a 30-digit number", {"unheard_of": {"a": [None]}, "big": 10**30}),
)
