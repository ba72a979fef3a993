"""Charts of the history: ranges, comparisons, series, model changes; what they say without being seen."""

import math
import time
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.http.token_usage import Usage
from gateway.state.sqlite import SqliteStore
from gateway.usage.history import HOUR_S, MINUTE_S, ChangeMark, HistoryRows, HistorySample, SeriesName, sum_samples
from gateway.usage.ledger import UsageBatch
from gateway.usage.timeseries import sum_times
from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGES = ("/", "/models", "/tasks/support")
CHARTS = ("Requests", "Cost and savings", "Latency", "First token", "Tokens", "Gateway overhead")
USD, BASELINE = Decimal("0.002"), Decimal("0.005")


def one_bucket(at: float, size: int) -> HistorySample:
    batch = UsageBatch()
    for _ in range(size):
        batch.add_usage(Usage(1000, 100), USD)
    seconds = 0.8 + 0.3 * math.sin(at / 20_000)
    names: tuple[SeriesName, ...] = (("task", "support"), ("model", "good"), ("backend", "good/1"))
    return HistorySample(
        names=names, status=200, broke=False, requests=size,
        totals=sum_times([seconds * (1 + n / size) for n in range(size)]), overheads=sum_times([0.0004] * size),
        first_tokens=sum_times([seconds / 4] * size), usage=batch, usd=USD * size, unpriced=0, compared_usd=USD * size,
        baseline_usd=BASELINE * size, is_routed=True, faults=(), at=at,
    )  # fmt: skip


