"""What clients see, and what is recorded, when backends fail: the fault table.

A gateway of its own, with limits of half a second, stands in front of `upstream.faulty`. Every fault is met twice: with
another model to go to, and alone.
"""

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process
from qa.conformance.checks import Check, Outcome, equal, holds, run_checks
from qa.conformance.servers import READY_S, Target
from qa.conformance.upstream.faulty import BEHAVIOURS

BEFORE, STREAMS = "backends: before the first byte", "backends: in a stream"
RULE = "DESIGN: a failure before the first byte goes to the next model, one after it never ends cleanly"
LIMIT_S = 0.5
REUSES = 50
COUNTED = re.compile(r'^benchroute_upstream_attempts_total\{backend="([^"/]+)/\d+",outcome="(\w+)"\} ([\d.]+)', re.M)

FAILING: Mapping[str, tuple[int, str, str]] = {
    "refused": (502, "upstream_failed", "unreachable"),
    "unreachable": (504, "upstream_timeout", "timeout"),
    "silent": (502, "upstream_failed", "broken"),
    "stalls": (504, "upstream_timeout", "timeout"),
    "garbage": (502, "upstream_failed", "broken"),
    "html": (502, "upstream_failed", "broken"),
    "half": (502, "upstream_failed", "broken"),
    "e429": (429, "upstream_busy", "status"),
    **{f"e{n}": (502, "upstream_failed", "status") for n in (401, 403, 404, 408, 409, 425, 500, 502, 503, 529)},
}
"""Fault -> what a client gets that has no other model, and what is recorded of the backend."""

BROKEN = ("dies-in-stream", "no-done", "bad-chunk", "stalls-in-stream", "trickles")


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one request. attempts: what was counted of backends meanwhile, (model, outcome) -> how often."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool
    attempts: Mapping[tuple[str, str], int]

    def told(self) -> str:
        """In one line."""
        recorded = ", ".join(f"{model} {outcome} {count}x" for (model, outcome), count in self.attempts.items())
        end = "" if self.is_whole else ", no clean end"
        answered, tries = self.headers["x-benchroute-model"], self.headers["x-benchroute-attempts"]
        return f"client: {self.status} from {answered} after {tries}{end}; recorded: {recorded}"


def outcomes(work: Path) -> Sequence[Outcome]:
    """The table, from programs started for it."""
    with _programs(work) as target:
        return run_checks(CHECKS, target)


def _goes_on(fault: str, is_stream: bool, target: Target) -> str:
    seen = _asked(target, f"{fault}-then-good", is_stream)
    equal(seen.status, 200, "status")
    equal(seen.headers["x-benchroute-model"], "good", "the model that answered")
    holds(seen.is_whole, "the answer has no clean end")
    holds(seen.attempts.get(("good", "ok")) == 1, f"recorded: {seen.attempts}")
    holds((b"[DONE]" in seen.body) == is_stream, "the whole stream, or none")
    return seen.told()


def _is_told(fault: str, target: Target) -> str:
    status, code, outcome = FAILING[fault]
    seen = _asked(target, f"{fault}-only", False)
    equal((seen.status, json.loads(seen.body)["error"]["code"]), (status, code), "status and code")
    equal(set(seen.attempts), {(fault, outcome)}, "recorded")
    return seen.told()


def _breaks(fault: str, target: Target) -> str:
    seen = _asked(target, f"{fault}-then-good", True)
    equal((seen.status, seen.is_whole), (200, False), "status, and whether the end is clean")
    last = seen.body.strip().split(b"\n\n")[-1]
    equal(json.loads(last.removeprefix(b"data: "))["error"]["code"], "stream_interrupted", "the last event")
    equal(seen.attempts.get((fault, "broke_off")), 1, "recorded as broken off")
    return seen.told()


def _refusal(target: Target) -> str:
    seen = _asked(target, "e400-then-good", False)
    equal((seen.status, seen.headers["x-benchroute-model"]), (400, "e400"), "status and model")
    return seen.told()


def _reused(target: Target) -> str:
    """A kept connection that its backend has closed in the meantime is nobody's fault. One right after the other."""
    seen: Counter[tuple[int, str | None]] = Counter()
    connection = HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        for _ in range(REUSES):
            answer = _posted(connection, "closes-only", False)
            answer.read()
            seen[answer.status, answer.getheader("x-benchroute-attempts")] += 1
    finally:
        connection.close()
    equal(dict(seen), {(200, "1"): REUSES}, "statuses and attempts")
    return f"client: {REUSES} times 200 after 1"


