"""The site is built, asks nothing of anybody else, finds what people look for, and copies what they can run."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.docs.markdown import TOP
from tests.gateway.ui.browser import find_chromium, running_browser

FETCHED = re.compile(r"""<(?:link[^>]+href|script[^>]+src|img[^>]+src|iframe[^>]+src)=["']?(?:https?:)?//([^"'/ >]+)""")


pytestmark = pytest.mark.slow


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Write nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    built = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def page(site: Path) -> Iterator[Page]:
    if find_chromium() is None:
        pytest.skip("Chromium is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"
    try:
        with running_browser() as browser:
            context = browser.new_context(base_url=origin, permissions=["clipboard-read", "clipboard-write"])
            yield context.new_page()
    finally:
        server.shutdown()
        server.server_close()


def test_the_site_is_built_without_a_warning_and_fetches_nothing(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 15
    asked = {host for page in pages for host in FETCHED.findall(page.read_text(encoding="utf-8"))}
    assert asked == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\([\"']?https?:", styles)
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize(
    "word", ["azure", "kubernetes", "troubleshooting", "timeout", "budget", "litellm", "backup", "hardening"]
)
def test_search_finds_what_people_look_for(page: Page, word: str) -> None:
    page.goto(f"/index.html?q={word}")
    found = page.locator(".md-search-result__item").first
    expect(found).to_contain_text(re.compile(word, re.IGNORECASE), timeout=20_000)


def test_a_console_block_is_copied_without_prompts_comments_and_output(page: Page) -> None:
    page.goto("/quick-start.html")
    block = page.locator(".language-console").first
    assert block.inner_text().lstrip().startswith("$ make demo")
    block.hover()
    block.get_by_role("button").first.click()
    page.wait_for_timeout(200)
    assert page.evaluate("() => navigator.clipboard.readText()") == "make demo\nmake serve"
