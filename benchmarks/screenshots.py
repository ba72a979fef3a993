"""The dashboard's pictures, of a gateway with the demo's real traffic, in a real Chromium.

usage: python -m benchmarks.screenshots [--work-dir .demo] [--out docs/screenshots]

Starts the demo's backends and a gateway, sends the demo's tasks through it, pins one task, and takes a picture of every
page. Exit code 1 if a page complained while it was shown.
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway.demo.prepare import Places, prepare
from gateway.demo.processes import ending_on_sigterm, free_port
from gateway.demo.questions import Question
from gateway.demo.run import demo_backend, demo_gateway, new_tasks, wait_ready
from gateway.demo.traffic import send_all
from tests.gateway.ui.browser import DESK, PHONE, Dashboard, Scheme, dashboard, running_browser

PINNED, PIN = "odd-jobs", "pico"
CONFIG = Path("config.yaml")
SETTLE_MS = 400
CUT = 1500
"""Pixels from the top: what is below is more of the same."""

SHOTS: Sequence[tuple[str, str, Scheme, tuple[int, int], int]] = (
    ("overview-light", "/", "light", DESK, CUT),
    ("overview-dark", "/", "dark", DESK, CUT),
    ("tasks", "/tasks", "light", DESK, CUT),
    ("task", "/tasks/support-lookup", "light", DESK, 2600),
    ("models", "/models", "light", DESK, CUT),
    ("packs", "/packs", "dark", DESK, 1000),
    ("keys", "/keys", "light", DESK, 500),
    ("phone", "/", "light", PHONE, 1400),
)


def main() -> int:
    """Takes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, default=Path(".demo"))
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    given = parser.parse_args()
    places, console = Places(given.work_dir.resolve()), Console()
    given.out.mkdir(parents=True, exist_ok=True)
    with ending_on_sigterm(), ExitStack() as stack:
        backend_port = stack.enter_context(demo_backend(places))
        prepare(places, backend_port, console)
        gateway, port = stack.enter_context(demo_gateway(places, CONFIG, "screenshots", free_port(), backend_port))
        wait_ready(gateway, port)
        send(port, new_tasks())
        faults = take(f"http://127.0.0.1:{port}", given.out, console)
    for fault in faults:
        console.print(fault, style="red", markup=False)
    return 1 if faults else 0


def send(port: int, tasks: Mapping[str, Sequence[Question]]) -> None:
    """The demo's traffic, and one task pinned by hand."""
    send_all(port, tasks)
    body = json.dumps({"pin": PIN}).encode()
    url = f"http://127.0.0.1:{port}/v1/tasks/{PINNED}/policy"
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=30).close()


def take(url: str, out: Path, console: Console) -> list[str]:
    """All pictures; returns what pages complained of."""
    faults: list[str] = []
    with running_browser() as browser:
        for name, path, scheme, size, height in SHOTS:
            with dashboard(browser, url, scheme, size) as shown:
                picture(shown, path, out / f"{name}.png", height)
                faults += [f"{name}: {fault}" for fault in shown.faults]
            console.print(f"{out / name}.png  {(out / f'{name}.png').stat().st_size // 1000} kB", highlight=False)
    return faults


def picture(shown: Dashboard, path: str, file: Path, height: int) -> None:
    """One page from its top."""
    shown.open(path)
    shown.page.wait_for_timeout(SETTLE_MS)
    whole: Any = shown.page.evaluate("document.documentElement.scrollHeight")
    width = shown.page.viewport_size["width"] if shown.page.viewport_size else DESK[0]
    shown.page.screenshot(
        path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": min(height, int(whole))}
    )


if __name__ == "__main__":
    sys.exit(main())