def _retry_after(target: Target) -> str:
    seen = _asked(target, "e429-only", False)
    equal(seen.headers.get("retry-after"), "7", "Retry-After")
    return seen.told()


CHECKS = (
    *(
        Check(
            BEFORE,
            f"{fault}, {'streamed' if is_stream else 'whole'}, another model",
            fault,
            "200 from the next model",
            partial(_goes_on, fault, is_stream),
            RULE,
        )
        for fault in FAILING
        for is_stream in (False, True)
        if not (is_stream and fault in ("html", "half"))
    ),
    Check(
        BEFORE,
        "empty-stream, streamed, another model",
        "empty-stream",
        "200 from the next model",
        partial(_goes_on, "empty-stream", True),
        RULE,
    ),
    *(
        Check(BEFORE, f"{fault}, alone", fault, f"{status} {code}", partial(_is_told, fault), RULE)
        for fault, (status, code, _) in FAILING.items()
    ),
    Check(BEFORE, "e400, another model", "e400", "the client's own fault goes back to it", _refusal, RULE),
    Check(BEFORE, "closes, alone", "closes", "another connection, without a word", _reused, RULE),
    Check(BEFORE, "e429, alone: when to come back", "e429", "the backend's Retry-After", _retry_after, "RFC 6585, 4"),
    *(Check(STREAMS, fault, fault, "an error event, no clean end", partial(_breaks, fault), RULE) for fault in BROKEN),
)


def _asked(target: Target, task: str, is_stream: bool) -> Seen:
    before = _counts(target)
    connection = HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        answer = _posted(connection, task, is_stream)
        read, is_whole = _read(answer)
        told = {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
    time.sleep(0.02)  # the books are closed after the last byte
    after = _counts(target)
    grown = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    return Seen(answer.status, told, read, is_whole, grown)


def _posted(connection: HTTPConnection, task: str, is_stream: bool) -> HTTPResponse:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": is_stream}
    headers = {"content-type": "application/json", "x-task-id": task}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return connection.getresponse()


def _read(answer: HTTPResponse) -> tuple[bytes, bool]:
    try:
        return answer.read(), True
    except IncompleteRead as error:
        return error.partial, False


def _counts(target: Target) -> dict[tuple[str, str], int]:
    connection = HTTPConnection("127.0.0.1", target.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {(model, outcome): int(float(count)) for model, outcome, count in COUNTED.findall(text)}


@contextmanager
def _programs(work: Path) -> Iterator[Target]:
    work.mkdir(parents=True, exist_ok=True)
    for leftover in work.glob("faults.db*"):
        leftover.unlink()
    upstream, port = free_port(), free_port()
    with _deaf() as deaf:
        config = work / "faults.yaml"
        config.write_text(yaml.safe_dump(_config(work, upstream, deaf)))
        serving = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
        faulty = ["qa.conformance.upstream.faulty", str(upstream)]
        with (
            run_process("the backends", faulty, work / "faulty.log", {}),
            run_process("the gateway", serving, work / "faults.log", {}) as child,
        ):
            child.wait_until(lambda: get_json(port, "/health/live") is not None, READY_S)
            yield Target(port, upstream, work.resolve(), work)
            child.check()


@contextmanager
def _deaf() -> Iterator[int]:
    """A port that lets nobody in: its queue of connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = int(listening.getsockname()[1])
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for one in waiting:
                one.close()


def _config(work: Path, upstream: int, deaf: int) -> dict[str, Any]:
    ports = {"refused": free_port(), "unreachable": deaf, **dict.fromkeys(reversed([*BEHAVIOURS]), upstream)}
    models = [
        {"name": name, "backends": [{"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}]}
        for name, port in ports.items()
    ]
    faults = [name for name in ports if name != "good"]
    then = {f"{name}-then-good": {"candidates": [name, "good"]} for name in faults}
    return {
        "models": models,
        "tasks": then | {f"{name}-only": {"candidates": [name]} for name in faults},
        "state": {"url": f"sqlite:///{(work / 'faults.db').resolve()}"},
        "upstream": {
            "retries": 0,
            "timeouts": {
                "connect_s": LIMIT_S,
                "first_byte_s": LIMIT_S,
                "between_chunks_s": LIMIT_S,
                "total_s": 3 * LIMIT_S,
            },
            "breaker": {"consecutive_faults": 10**6, "min_requests": 10**6},
        },
    }
