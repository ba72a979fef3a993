"""A browser for each test module, and pages that must stay free of console errors."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.gateway.ui.browser import Dashboard, dashboard, find_chromium, running_browser

OpenDashboard = Callable[..., Dashboard]
"""Opens the dashboard of the gateway at a URL; takes the arguments of `dashboard` after the browser."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium for one module's tests. Playwright keeps an event loop running in this thread meanwhile, so tests
    of other modules could not start their own.
    """
    if find_chromium() is None:
        pytest.skip("Chromium is not installed: run `make ui-test`, or set BENCHROUTE_CHROMIUM to its path")
    with running_browser() as running:
        yield running


@pytest.fixture
def open_dashboard(browser: Browser) -> Iterator[OpenDashboard]:
    """Open pages; after the test, none of them may have recorded an error."""
    opened: list[Dashboard] = []

    def enter(stack: ExitStack, url: str, **options: object) -> Dashboard:
        opened.append(stack.enter_context(dashboard(browser, url, **options)))  # type: ignore[arg-type]  # passed on
        return opened[-1]

    with ExitStack() as stack:
        yield partial(enter, stack)
        assert [error for one in opened for error in one.errors] == []
