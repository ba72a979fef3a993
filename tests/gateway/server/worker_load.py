"""Workers on a SQLite file as clients and operators see them: requests, changes, limits, and load."""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.server.worker_processes import START_S, Running, answers
from tests.gateway.serving import configuration
from tests.gateway.waiting import eventually

WORKERS = (1, 2)
AS_ADMIN = {"authorization": "Bearer admin", "content_type": "application/json"}
BUDGET_USD = 200
PRICE = {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 1_000_000}
LIMITS: dict[str, dict[str, float]] = {
    "client": {},
    "limited": {"requests_per_minute": 40},
    "budgeted": {"budget_usd_per_day": BUDGET_USD},
    "small": {"budget_usd_per_day": 20},
}


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def text(
    folder: Path,
    upstream: Upstream,
    models: tuple[str, ...] = ("good",),
    state_limits: Mapping[str, Any] = {},
    **sections: Any,
) -> str:
    """Return a configuration. The secret of a key is its name. state_limits: further settings of `state`."""
    read = yaml.safe_load(configuration(upstream.base_url, models, **sections))
    keys = [{"name": name, "sha256": sha256(name), **limits} for name, limits in LIMITS.items()]
    settings = {
        "models": [{**model, "price": PRICE} for model in read["models"]],
        "state": {"url": f"sqlite:///{folder}/state.db", **state_limits},
        "keys": keys,
        "admin": {"keys": [{"name": "admin", "sha256": sha256("admin")}]},
    }
    return yaml.safe_dump({**read, **settings})


def say(url: str, key: str = "client", **headers: str) -> Response:
    return ask(url, body=HELLO, authorization=f"Bearer {key}", **headers)


def manage(url: str, path: str, body: Any = None, method: str | None = None) -> Response:
    return ask(url, path, body, method, **AS_ADMIN)


def both(made: Running) -> list[str]:
    return [made.own(worker) for worker in WORKERS]


def logged(url: str, key: str) -> list[str]:
    """The IDs of a key's requests in the log."""
    return [row["id"] for row in manage(url, f"/v1/requests?limit=100&key={key}").json["data"]]


def spent_usd(url: str, key: str) -> float:
    """What a worker knows that a key has spent today."""
    found = {one["name"]: one["today"]["cost_usd"] for one in manage(url, "/v1/keys").json["data"]}
    return float(found[key] or 0.0)


def worker_pid(made: Running, worker: int) -> int | None:
    """The process of a worker, None while it does not run."""
    for pid in made.pids():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--worker" in words and words[words.index(b"--worker") + 1] == str(worker).encode():
                return pid
    return None


def kill(made: Running, worker: int) -> None:
    """Kill a worker, and wait until another one has taken its place."""
    before = worker_pid(made, worker)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(lambda: worker_pid(made, worker) not in (None, before), START_S)
    eventually(lambda: answers(made.own(worker)), START_S)


@dataclass
class Load:
    """Requests on one worker, one after the other: the IDs of those that were answered, with the time."""

    url: str
    answered: list[tuple[float, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            begun = time.monotonic()
            try:
                found = say(self.url)
            except (OSError, HTTPException) as error:
                self.failed.append(repr(error))
                ended.wait(0.05)
                continue
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - begun)
            if found.status == 200:
                self.answered.append((now, found.headers["x-request-id"]))
            else:
                self.failed.append(f"{found.status} {found.body!r}")
            ended.wait(0.01)


@contextmanager
def loads(*urls: str) -> Iterator[list[Load]]:
    """Send requests to these workers during the block."""
    ended, made = threading.Event(), [Load(url) for url in urls]
    threads = [threading.Thread(target=one.run, args=(ended,)) for one in made]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process during the block, as one that hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def at_all(made: Running, check: Callable[[str], bool], within_s: float = 30) -> None:
    for url in both(made):
        eventually(lambda url=url: check(url), within_s)  # type: ignore[misc]
