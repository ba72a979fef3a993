"""A gateway process on one of the two entrances, and everything that one request leaves behind in it.

`observe` asks and returns plain data: what the client got, what the backend was asked, which counters of /metrics
moved, the backend's state, the usage booked, and the log. What depends on time alone is taken out.
"""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.gateway.asking import ask
from tests.gateway.waiting import eventually
from tests.parity.backend import End, ScriptedBackend
from tests.parity.rows import Client, Row

ENTRANCES = ("express", "asgi")
KEEPALIVE_S = 0.3
LIMITS = {"connect_s": 2, "first_byte_s": 5, "between_chunks_s": 5}
USD_1_A_TOKEN = {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 1_000_000}

TIMED_HEADERS = ("date", "x-benchroute-overhead-ms", "x-request-id")
TIMED_SAMPLES = re.compile(r"_(sum|bucket|created)($|\{)|event_loop_lag|request_log_written")
OWN_ID = re.compile(r"req_[0-9a-f]{24}")
TIMED_MEMBERS = re.compile(r"(_ms|_s|^seconds|^at|^request_id)$")


def configuration(
    entrance: str, rows: Sequence[Row], backends: Mapping[str, ScriptedBackend], folder: Path, grace_s: float
) -> str:
    """config.yaml of a gateway with a model a row. One failure opens a breaker, and it stays open."""

    def model(row: Row) -> dict[str, Any]:
        listed = [{"kind": "openai", "base_url": backends[row.name].base_url, "speaks_messages": row.speaks_messages}]
        return {"name": row.name, "price": USD_1_A_TOKEN, "timeouts": dict(row.limits), "backends": listed}

    return yaml.safe_dump(
        {
            "models": [model(row) for row in rows],
            "tasks": {row.name: policy(row) for row in rows},
            "state": {"url": f"sqlite:///{folder}/state.db"},
            "server": {"lane": entrance, "shutdown_grace_s": grace_s, "max_body_bytes": 4096},
            "upstream": {
                "timeouts": LIMITS,
                "retries": 0,
                "keepalive_s": KEEPALIVE_S,
                "breaker": {"consecutive_faults": 1, "open_s": 600},
            },
            "metrics": {"max_tasks": 1000},
            "log": {"format": "json", "requests": "all"},
        }
    )


def policy(row: Row) -> dict[str, Any]:
    """What holds for a row's task."""
    candidates = [row.name, row.falls_back] if row.falls_back else [row.name]
    return {"candidates": candidates, "pin": row.name, **row.policy}


@dataclass(frozen=True)
class Entrance:
    """A running gateway.

    Attributes:
        name: Its `server.lane`.
        url: Without /v1.
        backends: By the name of the row.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    backends: Mapping[str, ScriptedBackend]

    def log(self) -> list[dict[str, Any]]:
        """Its log so far."""
        *lines, _ = (self.folder / "log").read_text().split("\n")
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """As an init system does, and wait for its end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


@contextlib.contextmanager
def running_entrance(
    name: str, rows: Sequence[Row], backends: Mapping[str, ScriptedBackend], folder: Path, grace_s: float = 10
) -> Iterator[Entrance]:
    """`benchroute serve` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yaml").write_text(configuration(name, rows, backends, folder, grace_s))
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(folder / "config.yaml")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log)
    entrance = Entrance(name, f"http://127.0.0.1:{port}", process, folder, backends)
    try:
        eventually(lambda: is_live(entrance))
        yield entrance
    finally:
        process.kill()
        process.wait()


def is_live(entrance: Entrance) -> bool:
    assert entrance.process.poll() is None, (entrance.folder / "log").read_text()
    try:
        return ask(entrance.url, "/health/live").status == 200
    except OSError:
        return False


def observe(entrance: Entrance, row: Row) -> dict[str, Any]:
    """Ask a row's requests, one after the other, and return everything they left behind."""
    backend, before, lines = entrance.backends[row.name], counters(entrance.url), len(entrance.log())
    answers = [send(entrance.url, row, lambda: backend.asked) for _ in range(row.requests)]
    eventually(lambda: len(request_lines(entrance.log()[lines:])) >= row.requests, 5)
    if any(End.STALL in script for script in row.scripts):
        eventually(lambda: backend.abandoned, 5)
    return {
        "answers": answers,
        "asked": list(backend.asked),
        "abandoned": backend.abandoned,
        "metrics": moved(before, counters(entrance.url)),
        **state_of(entrance.url, row.name),
        "log": told(entrance.log()[lines:]),
    }


