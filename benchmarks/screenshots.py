"""The dashboard's pictures, of a gateway with the demo's real traffic, in a real Chromium.

usage: python -m benchmarks.screenshots [--work-dir .demo] [--out docs/screenshots] [--spread-s 60]

Starts the demo's backends and a gateway, sends the demo's tasks through it over `spread-s` seconds, pins one task, and
takes a picture of every page. Exit code 1 if a page logged an error.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.fetch import get_json
from demo.prepare import Places, prepare_pack
from demo.processes import ending_on_sigterm, free_port
from demo.questions import Question
from demo.run import demo_backend, demo_gateway, new_tasks, wait_ready
from tests.gateway.ui.browser import DESK, PHONE, Dashboard, Scheme, dashboard, running_browser

PINNED, PIN = "odd-jobs", "pico"
CONFIG = Path("config.yaml")
SEED = 8
SETTLE_MS = 400
PATIENCE_S = 120.0
POLL_S = 0.25
CUT = 1500
"""Pixels from the top: what is below is more of the same."""

SHOTS: Sequence[tuple[str, str, Scheme, tuple[int, int], int]] = (
    ("overview-light", "/", "light", DESK, CUT),
    ("overview-dark", "/", "dark", DESK, CUT),
    ("tasks", "/tasks", "light", DESK, CUT),
    ("task", "/tasks/support-lookup", "light", DESK, 1720),
    ("models", "/models", "light", DESK, CUT),
    ("packs", "/packs", "dark", DESK, 1000),
    ("keys", "/keys", "light", DESK, 500),
    ("phone", "/", "light", PHONE, 1400),
)


def main() -> int:
    """Take the pictures. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, default=Path(".demo"))
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--spread-s", type=float, default=60.0)
    given = parser.parse_args()
    places, console = Places(given.work_dir.resolve()), Console()
    given.out.mkdir(parents=True, exist_ok=True)
    with ending_on_sigterm(), ExitStack() as stack:
        backend_port = stack.enter_context(demo_backend(places))
        prepare_pack(places, backend_port, console)
        gateway, port = stack.enter_context(demo_gateway(places, CONFIG, "screenshots", free_port(), backend_port))
        wait_ready(gateway, port)
        send(port, new_tasks(), given.spread_s)
        faults = take(f"http://127.0.0.1:{port}", given.out, console)
    for fault in faults:
        console.print(fault, style="red", markup=False)
    return 1 if faults else 0


def send(port: int, tasks: Mapping[str, Sequence[Question]], spread_s: float) -> None:
    """Send the demo's questions in random order, then pin one task."""
    draw = random.Random(SEED)
    questions = [(task, question.text) for task, some in tasks.items() for question in some]
    draw.shuffle(questions)
    started = time.monotonic()
    for place, (task, text) in enumerate(questions):
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        ask(port, "POST", "/v1/chat/completions", body, {"x-task-id": task})
        time.sleep(max(0.0, started + spread_s * (place + draw.random()) / len(questions) - time.monotonic()))
    for task, some in tasks.items():
        wait_scored(port, task, len(some))
    ask(port, "PUT", f"/v1/tasks/{PINNED}/policy", {"pin": PIN}, {})


def wait_scored(port: int, task: str, n: int) -> None:
    """Wait until the scorer has processed all inputs of a task."""
    deadline = time.monotonic() + PATIENCE_S
    while (get_json(port, f"/v1/tasks/{task}") or {}).get("n", 0) < n and time.monotonic() < deadline:
        time.sleep(POLL_S)


def ask(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> None:
    """Send one request to the gateway."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, json.dumps(body), {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != HTTPStatus.OK:
        raise SystemExit(f"{method} {path} was answered {answer.status}")


def take(url: str, out: Path, console: Console) -> list[str]:
    """Take all pictures; returns the errors that pages logged."""
    faults: list[str] = []
    with running_browser() as browser:
        for name, path, scheme, size, height in SHOTS:
            with dashboard(browser, url, scheme, size) as shown:
                picture(shown, path, out / f"{name}.png", height)
                faults += [f"{name}: {fault}" for fault in shown.errors]
            console.print(f"{out / name}.png  {(out / f'{name}.png').stat().st_size // 1000} kB", highlight=False)
    return faults


def picture(shown: Dashboard, path: str, file: Path, height: int) -> None:
    """Take one page from its top."""
    shown.open(path)
    shown.page.wait_for_timeout(SETTLE_MS)
    whole: Any = shown.page.evaluate("document.documentElement.scrollHeight")
    width = shown.page.viewport_size["width"] if shown.page.viewport_size else DESK[0]
    shown.page.screenshot(
        path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": min(height, int(whole))}
    )


if __name__ == "__main__":
    sys.exit(main())
