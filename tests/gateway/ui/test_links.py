"""Links between the dashboard's pages, with 40 models and long names: tiles, tasks, models, keys, requests."""

from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from playwright.sync_api import expect

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.browser import DESK, PHONE, READY_MS, Dashboard
from tests.gateway.ui.conftest import OpenDashboard
from tests.gateway.ui.test_dashboard import SECRETS, key_config, sign_in
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = "tenant-4711/a-very-long-name-of-a-task-that-nobody-would-read-to-its-end/" + "x" * 40
MANY = [f"provider-{number % 5}/model-with-a-long-name-{number}-instruct" for number in range(36)]
PRICE = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with 40 models, two requests each of two tasks, one of a long task, and an error."""
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('links')}/state.db"}
    names = ["good", "other", "e500", "slow", *MANY]
    config = yaml.safe_load(configuration(shared_upstream.base_url, names, state=state, upstream={"retries": 0}))
    for model in config["models"]:
        model["price"] = PRICE
    with running_gateway(yaml.safe_dump(config)) as address:
        for task in ("support", "support", "team/sums", "team/sums", LONG):
            chat(address, "good", task=task)
        chat(address, "e500", task="support")
        yield address


@pytest.fixture
def dash(url: str, open_dashboard: OpenDashboard) -> Dashboard:
    return open_dashboard(url)


def test_the_errors_tile_leads_to_what_it_counts_and_to_what_was_rejected(
    shared_upstream: Upstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    """Errors are 5xx and streams that ended early; 4xx are counted and listed apart."""
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    names = ["good", "e500", "dies-in-stream"]
    config = configuration(shared_upstream.base_url, names, state=state, upstream={"retries": 0})
    with running_gateway(config) as address:
        chat(address, "good")
        chat(address, "e500")
        with pytest.raises(IncompleteRead):
            chat(address, "dies-in-stream", stream=True)
        for _ in range(3):
            chat(address, "unknown-model")
        eventually(lambda: ask(address, "/v1/activity").json["total"]["requests"] == 6)
        dash = open_dashboard(address)
        dash.open("/")
        tile = dash.page.locator(".tile", has_text="Errors (last hour)")
        assert tile.locator(".tile-value").inner_text() == "2"
        tile.get_by_role("link", name="Errors (last hour)").click()
        expect_rows(dash, 2)
        expect(dash.page.locator("tbody")).to_contain_text("200, broken")
        dash.open("/")
        tile.get_by_role("link", name="3").click()
        assert dash.page.get_by_label("Status").input_value() == "rejected"
        expect_rows(dash, 3)


def expect_rows(dash: Dashboard, rows: int) -> None:
    """Wait until the list of requests has this many rows: the log is written a few times a second."""
    expect(dash.page.locator("main table tbody tr:has(time)")).to_have_count(rows, timeout=READY_MS)


@pytest.mark.parametrize(
    ("tile", "page", "query", "rows"),
    [
        ("Requests (last hour)", "/requests", "range=1h", 6),
        ("Errors (last hour)", "/requests", "range=1h&status=error", 1),
        ("Cost (last hour)", "/tasks", "sort=cost", None),
        ("Savings (all time)", "/tasks", "sort=savings", None),
    ],
)
def test_tiles_lead_to_the_lists_behind_them(
    dash: Dashboard, tile: str, page: str, query: str, rows: int | None
) -> None:
    dash.open("/")
    dash.page.get_by_role("link", name=tile).press("Enter")
    dash.wait_ready(page)
    assert dash.page.url.endswith(f"#{page}?{query}")
    if rows is not None:
        expect_rows(dash, rows)


@pytest.mark.parametrize(("task", "rows"), [("team/sums", 2), (LONG, 1)])
def test_a_task_leads_to_its_requests_and_back(dash: Dashboard, task: str, rows: int) -> None:
    dash.open(f"/tasks/{quote(task, safe='')}")
    dash.page.get_by_role("link", name="Show requests").click()
    dash.wait_ready("/requests")
    assert dash.page.get_by_label("Task", exact=True).input_value() == task
    expect_rows(dash, rows)
    dash.page.get_by_title(task, exact=True).first.click()
    dash.wait_text("Current decision")
    dash.page.get_by_role("link", name="Open in playground").click()
    dash.wait_ready("/playground")
    assert dash.page.get_by_label("Task ID for auto").input_value() == task


def test_models_and_backends_lead_to_their_requests(dash: Dashboard) -> None:
    for title, label, value in (
        ("Requests of good", "Model", "good"),
        ("Requests of backend good/1", "Backend", "good/1"),
    ):
        dash.open("/models")
        dash.page.get_by_title(title, exact=True).click()
        dash.wait_ready("/requests")
        assert dash.page.get_by_label(label, exact=True).input_value() == value
        expect_rows(dash, 5)
    dash.open("/models")
    assert dash.page.get_by_title(f"Requests of {MANY[0]}", exact=True).count() == 0  # nothing to show


def test_a_request_leads_to_its_task_model_and_backend(url: str, dash: Dashboard) -> None:
    dash.open("/requests?task=team%2Fsums")
    expect_rows(dash, 2)
    found = ask(url, "/v1/requests?task=team/sums").json["data"][0]["id"]
    for link, page in (
        ("team/sums", "/tasks/team%2Fsums"),
        ("Requests of good", "/requests"),
        ("Requests of backend good/1", "/requests"),
    ):
        dash.open(f"/requests/{found}")
        dash.page.get_by_title(link, exact=True).click()
        dash.wait_ready(page)


def test_a_key_leads_to_its_requests(shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard) -> None:
    text = configuration(
        shared_upstream.base_url,
        ["good"],
        state={"url": f"sqlite:///{tmp_path}/state.db"},
        keys=[key_config("client")],
        admin={"keys": [key_config("ops")]},
    )
    with running_gateway(text) as address:
        body = {"model": "good", "messages": [{"role": "user", "content": "hi"}]}
        assert ask(address, body=body, authorization=f"Bearer {SECRETS['client']}").status == 200
        dash = open_dashboard(address)
        dash.allow_http_errors = True
        sign_in(dash, SECRETS["ops"])
        dash.wait_ready("/")
        dash.open("/requests?key=client")
        expect_rows(dash, 1)
        dash.page.locator("tbody time").first.click()
        dash.page.get_by_title("Requests of key client").click()
        dash.wait_ready("/requests")
        assert dash.page.get_by_label("Key", exact=True).input_value() == "client"
        dash.open("/keys")
        dash.page.get_by_title("Requests of key client").click()
        dash.wait_ready("/requests")
        expect_rows(dash, 1)


@pytest.mark.parametrize("size", [PHONE, (800, 1000), DESK])
def test_every_page_is_in_reach_and_fits_with_many_models(
    url: str, open_dashboard: OpenDashboard, size: tuple[int, int]
) -> None:
    dash = open_dashboard(url, size=size)
    dash.open("/")
    names = dash.page.locator("#nav a").all_inner_texts()
    assert {"Overview", "Tasks", "Requests", "Playground", "Models", "Packs", "Keys"} <= set(names)
    for name in names:
        link = dash.page.locator("#nav").get_by_role("link", name=name, exact=True)
        box = link.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= size[0] - box["width"], name
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        dash.wait_ready(dash.page.url.partition("#")[2])
        assert dash.overflowing_elements() == [], name


def test_costs_of_short_requests_are_not_zero(dash: Dashboard) -> None:
    dash.open("/requests?task=team%2Fsums")
    expect_rows(dash, 2)
    cost = dash.page.locator("tbody tr").first.locator("td").nth(5).inner_text()
    assert float(cost.removeprefix("$")) == pytest.approx(0.000002), cost
    shown = dash.page.evaluate(
        "async () => { const { usd } = await import('/ui/format.js');"
        " return [null, 0, 0.000012, 4e-10, -0.0000021, 0.00023, 0.5, 12.345, 250].map(usd); }"
    )
    assert shown == ["–", "$0", "$0.000012", "<$0.00000001", "−$0.0000021", "$0.00023", "$0.500", "$12.35", "$250"]
