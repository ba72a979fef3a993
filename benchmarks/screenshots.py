"""The dashboard's pictures, of gateways with the demo's real traffic, in a real Chromium.

usage: python -m benchmarks.screenshots [--work-dir .demo] [--out docs/screenshots] [--spread-s 60]

Starts the demo's backends and a gateway, sends the demo's tasks through it over `spread-s` seconds, pins one task, and
takes a picture of every page; that of the keys is of a second gateway, which has some. Exit code 1 if a page logged an
error or a picture is too large for the documentation.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser
from rich.console import Console

from benchmarks.screenshot_traffic import ADMIN_SECRET, add_key_settings, create_keys, send_questions
from demo.fetch import get_json
from demo.prepare import Places, prepare_pack
from demo.processes import ending_on_sigterm, free_port
from demo.run import demo_backend, demo_gateway, new_tasks, wait_ready
from tests.gateway.ui.browser import DESK, PHONE, Dashboard, Scheme, dashboard, running_browser

CONFIG = Path("config.yaml")
SETTLE_MS = 400
ANSWER_MS = 20_000
CUT = 1500
"""Pixels from the top: what is below is more of the same."""
COLOURS = 256
MAX_BYTES = 150_000
TALL = (1280, 1240)
"""Holds the playground's answers above its prompt, which stays at the window's end."""
PROMPT = "INV-AN: 14 headsets, unit price 33.90 EUR, less credit note of 6 EUR. Balance owing?"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        name: Of the file, without `.png`.
        path: In the dashboard; `{request}` is the ID of a routed request.
        scheme: Theme.
        size: Of the window, width and height in pixels.
        height: Of the picture at most, in pixels.
        prompt: Sent in the playground before the picture is taken.
    """

    name: str
    path: str
    scheme: Scheme = "light"
    size: tuple[int, int] = DESK
    height: int = CUT
    prompt: str = ""


SHOTS: Sequence[Shot] = (
    Shot("overview-light", "/"),
    Shot("overview-dark", "/", scheme="dark"),
    Shot("tasks", "/tasks"),
    Shot("task", "/tasks/support-lookup", height=1720),
    Shot("requests", "/requests", height=1000),
    Shot("request", "/requests/{request}", height=1300),
    Shot(
        "playground",
        "/playground?models=auto,generalist-xl,pico&task=invoice-totals",
        size=TALL,
        height=1240,
        prompt=PROMPT,
    ),
    Shot("models", "/models"),
    Shot("packs", "/packs", scheme="dark", height=1000),
    Shot("phone", "/", size=PHONE, height=1400),
)
KEY_SHOTS: Sequence[Shot] = (Shot("keys", "/keys", height=900),)


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
        browser = stack.enter_context(running_browser())
        with gateway_port(places, CONFIG, "screenshots", backend_port) as port:
            send_questions(port, new_tasks(), given.spread_s)
            faults = take(browser, port, SHOTS, given.out)
        keyed = add_key_settings(CONFIG, places.work_dir / "keys.yaml")
        with gateway_port(places, keyed, "screenshots-keys", backend_port) as port:
            create_keys(port)
            faults += take(browser, port, KEY_SHOTS, given.out, ADMIN_SECRET)
    faults += too_large(given.out)
    for fault in faults:
        console.print(fault, style="red", markup=False)
    return 1 if faults else 0


@contextmanager
def gateway_port(places: Places, config: Path, name: str, backend_port: int) -> Iterator[int]:
    """Run a gateway whose scorer is ready; yields its port."""
    with demo_gateway(places, config, name, free_port(), backend_port) as (gateway, port):
        wait_ready(gateway, port)
        yield port


def take(browser: Browser, port: int, shots: Sequence[Shot], out: Path, secret: str = "") -> list[str]:
    """Take pictures, signed in if there is a secret; returns the errors that pages logged."""
    faults: list[str] = []
    for shot in shots:
        with dashboard(browser, f"http://127.0.0.1:{port}", shot.scheme, shot.size) as shown:
            if secret:
                sign_in(shown, secret)
            path = shot.path.format(request=routed_request(port)) if "{" in shot.path else shot.path
            shown.open(path)
            if shot.prompt:
                send_prompt(shown, shot.prompt)
            picture(shown, out / f"{shot.name}.png", shot.height)
            faults += [f"{shot.name}: {fault}" for fault in shown.errors]
    return faults


def sign_in(shown: Dashboard, secret: str) -> None:
    """Sign in with an admin's key."""
    shown.allow_http_errors = True  # the first request has no key
    shown.page.goto(f"{shown.url}/ui/")
    shown.wait_ready("signin")
    shown.page.get_by_label("Admin key").fill(secret)
    shown.page.get_by_role("button", name="Sign in").click()
    shown.wait_ready("/")


def routed_request(port: int) -> str:
    """Return the ID of the newest request that its task's scores routed."""
    found = get_json(port, "/v1/requests?reason=score&limit=1") or {}
    return str(found["data"][0]["id"])


def send_prompt(shown: Dashboard, prompt: str) -> None:
    """Send a prompt from the playground; returns when every model has answered."""
    shown.page.get_by_label("Prompt", exact=True).fill(prompt)
    shown.page.get_by_role("button", name="Send", exact=True).click()
    columns = shown.page.get_by_role("region", name="Answers of")
    for place in range(columns.count()):
        columns.nth(place).get_by_text("Latency", exact=True).wait_for(timeout=ANSWER_MS)
    shown.page.evaluate("document.activeElement.blur()")


def picture(shown: Dashboard, file: Path, height: int) -> None:
    """Take one page from its top, in few colours: a page of text needs no more, and the repository keeps every picture.

    MAXCOVERAGE keeps the colours of small marks apart, such as those of models.
    """
    shown.page.wait_for_timeout(SETTLE_MS)
    whole: Any = shown.page.evaluate("document.documentElement.scrollHeight")
    width = shown.page.viewport_size["width"] if shown.page.viewport_size else DESK[0]
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, int(whole))}
    shown.page.screenshot(path=file, full_page=True, clip=clip)  # type: ignore[arg-type]  # of TypedDict's four floats
    with Image.open(file) as taken:
        drawn = taken.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    drawn.save(file, optimize=True)


def too_large(out: Path) -> list[str]:
    """Return a line for each picture that is larger than the documentation wants."""
    sizes = {file.name: file.stat().st_size for file in sorted(out.glob("*.png"))}
    return [f"{name}: {size} bytes, at most {MAX_BYTES}" for name, size in sizes.items() if size > MAX_BYTES]


if __name__ == "__main__":
    sys.exit(main())
