"""Signing in: each reason why it fails has a message of its own, and the form keeps what can be tried again."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.ui.pages import HEADERS, read_assets
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, configuration, serving_gateway
from tests.gateway.ui.browser import Dashboard
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ADMIN, CLIENT = "an-admins-secret", "a-clients-secret"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@pytest.fixture
def keyed(shared_upstream: Upstream, tmp_path: Path) -> Iterator[Serving]:
    text = configuration(
        shared_upstream.base_url,
        ["good"],
        state={"url": f"sqlite:///{tmp_path}/state.db"},
        keys=[{"name": "client", "sha256": digest(CLIENT)}],
        admin={"keys": [{"name": "ops", "sha256": digest(ADMIN)}]},
    )
    with serving_gateway(text) as running:
        yield running


def sign_in(dash: Dashboard, key: str) -> None:
    dash.page.get_by_label("Admin key").fill(key)
    dash.page.get_by_role("button", name="Sign in").click()


def test_every_reason_has_its_message(keyed: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(keyed.url)
    dash.allow_http_errors = True
    dash.page.goto(f"{keyed.url}/ui/")
    dash.wait_ready("signin")
    assert dash.page.get_by_role("alert").count() == 0
    sign_in(dash, "a-guess")
    dash.wait_text("Invalid API key: it is unknown or revoked.")
    sign_in(dash, CLIENT)
    dash.wait_text("This is a client key.")
    for broken in ("two words", "an…admin", "ключ"):
        sign_in(dash, broken)
        dash.wait_text("The key contains spaces or characters that no key has.")
    sign_in(dash, f' Bearer "{ADMIN}" ')  # as pasted from a header or a file
    dash.wait_ready("/")
    dash.wait_text("ops")


class OtherServer(BaseHTTPRequestHandler):
    """The dashboard's files, as a proxy serves them whose gateway is down."""

    def do_GET(self) -> None:
        asset = read_assets().get(self.path.removeprefix("/ui/").partition("?")[0] or "index.html")
        is_file = self.path.startswith("/ui/") and asset is not None
        self.send_response(200 if is_file else 502)
        for name, value in HEADERS.items() if is_file else ():
            self.send_header(name, value)
        self.send_header("content-type", asset.media_type if is_file and asset else "text/html")
        self.end_headers()
        self.wfile.write(asset.body if is_file and asset else b"<html>Bad Gateway</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing."""


def test_a_proxy_and_a_gateway_that_is_down_are_told_apart(keyed: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(keyed.url)
    dash.allow_http_errors = True
    dash.page.goto(f"{keyed.url}/ui/")
    dash.wait_ready("signin")
    dash.page.context.set_offline(True)
    sign_in(dash, ADMIN)
    dash.wait_text("Cannot reach the gateway at 127.0.0.1")
    assert dash.page.get_by_label("Admin key").input_value() == ADMIN  # to be tried again
    dash.page.context.set_offline(False)
    dash.page.get_by_role("button", name="Sign in").click()
    dash.wait_ready("/")
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other = open_dashboard(f"http://127.0.0.1:{server.server_port}")
        other.allow_http_errors = True
        other.page.goto(f"{other.url}/ui/")
        other.wait_ready("failed")
        other.wait_text("The gateway returned HTTP 502. It may come from a proxy in front of the gateway.")
        server.shutdown()


def test_a_key_stays_while_the_gateway_cannot_be_reached(keyed: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(keyed.url)
    dash.allow_http_errors = True
    dash.page.goto(f"{keyed.url}/ui/")
    dash.wait_ready("signin")
    sign_in(dash, ADMIN)
    dash.wait_ready("/")
    dash.page.context.set_offline(True)
    dash.page.get_by_role("link", name="Keys", exact=True).click()
    dash.wait_ready("failed")
    dash.page.context.set_offline(False)
    dash.page.get_by_role("button", name="Retry").click()
    dash.wait_ready("/keys")


def test_a_host_that_is_not_allowed_is_named(
    keyed: Serving, shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard
) -> None:
    """A gateway that loses its keys refuses names that are not its own; an open page says which, and what to do."""
    dash = open_dashboard(keyed.url.replace("127.0.0.1", "0.0.0.0"))  # noqa: S104 - a name, not an address bound
    dash.allow_http_errors = dash.allow_plain_http = True
    dash.page.goto(f"{dash.url}/ui/")
    dash.wait_ready("signin")
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    keyed.reload(configuration(shared_upstream.base_url, ["good"], state=state))
    sign_in(dash, ADMIN)
    dash.wait_text("requests to the host name '0.0.0.0' are refused (DNS rebinding). Add it to server.allowed_hosts")
    refused = ask(keyed.url, "/ui/", host="rebound.example")
    assert (refused.status, refused.error["code"]) == (403, "host_not_allowed")