@contextlib.contextmanager
def sent(url: str, row: Row) -> Iterator[http.client.HTTPConnection]:
    """A row's request on a connection of its own; half of its body where the client never sends the rest."""
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=15)) as connection:
        headers = {"content-type": "application/json", "x-task-id": row.name, "x-request-id": row.name, **row.headers}
        body = row.body()
        half = body[: len(body) // 2] if row.client is Client.UPLOADS_HALF else body
        connection.request("POST", row.path, half, {"content-length": str(len(body)), **headers})
        yield connection


def send(url: str, row: Row, asked: Callable[[], object]) -> dict[str, Any]:
    """One request, and what its client gets; of a client that leaves, the head alone."""
    with sent(url, row) as connection:
        if row.client is Client.STAYS:
            return received(connection)
        eventually(asked)
        if not row.until:
            return {}
        eventually(lambda: row.until in connection.sock.recv(65_536, socket.MSG_PEEK))
        return head_of(connection.getresponse())


def received(connection: http.client.HTTPConnection) -> dict[str, Any]:
    """The answer on a connection, to its end. cut: it ended in the middle."""
    try:
        response = connection.getresponse()
    except http.client.HTTPException as error:
        return {"status": None, "error": type(error).__name__}
    is_cut = False
    try:
        body = response.read()
    except http.client.IncompleteRead as error:
        body, is_cut = error.partial, True
    shown = re.sub(rb"(?:: keepalive\n\n)+", b": keepalive\n\n", body)  # how many there are is a matter of time
    return {**head_of(response), "body": shown, "cut": is_cut}


def head_of(response: http.client.HTTPResponse) -> dict[str, Any]:
    """The status, and the values of every header by name."""
    pairs = response.getheaders()
    values = {name: sorted(value for other, value in pairs if other == name) for name, _ in pairs}
    timeless = {name: ["a time"] * len(values[name]) for name in TIMED_HEADERS if name in values}
    return {"status": response.status, "headers": values | timeless}


def counters(url: str) -> dict[str, float]:
    """Every sample of /metrics, by name and labels, but for those that tell durations."""
    samples = [line.rpartition(" ") for line in ask(url, "/metrics").body.decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in samples if not TIMED_SAMPLES.search(name)}


def moved(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """By how much every sample moved that did."""
    steps = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: step for name, step in steps.items() if step}


def state_of(url: str, name: str) -> dict[str, Any]:
    """A row's backend as /v1/backends shows it, and what /v1/usage and /v1/activity have booked on its task."""
    backends = [one for one in ask(url, "/v1/backends").json["data"] if one["model"] == name]
    booked = [one for one in ask(url, "/v1/usage?by=task").json["data"] if one["task"] == name]
    activity = ask(url, f"/v1/activity?task={name}").json
    return {"backend": timeless(backends), "usage": booked, "activity": timeless(activity["total"])}


def request_lines(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [line for line in lines if line["logger"].endswith(".request") and "request_id" in line]


def told(lines: Sequence[Mapping[str, Any]]) -> Any:
    """The lines of requests in full, and every other warning; without what depends on time."""
    requests = request_lines(lines)
    others = [line for line in lines if line not in requests and line["level"] not in ("debug", "info")]
    return timeless([*requests, *others])


def timeless(data: Any) -> Any:
    """JSON whose durations and times are replaced by their types, and the gateway's own IDs by one."""
    if isinstance(data, dict):
        return {
            name: type(value).__name__ if TIMED_MEMBERS.search(name) else timeless(value)
            for name, value in data.items()
        }
    if isinstance(data, str):
        return OWN_ID.sub("req_ID", data)
    return [timeless(one) for one in data] if isinstance(data, list) else data


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two observations differ, each with its path and both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        pairs = [(f"{place}.{name}", one.get(name, "absent"), other.get(name, "absent")) for name in names]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{place}[{at}]", left, right) for at, (left, right) in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [f"{place.lstrip('.')}: {one!r} != {other!r}"]
    return [found for where, left, right in pairs for found in differences(left, right, where)]


def code_of(body: bytes) -> str | None:
    """The code of an error envelope, alone or in a stream's last event."""
    last = body.rstrip().rpartition(b"data: ")[2] if b"data: " in body else body
    try:
        told = json.loads(last)
    except ValueError:
        return None
    return told["error"]["code"] if isinstance(told, dict) and "error" in told else None
