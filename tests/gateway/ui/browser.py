"""A real Chromium, and a page that remembers everything it complained about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY_MS = 40_000
PHONE = (390, 844)
DESK = (1280, 860)

TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : ['the page',
  ...[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 30)}`)]"""

Scheme = Literal["light", "dark"]


def chromium() -> str | None:
    """Where it is: BENCHROUTE_CHROMIUM, or what the PATH has."""
    named = os.environ.get("BENCHROUTE_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """One for many pages: starting it takes a second."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Dashboard:
    """The dashboard of one gateway in one page. faults: what the browser had to say against it."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    allows_refusals: bool = False
    """Whether a request may be refused: the browser reports each as an error, expected or not."""

    def open(self, path: str = "/") -> None:
        """Goes to a page of it and waits until it is there."""
        self.page.goto(f"{self.url}/ui/#{path}")
        self.wait(path)

    def wait(self, path: str) -> None:
        """Until a page, `signin` or `failed` is there."""
        self.page.wait_for_selector(f"#main[data-ready='{path}']", timeout=READY_MS, state="attached")

    def text(self) -> str:
        """What one can read."""
        return self.page.inner_text("body")

    def said(self, text: str) -> None:
        """Waits until the page says something."""
        self.page.get_by_text(text).first.wait_for(timeout=READY_MS)

    def too_wide(self) -> list[str]:
        """What sticks out of the window to the right, where the window has to be scrolled for it."""
        wide: list[str] = self.page.evaluate(TOO_WIDE)
        return wide

    def heard(self, message: ConsoleMessage) -> None:
        """The console says something."""
        refused = "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not (refused and self.allows_refusals):
            self.faults.append(f"{message.type}: {message.text}")

    def asked(self, request: Request) -> None:
        """The page asks for something, which must be of its own gateway."""
        if urlsplit(request.url).netloc not in ("", urlsplit(self.url).netloc):
            self.faults.append(f"request to {request.url}")


@contextmanager
def dashboard(
    browser: Browser, url: str, scheme: Scheme = "light", size: tuple[int, int] = DESK, scale: float = 1
) -> Iterator[Dashboard]:
    """A page of its own, with a storage of its own."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, device_scale_factor=scale
    )
    shown = Dashboard(context.new_page(), url)
    shown.page.on("console", shown.heard)
    shown.page.on("pageerror", lambda error: shown.faults.append(f"exception: {error}"))
    shown.page.on("request", shown.asked)
    try:
        yield shown
    finally:
        context.close()


def axe() -> str | None:
    """axe-core's source, which `make ui-test` gets from npm; None where it is not there."""
    path = Path(os.environ.get("BENCHROUTE_AXE", "build/ui/node_modules/axe-core/axe.min.js"))
    return path.read_text() if path.exists() else None
