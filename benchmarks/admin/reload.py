"""A configuration with many tasks, read again beside running chats: over HTTP, and by SIGHUP."""

import hashlib
import http.client
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from benchmarks.admin.chats import quantile, running_chats
from benchmarks.admin.run import (
    ALONE_S,
    START_TIMEOUT_S,
    RunningGateway,
    describe_loop_lag,
    read_loop_lag,
    running_gateway,
)

RELOADS = 5
"""Of each kind."""

PAUSE_S = 0.2
KEY, ADMIN = "sk-bench", "sk-bench-admin"
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}


def measure_reloads(
    folder: Path, pack: Path, models: tuple[str, ...], tasks: int, stalls: Path | None = None
) -> dict[str, Any]:
    """Run a gateway with so many configured tasks, and reload; return times, the wait of chats, and the loop's lag."""
    for left in folder.glob("reload*.db*"):
        left.unlink()
    sections = {
        "state": {"url": f"sqlite:///{folder}/reload.db"},
        "keys": [{"name": "bench", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
        "admin": {"keys": [{"name": "root", "sha256": hashlib.sha256(ADMIN.encode()).hexdigest()}]},
        "tasks": configured_tasks(tasks, models),
    }
    with ExitStack() as stack:
        running = stack.enter_context(running_gateway(folder, pack, models, sections, stalls))
        texts = change_text(running.config.read_text(), 2 * RELOADS)
        chats = stack.enter_context(running_chats(running.port, KEY))
        call(running.port, "GET", "/v1/config/versions")  # the first call builds the management API
        time.sleep(1.0)
        chats.take_times()
        time.sleep(ALONE_S)
        alone, before = chats.take_times(), read_loop_lag(running.port, AS_ADMIN)
        took: dict[str, list[float]] = {"POST /v1/config/reload": [], "SIGHUP": []}
        for number, text in enumerate(texts):
            running.config.write_text(text)
            kind = list(took)[number % 2]
            took[kind].append(reload_once(running, kind))
            time.sleep(PAUSE_S)
        beside, after = chats.take_times(), read_loop_lag(running.port, AS_ADMIN)
    return {
        "tasks": tasks,
        "took_s": took,
        "alone": describe_waits(alone),
        "beside": describe_waits(beside),
        "failed_chats": chats.failed,
        "lag": {bound: count - before[bound] for bound, count in after.items()},
    }


def configured_tasks(count: int, models: tuple[str, ...]) -> dict[str, Any]:
    """Return settings of so many tasks."""
    return {
        f"customer-{number:05d}/step": {
            "candidates": list(models[number % 3 :]),
            "objective": {"price": 0.1 + number % 7 / 10},
            "input": "first_user" if number % 2 else "all_user",
        }
        for number in range(count)
    }


def change_text(text: str, count: int) -> list[str]:
    """Return so many configurations, each with another setting of one task.

    All of them before the first chat: its thread shares this process's interpreter, and would wait for it.
    """
    document, texts = yaml.safe_load(text), list[str]()
    first = next(iter(document["tasks"]))
    for number in range(count):
        document["tasks"][first]["objective"]["price"] = 0.1 + number / 100
        texts.append(yaml.safe_dump(document))
    return texts


def reload_once(running: RunningGateway, kind: str) -> float:
    """Reload, and return the seconds until the configuration is active."""
    begun = time.perf_counter()
    if kind == "SIGHUP":
        before = latest_version(running.port)
        os.kill(running.pid, signal.SIGHUP)
        while latest_version(running.port) == before:
            time.sleep(0.02)
    else:
        call(running.port, "POST", "/v1/config/reload")
    return time.perf_counter() - begun


def latest_version(port: int) -> int:
    """Return the number of the active configuration."""
    return int(call(port, "GET", "/v1/config/versions")["data"][-1]["version"])


def call(port: int, method: str, path: str) -> Any:
    """Call an endpoint as an admin; return its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    connection.request(method, path, headers=AS_ADMIN)
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {path}: {response.status} {document}")
    return document


def describe_waits(took_ms: list[float]) -> Mapping[str, float]:
    """Return median, 99th percentile and maximum, milliseconds."""
    return {"p50_ms": quantile(took_ms, 0.5), "p99_ms": quantile(took_ms, 0.99), "worst_ms": max(took_ms)}


def print_reloads(found: Mapping[str, Any]) -> None:
    """Print what `measure_reloads` returns."""
    for kind, took_s in found["took_s"].items():
        print(f"reload with {found['tasks']} tasks, {kind}: " + ", ".join(f"{one:.2f}" for one in took_s) + " s")
    for name in ("alone", "beside"):
        print(f"chats {name}: " + ", ".join(f"{key[:-3]} {value:.1f} ms" for key, value in found[name].items()))
    print(f"chats that failed: {found['failed_chats']}; {describe_loop_lag(found['lag'])}")
