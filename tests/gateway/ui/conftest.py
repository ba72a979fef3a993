from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.gateway.ui.browser import Dashboard, chromium, dashboard, running_browser

Opens = Callable[..., Dashboard]
"""Opens the dashboard of the gateway at a URL; takes what `dashboard` takes."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module's tests: while it runs, Playwright keeps an event loop running in this thread, and others' tests
    could start none.
    """
    if chromium() is None:
        pytest.skip("no Chromium here: `make ui-test` installs it where it can; or name it in BENCHROUTE_CHROMIUM")
    with running_browser() as running:
        yield running


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Pages that must not have complained once the test is over."""
    opened: list[Dashboard] = []

    def enter(stack: ExitStack, url: str, **about: object) -> Dashboard:
        opened.append(stack.enter_context(dashboard(browser, url, **about)))  # type: ignore[arg-type]  # handed on
        return opened[-1]

    with ExitStack() as stack:
        yield partial(enter, stack)
        assert [fault for one in opened for fault in one.faults] == []
