"""A case as data: what is written, what must come, how often the upstream may have been asked."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qa.conformance.checks import Check, Recorded, Unequal, holds
from qa.conformance.http.connection import Answer, Connection, Ended, Garbled, Silent
from qa.conformance.servers import KEY, Target

CLOSES_S = 3.0
MODEL = "gpt-conformance"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is written for a while."""

    s: float


Step = bytes | Pause


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must come. statuses: what each answer may be; reached: how often the upstream may have been asked.

    ends: True where the connection must then be closed, False where it must answer another request, None where both
    are right. or_just_close: the connection may be closed without an answer. envelope: a refusal must be told as
    OpenAI tells it. to_head: the answers are to HEAD, so they have no body. allow: a 405 must name what is allowed.
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


OK = Wanted([[200]], [1], ends=False)
REFUSED = Wanted([[400]], [0], ends=True)
REFUSED_OR_ONE = Wanted([[200, 400]], [0, 1])


def body(mark: str, text: str = "hello", **more: object) -> bytes:
    """A chat completion's body that holds the marker."""
    said = [{"role": "user", "content": f"{text} {mark}"}]
    return json.dumps({"model": MODEL, "messages": said, **more}).encode()


def head(*lines: str, method: str = "POST", target: str = "/v1/chat/completions", version: str = "HTTP/1.1") -> bytes:
    """A request's head: host and key, then these lines as they stand."""
    own = (f"{method} {target} {version}", "host: conformance", f"authorization: Bearer {KEY}")
    return "\r\n".join([*own, *lines, "", ""]).encode("latin-1")


def post(mark: str, *lines: str, text: str = "hello", **more: object) -> bytes:
    """A request as it should be, with these header lines more."""
    data = body(mark, text, **more)
    return head("content-type: application/json", f"content-length: {len(data)}", *lines) + data


def marker(suite: str, name: str) -> str:
    """The case's marker, by which the upstream finds its requests."""
    return "mark-" + "".join(letter if letter.isalnum() else "-" for letter in f"{suite}-{name}") + "-end"


def case(suite: str, name: str, why: str, write: Callable[[str], Sequence[Step]], wanted: Wanted = REFUSED) -> Check:
    """A check of the sweep. write: from the marker, the steps."""
    mark = marker(suite, name)
    steps = write(mark)

    def run(target: Target) -> str:
        with Connection(target.port) as connection:
            _write(connection, steps)
            answers = _answers(connection, wanted)
            ending = _ending(connection, wanted, mark) if len(answers) == len(wanted.statuses) else "closed"
        reached = len(target.exchanges(mark)) - (ending == "usable")
        told = ", ".join(str(answer.status) for answer in answers) or "no answer"
        came = f"{told}; {ending}; upstream asked {reached} times"
        holds(reached in wanted.reached, came)
        return came

    return Check(suite, name, _shown(steps), str(wanted), run, why)


def recorded(suite: str, name: str, why: str, sent: str, run: Callable[[Target], str]) -> Check:
    """A check without a rule: what comes is recorded."""

    def tell(target: Target) -> str:
        raise Recorded(run(target))

    return Check(suite, name, sent, "recorded", tell, why)


def _write(connection: Connection, steps: Sequence[Step]) -> None:
    for step in steps:
        if isinstance(step, Pause):
            time.sleep(step.s)
        else:
            connection.send(step)


def _answers(connection: Connection, wanted: Wanted) -> list[Answer]:
    answers: list[Answer] = []
    for allowed in wanted.statuses:
        try:
            answer = connection.answer(wanted.to_head)
        except Ended as ended:
            if wanted.or_just_close and not ended.cut:
                return answers
            raise Unequal(f"after {[one.status for one in answers]}: {ended}") from ended
        except (Silent, Garbled) as error:
            raise Unequal(f"after {[one.status for one in answers]}: {error}") from error
        answers.append(answer)
        holds(answer.status in allowed, f"{answer.status} came: {answer.body[:200]!r}")
        if wanted.envelope and answer.status >= 400:
            holds(is_envelope(answer.body), f"{answer.status} without OpenAI's envelope: {answer.body[:200]!r}")
        if wanted.allow and answer.status == 405:
            holds(answer.header("allow") is not None, "405 without Allow")
    return answers


def is_envelope(data: bytes) -> bool:
    """Whether an error is told as OpenAI tells it."""
    try:
        return {"message", "type", "param", "code"} <= set(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return False


def _ending(connection: Connection, wanted: Wanted, mark: str) -> str:
    """What becomes of the connection."""
    if wanted.ends is False:
        connection.send(post(mark))
        try:
            again = connection.answer()
        except (Ended, Silent, Garbled) as error:
            raise Unequal(f"another request on the connection: {error}") from error
        holds(again.status == 200, f"another request on the connection: {again.status} {again.body[:200]!r}")
        return "usable"
    try:
        closed = connection.closes(CLOSES_S if wanted.ends else 0.2)
    except Garbled as error:
        raise Unequal(f"{error}") from error
    holds(closed or wanted.ends is None, "the connection stays open")
    return "closed" if closed else "open"


def _shown(steps: Sequence[Step]) -> str:
    parts = [f"[{step.s:g} s]" if isinstance(step, Pause) else repr(step)[2:-1] for step in steps]
    text = " | ".join(parts[:12]).replace(KEY, "KEY")
    return text if len(text) <= 500 else f"{text[:500]}… ({sum(len(s) for s in steps if isinstance(s, bytes))} bytes)"
