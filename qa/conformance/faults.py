"""The fault table: the client's view and the metrics when backends fail.

A second gateway with timeouts of half a second runs in front of `upstream.faulty`. Every fault occurs twice: with a
fallback model, and without.
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
from qa.conformance.checks import Check, Outcome, expect_equal, expect_true, run_checks
from qa.conformance.servers import READY_S, Target
from qa.conformance.upstream.faulty import BEHAVIOURS

BEFORE, STREAMS = "backends: before the first byte", "backends: in a stream"
RULE = "DESIGN: a failure before the first byte goes to the next model, one after it never ends cleanly"
LIMIT_S = 0.5
REUSES = 50
COUNTED = re.compile(r'^benchroute_upstream_attempts_total\{backend="([^"/]+)/\d+",outcome="(\w+)"\} ([\d.]+)', re.M)

FAILING: Mapping[str, tuple[int, str | None, str]] = {
    "refused": (502, "upstream_failed", "unreachable"),
    "unreachable": (504, "upstream_timeout", "timeout"),
    "silent": (502, "upstream_failed", "broken"),
    "stalls": (504, "upstream_timeout", "timeout"),
    "garbage": (502, "upstream_failed", "broken"),
    "html": (502, "upstream_failed", "broken"),
    "half": (502, "upstream_failed", "broken"),
    # The gateway's own credentials are none of the client's business; all other errors are the backend's last word.
    "e401": (502, "upstream_failed", "status"),
    **{f"e{n}": (n, None, "status") for n in (403, 404, 408, 409, 425, 429, 500, 502, 503, 529)},
}
"""Fault -> what a client gets that has no other model, and what is recorded of the backend."""

BROKEN = ("dies-in-stream", "no-done", "bad-chunk", "stalls-in-stream", "trickles")


@dataclass(frozen=True, slots=True)
class FaultResult:
    """The result of one request.

    Attributes:
        status: of the response.
        headers: with lower-case names.
        body: the bytes received.
        is_whole: True if the body ended as its framing announced.
        attempts: (model, outcome) -> increase of the attempts counter during the request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool
    attempts: Mapping[tuple[str, str], int]

    def to_line(self) -> str:
        """Return the result in one line."""
        recorded = ", ".join(f"{model} {outcome} {count}x" for (model, outcome), count in self.attempts.items())
        end = "" if self.is_whole else ", no clean end"
        answered, tries = self.headers["x-benchroute-model"], self.headers["x-benchroute-attempts"]
        return f"client: {self.status} from {answered} after {tries}{end}; recorded: {recorded}"


def run_fault_table(work: Path) -> Sequence[Outcome]:
    """Run the table against programs of its own."""
    with _programs(work) as target:
        return run_checks(CHECKS, target)


def _falls_back(fault: str, is_stream: bool, target: Target) -> str:
    result = _asked(target, f"{fault}-then-good", is_stream)
    expect_equal(result.status, 200, "status")
    expect_equal(result.headers["x-benchroute-model"], "good", "the model that answered")
    expect_true(result.is_whole, "the answer has no clean end")
    expect_true(result.attempts.get(("good", "ok")) == 1, f"recorded: {result.attempts}")
    expect_true((b"[DONE]" in result.body) == is_stream, "the whole stream, or none")
    return result.to_line()


def _fails(fault: str, target: Target) -> str:
    status, code, outcome = FAILING[fault]
    result = _asked(target, f"{fault}-only", False)
    expect_equal((result.status, json.loads(result.body)["error"]["code"]), (status, code), "status and code")
    expect_equal(set(result.attempts), {(fault, outcome)}, "recorded")
    return result.to_line()


def _breaks(fault: str, target: Target) -> str:
    result = _asked(target, f"{fault}-then-good", True)
    expect_equal((result.status, result.is_whole), (200, False), "status, and whether the end is clean")
    last = result.body.strip().split(b"\n\n")[-1]
    expect_equal(json.loads(last.removeprefix(b"data: "))["error"]["code"], "stream_interrupted", "the last event")
    expect_equal(result.attempts.get((fault, "broke_off")), 1, "recorded as broken off")
    return result.to_line()


def _refusal(target: Target) -> str:
    result = _asked(target, "e400-then-good", False)
    expect_equal((result.status, result.headers["x-benchroute-model"]), (400, "e400"), "status and model")
    return result.to_line()


def _reused(target: Target) -> str:
    """A backend that closes an idle connection is no fault: 50 requests in a row, all at the first attempt."""
    counts: Counter[tuple[int, str | None]] = Counter()
    connection = HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        for _ in range(REUSES):
            answer = _posted(connection, "closes-only", False)
            answer.read()
            counts[answer.status, answer.getheader("x-benchroute-attempts")] += 1
    finally:
        connection.close()
    expect_equal(dict(counts), {(200, "1"): REUSES}, "statuses and attempts")
    return f"client: {REUSES} times 200 after 1"


def _retry_after(target: Target) -> str:
    result = _asked(target, "e429-only", False)
    expect_equal(result.headers.get("retry-after"), "7", "Retry-After")
    return result.to_line()


CHECKS = (
    *(
        Check(
            BEFORE,
            f"{fault}, {'streamed' if is_stream else 'whole'}, another model",
            fault,
            "200 from the next model",
            partial(_falls_back, fault, is_stream),
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
        partial(_falls_back, "empty-stream", True),
        RULE,
    ),
    *(
        Check(BEFORE, f"{fault}, alone", fault, f"{status} {code}", partial(_fails, fault), RULE)
        for fault, (status, code, _) in FAILING.items()
    ),
    Check(BEFORE, "e400, another model", "e400", "the client's own fault goes back to it", _refusal, RULE),
    Check(BEFORE, "closes, alone", "closes", "another connection, without a word", _reused, RULE),
    Check(BEFORE, "e429, alone: when to come back", "e429", "the backend's Retry-After", _retry_after, "RFC 6585, 4"),
    *(Check(STREAMS, fault, fault, "an error event, no clean end", partial(_breaks, fault), RULE) for fault in BROKEN),
)


def _asked(target: Target, task: str, is_stream: bool) -> FaultResult:
    before = _counts(target)
    connection = HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        answer = _posted(connection, task, is_stream)
        read, is_whole = _read(answer)
        headers = {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
    time.sleep(0.02)  # metrics are updated after the last byte was sent
    after = _counts(target)
    increases = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    return FaultResult(answer.status, headers, read, is_whole, increases)


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
    with _port_that_times_out() as full_port:
        config = work / "faults.yaml"
        config.write_text(yaml.safe_dump(_config(work, upstream, full_port)))
        serve_command = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
        faulty = ["qa.conformance.upstream.faulty", str(upstream)]
        with (
            run_process("the backends", faulty, work / "faulty.log", {}),
            run_process("the gateway", serve_command, work / "faults.log", {}) as child,
        ):
            child.wait_until(lambda: get_json(port, "/health/live") is not None, READY_S)
            yield Target(port, upstream, work.resolve(), work)
            child.check()


@contextmanager
def _port_that_times_out() -> Iterator[int]:
    """A port whose accept queue is full: connections to it time out."""
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


def _config(work: Path, upstream: int, full_port: int) -> dict[str, Any]:
    ports = {"refused": free_port(), "unreachable": full_port, **dict.fromkeys(reversed([*BEHAVIOURS]), upstream)}
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
