"""A bare socket: what stands on the wire, byte for byte."""

from collections.abc import Callable
from typing import Any

from qa.conformance.checks import Check, equal, holds
from qa.conformance.clients.material import TOOLS, chat_body
from qa.conformance.http.cases import head
from qa.conformance.http.connection import Answer, Connection
from qa.conformance.servers import Target

SUITE = "raw socket"
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
OWN = ("task", "model", "backend", "reason", "decision", "attempts", "overhead-ms")


def _asked(target: Target, mark: str, **more: Any) -> Answer:
    data = chat_body(mark, **more)
    with Connection(target.port) as connection:
        connection.send(head("content-type: application/json", f"content-length: {len(data)}") + data)
        return connection.answer()


def _bytes(name: str, more: dict[str, Any], hidden: bool = False) -> Callable[[Target], str]:
    """The answer's bytes are the upstream's. hidden: apart from the event that only the gateway asked for."""

    def run(target: Target) -> str:
        mark = f"raw-{name}"
        answer = _asked(target, mark, **more)
        (exchange,) = target.exchanges(mark)
        sent = _shown(exchange.sent) if hidden else exchange.sent
        equal(answer.body, sent, "the body")
        missing = [one for one in OWN if answer.header(f"x-benchroute-{one}") is None]
        holds(not missing, f"headers are missing: {missing}")
        holds(
            answer.header("set-cookie") is None and answer.header("server") is None, "the upstream's own headers came"
        )
        return f"{len(answer.body)} bytes as sent, {answer.header('content-type')}"

    return run


def _shown(sent: bytes) -> bytes:
    return b"".join(event + b"\n\n" for event in sent.split(b"\n\n")[:-1] if b'"choices":[],' not in event)


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
    _check("members nobody knows", "unheard_of: {…}, a 30-digit number", {"unheard_of": {"a": [None]}, "big": 10**30}),
)