def fill(path: Path, now: float) -> None:
    """Ninety days of requests, more by day than by night, and a change of `support`'s model half an hour ago."""
    store, rows = SqliteStore(str(path)), HistoryRows()
    for step_s, count in ((HOUR_S, 2159), (MINUTE_S, 2878)):
        for number in range(int(now // step_s) - count, int(now // step_s)):
            size = 3 + int(2.5 * math.sin(number * step_s / 86_400 * 2 * math.pi))
            (series,) = sum_samples([one_bucket(number * step_s, size)]).values()
            rows[step_s, number] = series
    change = now - 1800
    store.add_history(rows, [ChangeMark("support", 2, change, "support")])
    store.close()


@pytest.fixture(scope="module")
def gateway_url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = Path(tmp_path_factory.mktemp("history")) / "state.db"
    fill(state, time.time())
    models: list[dict[str, Any]] = []
    for name, price in (("good", (1.6, 4)), ("other", (4, 10)), ("slow", None)):
        about: dict[str, Any] = {"name": name, "backends": [{"kind": "openai", "base_url": shared_upstream.base_url}]}
        if price is not None:
            about["price"] = {"input_usd_per_mtok": price[0], "output_usd_per_mtok": price[1]}
        models.append(about)
    with running_gateway(yaml.safe_dump({"models": models, "state": {"url": f"sqlite:///{state}"}})) as url:
        chat(url, task="support")
        yield url


@pytest.fixture
def dash(gateway_url: str, open_dashboard: OpenDashboard) -> Dashboard:
    opened = open_dashboard(gateway_url)
    opened.allow_http_errors = True  # a task without a decision is a 404
    return opened


def labels(dash: Dashboard) -> dict[str, str]:
    """The charts' accessible names, by title."""
    texts = dash.page.locator(".history canvas").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    return {title: next(text for text in texts if text.startswith(f"{title} by step")) for title in CHARTS}


def lead(dash: Dashboard) -> str:
    return dash.page.locator(".history .card-head p").inner_text()


def select_range(dash: Dashboard, name: str) -> None:
    dash.page.get_by_role("button", name=name, exact=True).click()
    dash.page.locator(".history .switch:not([aria-busy])").wait_for()


def test_every_range_has_its_steps(dash: Dashboard) -> None:
    dash.open("/")
    seen = {}
    for name in ("1 h", "6 h", "24 h", "48 h", "7 d", "30 d", "90 d"):
        select_range(dash, name)
        seen[name] = lead(dash).split(",")[1].split(":")[0].strip()
        assert all(text for text in labels(dash).values())
    assert list(seen.values()) == [
        f"one value per {step}" for step in ("1 min", "1 min", "5 min", "10 min", "1 h", "2 h", "6 h")
    ]
    assert dash.page.url.endswith("#/?range=90d")
    dash.page.reload()
    dash.wait_text("Last 90 days")


def test_cost_is_compared_with_the_best_on_average_or_with_a_model(dash: Dashboard) -> None:
    dash.open("/tasks/support?range=24h")
    dash.wait_text("Compared with the best model on average")
    assert "routing saved" in lead(dash)
    assert "(60" in lead(dash)  # 2 in place of 5 tenths of a cent
    dash.page.get_by_label("Compare cost with").select_option("good")
    dash.wait_text("Compared with good")
    assert "routing saved $0" in lead(dash)
    assert dash.page.url.endswith("range=24h&compare=good")
    dash.page.get_by_label("Compare cost with").select_option("slow")
    dash.wait_text("Model 'slow' has no price")


def test_a_model_or_a_backend_is_selected(dash: Dashboard) -> None:
    dash.open("/models?range=7d")
    requests = labels(dash)["Requests"]
    dash.page.get_by_role("combobox", name="Show").select_option(label="other")
    dash.wait_text("no requests.")
    assert labels(dash)["Requests"] != requests
    dash.page.get_by_role("combobox", name="Show").select_option(label="good")
    dash.wait_text("Compared with the best model on average")
    assert dash.page.url.endswith("of=model%3Agood")


def test_an_admin_selects_a_key(shared_upstream: Upstream, open_dashboard: OpenDashboard, tmp_path: Path) -> None:
    def key(name: str) -> dict[str, str]:
        return {"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest()}

    keys = {"keys": [key("team"), key("idle")], "admin": {"keys": [key("ops")]}}
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    with running_gateway(configuration(shared_upstream.base_url, ["good"], state=state, **keys)) as url:
        ask(url, body=HELLO, authorization="Bearer sk-team")
        dash = open_dashboard(url)
        dash.allow_http_errors = True  # 401 before the sign-in
        dash.page.goto(f"{url}/ui/")
        dash.wait_ready("signin")
        dash.page.get_by_label("Admin key").fill("sk-ops")
        dash.page.get_by_role("button", name="Sign in").click()
        dash.wait_ready("/")
        for name, text in (("idle", "no requests."), ("team", "1 request")):
            dash.page.get_by_role("combobox", name="Show").select_option(label=f"Key {name}")
            dash.page.locator(".history .card-head p", has_text=text).wait_for()
        assert dash.page.url.endswith("of=key%3Ateam")


def test_a_change_of_model_is_marked_and_told(dash: Dashboard) -> None:
    dash.open("/tasks/support")
    dash.wait_text("1 model change")
    dash.wait_text("Dashed lines: model changes.")
    marks = dash.page.evaluate(
        "() => Object.values(Chart.instances).map((one) => one.options.plugins.changeMarks?.marks?.length)"
    )
    assert marks.count(1) == len(CHARTS)


def test_the_values_are_also_a_table(dash: Dashboard) -> None:
    dash.open("/?range=7d")
    dash.page.get_by_text("Show as table").click()
    table = dash.page.get_by_role("region", name="Table: History").locator("tbody tr")
    table.nth(10).wait_for()
    assert table.count() in (167, 168)
    assert table.first.locator("td").count() == 10


def test_a_range_without_requests_says_so(dash: Dashboard) -> None:
    dash.open("/models?of=model:other&range=30d")
    dash.wait_text("no requests.")


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 860)), ("dark", (1280, 860)), ("light", PHONE)])
def test_pages_with_charts_fit_and_pass_axe(
    gateway_url: str, open_dashboard: OpenDashboard, scheme: str, size: tuple[int, int]
) -> None:
    dash = open_dashboard(gateway_url, scheme=scheme, size=size)
    dash.allow_http_errors = True
    for path in PAGES:
        dash.open(f"{path}?range=90d")
        dash.wait_text("Last 90 days")
        dash.page.get_by_text("Show as table").click()
        assert dash.overflowing_elements() == [], path
        if source := read_axe():
            dash.page.evaluate(source)
            found = dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found] == [], path
