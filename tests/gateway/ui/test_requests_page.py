"""The pages of the request log in Chromium: list, filters, live tail, exports, one request; phone, dark, off."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.browser import DESK, PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = "tenant-4711/a-very-long-name-of-a-task-that-nobody-would-read-to-its-end/" + "x" * 40
MANY = [f"provider-{number % 5}/model-with-a-long-name-{number}" for number in range(36)]


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with 40 models, whose log has successes, a failover, refusals, a stream, and long names."""
    names = ["good", "e500", "e400", "tells", *MANY]
    tasks = {"failing": {"candidates": ["e500", "good"], "pin": "e500"}}
    text = configuration(
        shared_upstream.base_url, names, tasks=tasks, upstream={"retries": 0}, log={"bodies": True},
        state={"url": f"sqlite:///{tmp_path_factory.mktemp('log')}/state.db"},
    )  # fmt: skip
    with running_gateway(text) as address:
        for _ in range(3):
            chat(address, task="support")
        chat(address, task=LONG)
        chat(address, "tells", task="streams", stream=True)
        chat(address, "e400", task="support")
        chat(address, "unknown-model", task="support")
        chat(address, task="failing")
        yield address


def rows(dash: Dashboard) -> list[str]:
    return dash.page.locator("tbody tr").all_inner_texts()


def open_list(dash: Dashboard, query: str = "") -> None:
    dash.page.goto(f"{dash.url}/ui/#/requests{query}")
    dash.wait_ready("/requests")


