"""A case as data: bytes to send, expected responses, number of upstream requests."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qa.conformance.checks import Check, Mismatch, Recorded, expect_true
from qa.conformance.http.connection import Connection, ConnectionClosed, MalformedResponse, Response, ResponseTimeout
from qa.conformance.servers import KEY, Target

CLOSES_S = 3.0
MODEL = "gpt-conformance"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of s seconds between two writes."""

    s: float


Step = bytes | Pause


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected result of a case.

    Attributes:
        statuses: for each response, the allowed statuses.
        reached: allowed numbers of upstream requests.
        ends: True if the connection must then close, False if it must answer another request, None for either.
        or_just_close: the connection may close without a response.
        envelope: errors must have OpenAI's envelope.
        to_head: the responses are to HEAD, so they have no body.
        allow: a 405 must have the header Allow.
    """

    statuses: Sequence[Sequence[int]]
    reached: Sequence[int]
    ends: bool | None = None
    or_just_close: bool = False
    envelope: bool = False
    to_head: bool = False
    allow: bool = False

    def __str__(self) -> str:
        statuses = ", ".join("/".join(map(str, allowed)) for allowed in self.statuses) or "nothing"
        closing = {True: "then closed", False: "then usable again", None: ""}[self.ends]
        reached = f"upstream asked {'/'.join(map(str, self.reached))} times"
        return "; ".join(part for part in (statuses, closing, reached) if part)


OK = Expected([[200]], [1], ends=False)
REFUSED = Expected([[400]], [0], ends=True)
REFUSED_OR_ONE = Expected([[200, 400]], [0, 1])


def body(mark: str, text: str = "hello", **more: object) -> bytes:
    """Return the body of a chat completion with the marker."""
    messages = [{"role": "user", "content": f"{text} {mark}"}]
    return json.dumps({"model": MODEL, "messages": messages, **more}).encode()


def head(*lines: str, method: str = "POST", target: str = "/v1/chat/completions", version: str = "HTTP/1.1") -> bytes:
    """Return a request head: Host, key, then these lines unchanged."""
    own = (f"{method} {target} {version}", "host: conformance", f"authorization: Bearer {KEY}")
    return "\r\n".join([*own, *lines, "", ""]).encode("latin-1")


def post(mark: str, *lines: str, text: str = "hello", **more: object) -> bytes:
    """Return a valid request with these extra header lines."""
    data = body(mark, text, **more)
    return head("content-type: application/json", f"content-length: {len(data)}", *lines) + data


def marker(suite: str, name: str) -> str:
    """Return the case's marker, by which the upstream finds its requests."""
    return "mark-" + "".join(letter if letter.isalnum() else "-" for letter in f"{suite}-{name}") + "-end"


def make_case(
    suite: str, name: str, why: str, write: Callable[[str], Sequence[Step]], expected: Expected = REFUSED
) -> Check:
    """Create a check of the sweep. write: returns the steps for a marker."""
    mark = marker(suite, name)
    steps = write(mark)

    def run(target: Target) -> str:
        with Connection(target.port) as connection:
            _write(connection, steps)
            responses = _answers(connection, expected)
            ending = _ending(connection, expected, mark) if len(responses) == len(expected.statuses) else "closed"
        reached = len(target.exchanges(mark)) - (ending == "usable")
        statuses = ", ".join(str(response.status) for response in responses) or "no answer"
        observed = f"{statuses}; {ending}; upstream asked {reached} times"
        expect_true(reached in expected.reached, observed)
        return observed

    return Check(suite, name, _shown(steps), str(expected), run, why)


def record_case(suite: str, name: str, why: str, sent: str, run: Callable[[Target], str]) -> Check:
    """Create a check without a rule: the result is recorded."""

    def tell(target: Target) -> str:
        raise Recorded(run(target))

    return Check(suite, name, sent, "recorded", tell, why)


def _write(connection: Connection, steps: Sequence[Step]) -> None:
    for step in steps:
        if isinstance(step, Pause):
            time.sleep(step.s)
        else:
            connection.send(step)


def _answers(connection: Connection, expected: Expected) -> list[Response]:
    responses: list[Response] = []
    for allowed in expected.statuses:
        try:
            response = connection.read_response(expected.to_head)
        except ConnectionClosed as ended:
            if expected.or_just_close and not ended.cut:
                return responses
            raise Mismatch(f"after {[one.status for one in responses]}: {ended}") from ended
        except (ResponseTimeout, MalformedResponse) as error:
            raise Mismatch(f"after {[one.status for one in responses]}: {error}") from error
        responses.append(response)
        expect_true(response.status in allowed, f"status {response.status}: {response.body[:200]!r}")
        if expected.envelope and response.status >= 400:
            expect_true(
                is_envelope(response.body), f"{response.status} without OpenAI's envelope: {response.body[:200]!r}"
            )
        if expected.allow and response.status == 405:
            expect_true(response.header("allow") is not None, "405 without Allow")
    return responses


def is_envelope(data: bytes) -> bool:
    """Return True for an error in OpenAI's envelope."""
    try:
        return {"message", "type", "param", "code"} <= set(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return False


def _ending(connection: Connection, expected: Expected, mark: str) -> str:
    """Return the state of the connection after the responses: usable, closed or open."""
    if expected.ends is False:
        connection.send(post(mark))
        try:
            again = connection.read_response()
        except (ConnectionClosed, ResponseTimeout, MalformedResponse) as error:
            raise Mismatch(f"another request on the connection: {error}") from error
        expect_true(again.status == 200, f"another request on the connection: {again.status} {again.body[:200]!r}")
        return "usable"
    try:
        closed = connection.is_closed_within(CLOSES_S if expected.ends else 0.2)
    except MalformedResponse as error:
        raise Mismatch(f"{error}") from error
    expect_true(closed or expected.ends is None, "the connection stays open")
    return "closed" if closed else "open"


def _shown(steps: Sequence[Step]) -> str:
    parts = [f"[{step.s:g} s]" if isinstance(step, Pause) else repr(step)[2:-1] for step in steps]
    text = " | ".join(parts[:12]).replace(KEY, "KEY")
    return text if len(text) <= 500 else f"{text[:500]}… ({sum(len(s) for s in steps if isinstance(s, bytes))} bytes)"
