"""The Keys page with many keys, long names, expired keys, and read-only admins."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gateway.asking import Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, configuration, serving_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard
from tests.gateway.ui.test_dashboard import SECRETS, key_config, sign_in

pytestmark = pytest.mark.slow

ROOT = {"authorization": f"Bearer {SECRETS['ops']}", "content_type": "application/json"}
LONG = "a-team-with-a-name-of-many-words." * 6
KEYS = 40


def send(url: str, path: str, body: object, method: str = "POST") -> Response:
    answer = ask(url, f"/v1/keys{path}", body, method, **ROOT)
    assert answer.status == 200, answer.body
    return answer


@pytest.fixture(scope="module")
def crowded(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """40 keys: one of the configuration, one with a long name, one expired, one that soon expires."""
    state = tmp_path_factory.mktemp("state")
    text = configuration(
        shared_upstream.base_url,
        ["good"],
        state={"url": f"sqlite:///{state}/state.db"},
        keys=[key_config("client")],
        admin={"keys": [key_config("ops"), key_config("viewer", read_only=True)]},
    )
    now = datetime.now(UTC)
    with serving_gateway(text) as running:
        url = running.url
        limits = {"requests_per_minute": 60, "tokens_per_minute": 90_000, "max_concurrent_requests": 4}
        budgets = {"budget_usd_per_day": "5", "budget_usd_per_month": "100"}
        send(url, "", {"name": LONG, "tasks": [f"task-{n}" for n in range(12)], **limits, **budgets})
        send(url, "", {"name": "expired", "expires_at": (now + timedelta(days=1)).isoformat()})
        send(url, "/expired", {"expires_at": (now - timedelta(days=1)).isoformat()}, "PATCH")
        send(url, "", {"name": "ending", "expires_at": (now + timedelta(days=3, hours=1)).isoformat()})
        for number in range(KEYS - 4):
            send(url, "", {"name": f"team-{number:02}"})
        yield running


def open_keys(opened: Dashboard, admin: str = "ops") -> Dashboard:
    opened.allow_http_errors = True
    sign_in(opened, SECRETS[admin])
    opened.wait_ready("/")
    opened.open("/keys")
    return opened


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 860)), ("dark", PHONE)])
def test_many_keys_fit_the_page_and_pass_axe(
    crowded: Serving, open_dashboard: OpenDashboard, scheme: str, size: tuple[int, int]
) -> None:
    dash = open_keys(open_dashboard(crowded.url, scheme=scheme, size=size))
    dash.wait_text("40 keys, 1 expired")
    assert dash.overflowing_elements() == []
    assert dash.page.get_by_title(LONG).is_visible()
    shown = dash.text()
    for text in ("Expired", "Expires in 3 days", "In config.yaml", "60 requests per minute", "4 requests in flight"):
        assert text in shown
    source = read_axe()
    if source is None:
        pytest.skip("axe-core is not installed: run `make ui-test`")
    dash.page.evaluate(source)
    found = dash.page.evaluate(
        "async () => (await axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`)"
    )
    assert found == []


def test_the_search_is_part_of_the_address(crowded: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_keys(open_dashboard(crowded.url))
    dash.page.get_by_label("Search").fill("TEAM-0")
    dash.wait_text("10 of 40 keys, 1 expired")
    assert dash.page.url.endswith("#/keys?q=TEAM-0")
    dash.page.reload()
    dash.wait_text("10 of 40 keys, 1 expired")


def test_a_read_only_admin_sees_keys_and_no_buttons(crowded: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_keys(open_dashboard(crowded.url), "viewer")
    dash.wait_text("40 keys, 1 expired")
    for name in ("Edit", "Rotate", "Revoke key", "Create key"):
        assert dash.page.get_by_role("button", name=name).count() == 0


def test_a_key_is_rotated_with_the_keyboard_and_its_former_secret_revoked(
    crowded: Serving, open_dashboard: OpenDashboard
) -> None:
    old = send(crowded.url, "", {"name": "turning"}).json["secret"]
    dash = open_keys(open_dashboard(crowded.url))
    dash.page.get_by_role("button", name="Rotate key turning").press("Enter")
    dash.page.get_by_label("The former secret stays valid").select_option("7 days")
    dash.page.get_by_role("button", name="Create new secret").press("Enter")
    dash.wait_text("Key turning rotated. Copy the new secret now")
    new = dash.page.locator(".secret").inner_text()
    assert dash.page.get_by_role("button", name="Copy key").is_visible()
    for secret in (old, new):
        assert ask(crowded.url, "/v1/models", authorization=f"Bearer {secret}").status == 200
    dash.page.get_by_role("button", name="Revoke former secret 1 of turning").click()
    dash.page.get_by_role("button", name="Confirm revocation of secret 1 of turning").click()
    dash.wait_text("Secret 1 of key turning revoked.")
    statuses = [ask(crowded.url, "/v1/models", authorization=f"Bearer {secret}").status for secret in (old, new)]
    assert statuses == [401, 200]


def test_limits_and_expiry_are_edited(crowded: Serving, open_dashboard: OpenDashboard) -> None:
    send(crowded.url, "", {"name": "changing", "requests_per_minute": 5, "tasks": ["a"]})
    dash = open_keys(open_dashboard(crowded.url))
    dash.page.get_by_role("button", name="Edit key changing").click()
    dash.page.get_by_label("Requests per minute").fill("")
    dash.page.get_by_label("Tasks (comma-separated)").fill("a, b")
    dash.page.get_by_label("Expires").fill("2099-01-31T00:00")
    dash.page.get_by_role("button", name="Save changes").click()
    dash.wait_text("Key changing changed.")
    (key,) = [key for key in ask(crowded.url, "/v1/keys?limit=1000", **ROOT).json["data"] if key["name"] == "changing"]
    assert (key["requests_per_minute"], key["tasks"]) == (None, ["a", "b"])
    assert re.match(r"2099-01-3[01]T", key["expires_at"])
    dash.page.get_by_role("button", name="Edit key changing").click()
    dash.page.get_by_label("Default task").fill("z")
    dash.page.get_by_role("button", name="Save changes").click()
    dash.wait_text("'z' is not among the key's tasks")


def test_an_expired_admin_key_is_told_so_at_sign_in(
    shared_upstream: Upstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    text = configuration(
        shared_upstream.base_url,
        ["good"],
        state={"url": f"sqlite:///{tmp_path}/state.db"},
        admin={"keys": [key_config("ops", expires_at="2020-01-01")]},
    )
    with serving_gateway(text) as running:
        dash = open_dashboard(running.url)
        dash.allow_http_errors = True
        sign_in(dash, SECRETS["ops"])
        dash.wait_text("API key 'ops' expired at 2020-01-01T00:00:00Z")