def test_the_list_shows_requests_and_narrows_by_filters_in_the_address(url: str, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(url)
    open_list(dash)
    assert len(rows(dash)) == 8
    assert "failing" in rows(dash)[0]
    dash.page.get_by_label("Task", exact=True).fill("support")
    expect(dash.page.locator("tbody tr")).to_have_count(5)
    dash.page.get_by_label("Status").select_option("rejected")
    expect(dash.page.locator("tbody tr")).to_have_count(2)
    assert re.search(r"#/requests\?task=support&status=rejected$", dash.page.url)
    dash.page.reload()
    dash.wait_ready("/requests")
    assert len(rows(dash)) == 2
    dash.page.get_by_role("button", name="Clear filters").click()
    expect(dash.page.locator("tbody tr")).to_have_count(8)
    dash.page.get_by_role("button", name="7 d").click()
    expect(dash.page).to_have_url(re.compile("range=7d"))
    assert len(rows(dash)) == 8
    open_list(dash, "?min_latency_ms=99999999")
    expect(dash.page.locator("tbody tr")).to_have_count(1)
    expect(dash.page.locator("tbody tr")).to_contain_text("No request matches")


def suggested(dash: Dashboard, field: str) -> list[str]:
    return dash.page.locator(f"#values-{field} [role=option]").all_inner_texts()


def test_filters_suggest_what_occurs_in_the_log(
    shared_upstream: Upstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    """Of 300 tasks a field lists 20, and while one types those that match; the keyboard is enough to choose one."""
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    with running_gateway(configuration(shared_upstream.base_url, ["good", "e400"], state=state)) as address:
        for number in range(300):
            chat(address, task=f"team/task-{number:03d}")
        chat(address, "e400", task="billing")
        dash = open_dashboard(address)
        open_list(dash)
        task = dash.page.get_by_label("Task", exact=True)
        task.focus()
        expect(dash.page.locator("#values-task li")).to_have_count(20)
        if (source := read_axe()) is not None:
            dash.page.evaluate(source)
            assert dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"] == []
        dash.page.keyboard.type("TASK-29")
        expect(dash.page.locator("#values-task li")).to_have_count(10)
        assert suggested(dash, "task") == [f"team/task-{number}" for number in range(290, 300)]
        dash.page.keyboard.press("ArrowDown")
        dash.page.keyboard.press("Enter")
        expect(task).to_have_value("team/task-290")
        expect(dash.page.locator("tbody tr")).to_have_count(1)
        expect(dash.page.get_by_role("listbox")).to_have_count(0)
        dash.page.get_by_role("button", name="Clear filters").click()
        task.fill("bill")
        dash.page.get_by_role("option", name="billing").click()
        expect(dash.page.locator("tbody tr")).to_have_count(1)
        task.fill("")
        expect(dash.page.get_by_role("listbox")).to_have_count(1)
        dash.page.keyboard.press("Escape")
        expect(dash.page.get_by_role("listbox")).to_have_count(0)
        dash.page.get_by_text("More filters").click()
        for field, values in (
            ("model", ["e400", "good"]), ("backend", ["e400/1", "good/1"]), ("endpoint", ["/v1/chat/completions"]),
        ):  # fmt: skip
            dash.page.get_by_label(field.capitalize(), exact=True).focus()
            expect(dash.page.locator(f"#values-{field} li")).to_have_count(len(values))
            assert sorted(suggested(dash, field)) == values
        statuses = dash.page.get_by_label("Status").locator("option").all_inner_texts()
        assert statuses[:2] == ["Any", "2xx"]
        assert statuses[-2:] == ["200", "400"]


def test_a_request_is_found_by_its_id_and_shows_its_way(url: str, open_dashboard: OpenDashboard) -> None:
    found = ask(url, "/v1/requests?task=failing").json["data"][0]["id"]
    dash = open_dashboard(url)
    open_list(dash)
    dash.page.get_by_label("Request ID").fill(found[:14])
    expect(dash.page.locator("tbody tr")).to_have_count(1)
    dash.page.locator("tbody a").first.click()
    dash.wait_ready(f"/requests/{found}")
    text = dash.text()
    for part in ("answered 500", "Answered", "e500/1", "good/1", "Timings", "Pinned", "Prompt", "hello", found):
        assert part in text, part
    spans = dash.page.locator(".waterfall li").count()
    assert spans == 5
    dash.allow_http_errors = True
    dash.open("/requests/req_unknown")
    assert "is not in the log" in dash.text()


def test_live_shows_the_next_request_without_a_reload(url: str, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(url)
    open_list(dash, "?task=live")
    dash.page.get_by_role("button", name="Live").click()
    assert dash.page.get_by_role("button", name="Live").get_attribute("aria-pressed") == "true"
    sent = chat(url, task="live").headers["x-request-id"]
    dash.page.wait_for_selector(f"tbody a[title='{sent}']")
    sent = chat(url, task="live").headers["x-request-id"]
    dash.page.wait_for_selector(f"tbody a[title='{sent}']")
    assert len(rows(dash)) == 2


def test_exports_are_files_of_what_is_shown(url: str, open_dashboard: OpenDashboard, tmp_path: Path) -> None:
    dash = open_dashboard(url)
    open_list(dash, "?task=streams")
    for name in ("CSV", "JSON"):
        with dash.page.expect_download() as downloading:
            dash.page.get_by_role("button", name=f"Export {name}").click()
        downloading.value.save_as(tmp_path / name)
    assert len((tmp_path / "CSV").read_text().splitlines()) == 2
    (row,) = json.loads((tmp_path / "JSON").read_text())["data"]
    assert "answer" not in row
    dash.page.get_by_label("With prompts and answers").check()
    with dash.page.expect_download() as downloading:
        dash.page.get_by_role("button", name="Export JSON").click()
    downloading.value.save_as(tmp_path / "bodies")
    (with_bodies,) = json.loads((tmp_path / "bodies").read_text())["data"]
    assert with_bodies["id"] == row["id"]
    assert '"content": "hi"' in with_bodies["prompt"]["text"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_long_names_fit_and_axe_finds_nothing(
    url: str, open_dashboard: OpenDashboard, scheme: str, size: tuple[int, int]
) -> None:
    dash = open_dashboard(url, scheme=scheme, size=size)
    source = read_axe()
    found = ask(url, "/v1/requests?task=failing").json["data"][0]["id"]
    for path in ("/requests", f"/requests/{found}"):
        dash.open(path)
        assert dash.overflowing_elements() == []
        if source is not None:
            dash.page.evaluate(source)
            assert dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"] == []


def test_a_log_that_is_off_says_how_to_switch_it_on(
    shared_upstream: Upstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    with running_gateway(
        configuration(shared_upstream.base_url, ["good"], log={"enabled": False}, state=state)
    ) as address:
        assert ask(address, body=HELLO).status == 200
        dash = open_dashboard(address)
        dash.allow_http_errors = True
        open_list(dash)
        banner = dash.page.locator(".banner")
        assert banner.locator("code").all_inner_texts() == ["log.enabled: true"]
        assert "`" not in banner.inner_text()
