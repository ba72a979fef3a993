"""The range picker that pages with history share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.browser import PHONE, Dashboard
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MOUNT = """async (query) => {
  const { rangePicker } = await import('./range.js');
  const { hashQuery, setHashQuery } = await import('./hash.js');
  setHashQuery(Object.fromEntries(new URLSearchParams(query)));
  window.selected = [];
  const onChange = (range) => { window.selected.push(range); };
  window.picker = rangePicker({ query: hashQuery(), setQuery: setHashQuery }, { onChange });
  document.getElementById('main').replaceChildren(window.picker.element);
}"""


@pytest.fixture(scope="module")
def gateway_url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = Path(tmp_path_factory.mktemp("state")) / "state.db"
    with running_gateway(configuration(shared_upstream.base_url, ["m"], state={"url": f"sqlite:///{state}"})) as url:
        yield url


@pytest.fixture
def dash(gateway_url: str, open_dashboard: OpenDashboard) -> Dashboard:
    dash = open_dashboard(gateway_url)
    dash.open("/keys")
    return dash


def pressed(dash: Dashboard) -> list[str]:
    return dash.page.locator(".range button[aria-pressed=true]").all_inner_texts()


def test_a_selected_range_is_in_the_address_beside_the_other_filters(dash: Dashboard) -> None:
    dash.page.evaluate(MOUNT, "search=a%26b")
    assert pressed(dash) == ["1 h"]
    dash.page.get_by_role("button", name="7 d").click()
    assert pressed(dash) == ["7 d"]
    assert dash.page.url.endswith("#/keys?search=a%26b&range=7d")
    assert dash.page.evaluate("[picker.parameters(), picker.words(), selected]") == [
        {"range": "7d"},
        "last 7 days",
        [{"name": "7d"}],
    ]
    dash.page.get_by_role("button", name="1 h").click()
    assert dash.page.url.endswith("#/keys?search=a%26b")


@pytest.mark.parametrize("query", ["range=2y", "from=x&to=y", "from=2026-02-02T00:00:00Z&to=2026-02-01T00:00:00Z"])
def test_an_address_that_means_no_range_shows_the_default(dash: Dashboard, query: str) -> None:
    dash.page.evaluate(MOUNT, query)
    assert pressed(dash) == ["1 h"]


def test_times_of_ones_own(gateway_url: str, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(gateway_url, size=PHONE)
    dash.open("/keys")
    dash.page.evaluate(MOUNT, "range=24h")
    dash.page.get_by_role("button", name="Custom").click()
    dash.page.get_by_label("From").fill("2026-02-03T10:00")
    dash.page.get_by_label("To", exact=True).fill("2026-02-02T10:00")
    dash.page.get_by_role("button", name="Apply").click()
    dash.wait_text("From must be before To.")
    dash.page.get_by_label("To", exact=True).fill("2026-02-04T10:00")
    dash.page.get_by_role("button", name="Apply").click()
    assert pressed(dash) == ["Custom"]
    times = dash.page.evaluate("picker.parameters()")
    assert dash.page.evaluate("(times) => Date.parse(times.to) - Date.parse(times.from)", times) == 86_400_000
    query = dash.page.url.partition("?")[2]
    dash.page.evaluate(MOUNT, query)
    assert dash.page.evaluate("picker.parameters()") == times
    assert dash.overflowing_elements() == []
