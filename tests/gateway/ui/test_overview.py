"""The overview from a gateway's first minute on: steps, counts without evidence, and 300 tasks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, serving_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DESK_HEIGHT = 860
MODELS = ("gpt-4o", "gpt-4o-mini", "home-made")


def config_of(upstream: Upstream, folder: Path, **sections: object) -> str:
    backends = [{"kind": "openai", "base_url": upstream.base_url, "model": "good"}]
    listed = [{"name": name, "backends": backends} for name in MODELS]
    state = {"url": f"sqlite:///{folder}/state.db"}
    return yaml.safe_dump({"models": listed, "state": state, "scorer": {"nice": 0}, **sections})


@pytest.fixture
def bare(shared_upstream: Upstream, tmp_path: Path) -> Iterator[Serving]:
    """A gateway without pack, prices or requests."""
    with serving_gateway(config_of(shared_upstream, tmp_path)) as running:
        yield running


def states(dash: Dashboard) -> list[str]:
    return dash.page.locator(".steps > li h3").all_inner_texts()


def test_steps_are_open_until_each_is_done(bare: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(bare.url)
    dash.open("/")
    assert states(dash) == ["The gateway answers Done", "Send a first request Open", "Evidence to route by Open"]
    shown = dash.page.locator(".snippet pre")
    assert f"curl '{bare.url}/v1/chat/completions'" in shown.inner_text()
    dash.page.get_by_role("button", name="Python").click()
    assert f'base_url="{bare.url}/v1"' in shown.inner_text()
    dash.page.get_by_role("button", name="TypeScript").click()
    assert "process.env.BENCHROUTE_API_KEY" in shown.inner_text()
    chat(bare.url, task="first")
    dash.open("/tasks")
    dash.open("/")
    assert states(dash) == ["The gateway answers Done", "Send a first request Done", "Evidence to route by Open"]
    assert dash.page.locator(".snippet").count() == 0


def test_a_snippet_is_copied(bare: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(bare.url)
    dash.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dash.open("/")
    dash.page.get_by_role("button", name="Copy", exact=True).click()
    dash.wait_text("Copied")
    copied = dash.page.evaluate("navigator.clipboard.readText()")
    assert copied == dash.page.locator(".snippet pre").inner_text()


def test_steps_vanish_with_evidence_and_a_call(
    shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard
) -> None:
    """The shipped pack knows two of the models; which of its models they are is shown."""
    text = config_of(shared_upstream, tmp_path, routing={"pack": "public"})
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 60)
        dash = open_dashboard(running.url)
        dash.open("/")
        assert states(dash)[2] == "Evidence to route by Done"
        dash.wait_text("Pack public has outcomes of 2 of 3 models.")
        dash.wait_text("home-made: No outcomes in the pack")
        chat(running.url, task="first", model="gpt-4o")
        dash.open("/models")
        dash.wait_text("No outcomes in the pack")
        dash.open("/")
        assert not dash.page.locator(".steps").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_three_hundred_tasks_without_evidence_fit_three_screens(
    bare: Serving, open_dashboard: OpenDashboard, scheme: str
) -> None:
    """No price is taken for 0, no model for the best, and no request that named its model for a saving."""
    for number in range(300):
        chat(bare.url, task=f"team/a-task-with-a-long-name-{number:03d}", model="auto" if number % 3 else "home-made")
    dash = open_dashboard(bare.url, scheme=scheme)
    dash.open("/")
    dash.wait_text("300 tasks use gpt-4o, the first model of the configuration")
    text = dash.text()
    assert "best model on average" not in text.partition("Requests per minute")[0]
    assert "Routing cost" not in text
    assert "300 requests without a known price" in text
    assert dash.page.evaluate("document.documentElement.scrollHeight") <= 3 * DESK_HEIGHT
    assert dash.overflowing_elements() == []
    if (source := read_axe()) is not None:
        dash.page.evaluate(source)
        assert dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"] == []
    phone = open_dashboard(bare.url, scheme=scheme, size=PHONE)
    phone.open("/")
    assert phone.overflowing_elements() == []
