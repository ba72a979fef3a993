"""Copy buttons beside IDs and commands, also where the browser has no clipboard for the page."""

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.gateway.asking import chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ADMIN = "an-admins-secret"


def test_ids_and_commands_are_copied(shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard) -> None:
    text = configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with running_gateway(text) as url:
        request = chat(url, task="team/sums").headers["x-request-id"]
        dash = open_dashboard(url)
        dash.allow_http_errors = True  # 404: the task has no decision
        dash.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        for path, name, copied in (
            ("/tasks/team%2Fsums", "Copy task ID", "team/sums"),
            (f"/requests/{request}", "Copy request ID", request),
            ("/packs", "Copy command", "benchroute pack build"),
            ("/models", "Copy backend ID good/1", "good/1"),
        ):
            dash.open(path)
            button = dash.page.get_by_role("button", name=name)
            button.focus()
            dash.page.keyboard.press("Enter")
            expect(dash.page.get_by_role("status").get_by_text("Copied")).to_be_visible()
            assert dash.page.evaluate("navigator.clipboard.readText()") == copied
            expect(dash.page.get_by_text("Copied")).to_have_count(0)  # after a while


def test_text_is_copied_without_a_secure_context(
    shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard
) -> None:
    """On plain HTTP from another host, navigator.clipboard is missing."""
    text = configuration(
        shared_upstream.base_url,
        ["good"],
        state={"url": f"sqlite:///{tmp_path}/state.db"},
        admin={"keys": [{"name": "ops", "sha256": hashlib.sha256(ADMIN.encode()).hexdigest()}]},
    )
    with running_gateway(text) as url:
        dash = open_dashboard(url.replace("127.0.0.1", "0.0.0.0"))  # noqa: S104 - a name, not an address bound
        dash.allow_http_errors = dash.allow_plain_http = True
        dash.page.goto(f"{dash.url}/ui/#/packs")
        dash.wait_ready("signin")
        dash.page.get_by_label("Admin key").fill(ADMIN)
        dash.page.get_by_role("button", name="Sign in").click()
        dash.wait_ready("/packs")
        assert dash.page.evaluate("navigator.clipboard === undefined")
        dash.page.get_by_role("button", name="Copy command").click()
        dash.wait_text("Copied")
        dash.page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'into'}))")
        dash.page.locator("#into").press("Control+v")
        expect(dash.page.locator("#into")).to_have_value("benchroute pack build")
