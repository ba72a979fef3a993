"""Headless Chromium, and a dashboard page that collects its console errors."""

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

OVERFLOW_SCRIPT = """() => document.documentElement.scrollWidth <= innerWidth ? [] : ['the page',
  ...[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 30)}`)]"""

Scheme = Literal["light", "dark"]


def find_chromium() -> str | None:
    """Return the path of Chromium: BENCHROUTE_CHROMIUM, else the first known name on PATH; None if not installed."""
    configured = os.environ.get("BENCHROUTE_CHROMIUM")
    return configured or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start one browser for many pages: a start takes about a second."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Dashboard:
    """The dashboard of one gateway, open in one browser page.

    Attributes:
        page: Playwright's page.
        url: The gateway's base URL.
        errors: Console errors and warnings, exceptions, and requests to other origins.
        allow_http_errors: Ignore failed requests; the browser logs each as an error, expected or not.
        allow_plain_http: Ignore that some headers have no effect over plain HTTP from a host that is not localhost.
    """

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    allow_http_errors: bool = False
    allow_plain_http: bool = False

    def open(self, path: str = "/") -> None:
        """Navigate to a page and wait until it is rendered."""
        # The page that is left may have the same path, and would count as ready until the new one has its data.
        self.page.evaluate("document.getElementById('main')?.removeAttribute('data-ready')")
        self.page.goto(f"{self.url}/ui/#{path}")
        self.wait_ready(path.partition("?")[0])

    def wait_ready(self, path: str) -> None:
        """Wait until a page, `signin` or `failed` is rendered."""
        self.page.wait_for_selector(f"#main[data-ready='{path}']", timeout=READY_MS, state="attached")

    def text(self) -> str:
        """Return the visible text."""
        return self.page.inner_text("body")

    def wait_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for(timeout=READY_MS)

    def overflowing_elements(self) -> list[str]:
        """Return the elements wider than the viewport; empty unless the page scrolls sideways."""
        overflowing: list[str] = self.page.evaluate(OVERFLOW_SCRIPT)
        return overflowing

    def on_console(self, message: ConsoleMessage) -> None:
        """Record a console error or warning."""
        is_http_error = "Failed to load resource" in message.text
        is_plain_http = "Opener-Policy header has been ignored" in message.text
        is_allowed = (is_http_error and self.allow_http_errors) or (is_plain_http and self.allow_plain_http)
        if message.type in ("error", "warning") and not is_allowed:
            self.errors.append(f"{message.type}: {message.text}")

    def on_request(self, request: Request) -> None:
        """Record a request to another origin."""
        if urlsplit(request.url).netloc not in ("", urlsplit(self.url).netloc):
            self.errors.append(f"request to {request.url}")


@contextmanager
def dashboard(
    browser: Browser, url: str, scheme: Scheme = "light", size: tuple[int, int] = DESK, scale: float = 1
) -> Iterator[Dashboard]:
    """Open a page in a browser context of its own (separate storage)."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, device_scale_factor=scale
    )
    opened = Dashboard(context.new_page(), url)
    opened.page.on("console", opened.on_console)
    opened.page.on("pageerror", lambda error: opened.errors.append(f"exception: {error}"))
    opened.page.on("request", opened.on_request)
    try:
        yield opened
    finally:
        context.close()


def read_axe() -> str | None:
    """Return axe-core's source, which `make ui-test` installs from npm; None if it is not installed."""
    path = Path(os.environ.get("BENCHROUTE_AXE", "build/ui/node_modules/axe-core/axe.min.js"))
    return path.read_text() if path.exists() else None
