"""The dashboard in Chromium: every page, and every change an operator can make there."""

import hashlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.pack import save_pack
from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs, repacked
from tests.gateway.serving import Serving, configuration, serving_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JSON = {"content_type": "application/json"}
MODELS = ("good", "other", "slow")
PAGES = {
    "/": "Current model per task",
    "/tasks": "Current model",
    "/tasks/team%2Fsums": "Model scores",
    "/models": "Benchmark accuracy by dataset",
    "/packs": "Routing gain of first",
    "/keys": "No API keys are configured",
}
SECRETS = {"ops": "an-admins-secret", "viewer": "a-viewers-secret", "client": "a-clients-secret"}


def key_config(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(SECRETS[name].encode()).hexdigest(), **settings}


@pytest.fixture(scope="module")
def routing(
    shared_upstream: Upstream,
    good_pack: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Serving]:
    """A gateway with two packs, tasks with decisions, and some traffic. Pack `second` swaps the models' names."""
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    shutil.copytree(good_pack, folder / "packs" / "first")
    save_pack(repacked(good_pack, ("other", "good", "slow")), folder / "packs" / "second")
    text = configuration(
        shared_upstream.base_url,
        list(MODELS),
        routing={"pack": str(folder / "packs" / "first")},
        state={"url": f"sqlite:///{folder}/state.db"},
        upstream={"retries": 0},
    )
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 60)
        for task, dataset in (("team/sums", "sums"), ("atlas", "capitals"), ("rivers", "rivers")):
            given = {"inputs": inputs(dataset, 12, seed=3)}
            assert ask(running.url, f"/v1/tasks/{task}/inputs", given, **JSON).status == 200
            for _ in range(4):
                chat(running.url, task=task)
        yield running


@pytest.fixture(scope="module")
def keyed(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    """A gateway with keys and without a pack; and its configuration."""
    text = configuration(
        shared_upstream.base_url,
        list(MODELS),
        state={"url": f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db"},
        keys=[key_config("client")],
        admin={"keys": [key_config("ops"), key_config("viewer", read_only=True)]},
    )
    with serving_gateway(text) as running:
        chat(running.url)
        yield running, text


@pytest.fixture
def dash(routing: Serving, open_dashboard: OpenDashboard) -> Dashboard:
    return open_dashboard(routing.url)


def sign_in(dash: Dashboard, secret: str) -> None:
    dash.page.goto(f"{dash.url}/ui/")
    dash.wait_ready("signin")
    dash.page.get_by_label("Admin key").fill(secret)
    dash.page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 860)), ("dark", (1280, 860)), ("light", PHONE)])
def test_every_page_renders_without_errors_or_overflow(
    routing: Serving, open_dashboard: OpenDashboard, scheme: str, size: tuple[int, int]
) -> None:
    dash = open_dashboard(routing.url, scheme=scheme, size=size)
    for path, text in PAGES.items():
        dash.open(path)
        dash.wait_text(text)
        assert dash.overflowing_elements() == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe(routing: Serving, open_dashboard: OpenDashboard, scheme: str) -> None:
    """axe-core's automatic rules: accessible names, contrast, structure."""
    source = read_axe()
    if source is None:
        pytest.skip("axe-core is not installed: run `make ui-test`")
    dash = open_dashboard(routing.url, scheme=scheme)
    found = []
    for path, text in PAGES.items():
        dash.open(path)
        dash.wait_text(text)
        dash.page.evaluate(source)
        violations = dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        found += [(path, each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in violations]
    assert found == []


def test_task_page_explains_the_decision(routing: Serving, dash: Dashboard) -> None:
    dash.open("/tasks/team%2Fsums")
    text = dash.text()
    assert "good" in text
    assert "good scores highest on the benchmark questions most similar to this task." in text
    assert "Expected accuracy: about" in text
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["would_change"]["text"] in text
    assert "(pack built without texts)" in text
    dash.page.get_by_role("button", name="S1").click()
    dash.wait_text("S1: mean of the predicted scores.")


def test_task_page_shows_intervals_and_counterfactual_of_auto(routing: Serving, dash: Dashboard) -> None:
    put = ask(routing.url, "/v1/tasks/weighed/policy", {"score": "auto"}, method="PUT", **JSON)
    assert put.status == 200, put.body
    assert ask(routing.url, "/v1/tasks/weighed/inputs", {"inputs": inputs("sums", 12)}, **JSON).status == 200
    found = ask(routing.url, "/v1/tasks/weighed").json
    dash.open("/tasks/weighed")
    dash.wait_text("The bars leave out the task's difficulty")
    text = dash.text()
    for row in found["scores"]:
        assert f"{row['auto_low']:.2f}–{row['auto_high']:.2f}" in text
    assert found["decision"]["would_change"]["text"] in text
    assert found["membership"]["text"] in text
    assert "Matching datasets" in text
    assert "auto – it is configured." in text
    for path in ("/v1/tasks/weighed/policy", "/v1/tasks/weighed"):  # other tests count tasks
        assert ask(routing.url, path, method="DELETE").status == 200


def test_task_page_shows_a_declared_dataset_and_warns_of_an_unknown_one(routing: Serving, dash: Dashboard) -> None:
    path = "/v1/tasks/known/policy"
    assert ask(routing.url, path, {"dataset": "rivers"}, method="PUT", **JSON).status == 200
    dash.open("/tasks/known")
    dash.wait_text("other scores highest on dataset rivers, which the task is declared to be.")
    text = dash.text()
    assert "The task is declared to be dataset rivers, where other is right on" in text
    assert "Declared to be dataset rivers." in text
    assert "auto – the task is declared to be dataset rivers." in text
    assert ask(routing.url, path, {"dataset": "river"}, method="PUT", **JSON).status == 200
    dash.open("/tasks")
    dash.open("/tasks/known")
    dash.wait_text("tasks.known.dataset has no effect")
    assert "similar: rivers." in dash.text()
    for address in (path, "/v1/tasks/known"):  # other tests count tasks
        assert ask(routing.url, address, method="DELETE").status == 200


def test_pages_do_not_wait_for_a_frozen_scorer(routing: Serving, dash: Dashboard) -> None:
    assert routing.scorer_pid is not None
    os.kill(routing.scorer_pid, signal.SIGSTOP)
    try:
        for path, late in (
            ("/tasks/rivers", "Most similar benchmark questions"),
            ("/models", "Mean score per dataset"),
        ):
            dash.open(path)
            dash.wait_text("Waiting for the scorer…")
            assert late not in dash.text()
    finally:
        os.kill(routing.scorer_pid, signal.SIGCONT)
    dash.wait_text("Mean score per dataset and model")
    assert "Waiting for the scorer…" not in dash.text()


def test_a_task_is_pinned_and_unpinned(routing: Serving, dash: Dashboard) -> None:
    dash.open("/tasks/atlas")
    dash.page.get_by_label("Pin to model").select_option("slow")
    dash.page.get_by_role("button", name="Pin", exact=True).click()
    dash.wait_text("Pinned to slow. New requests go there.")
    assert chat(routing.url, task="atlas").ours("reason") == "pinned"
    dash.page.get_by_role("button", name="Unpin").click()
    dash.wait_text("Unpinned. The task is routed by benchmark scores again.")
    assert chat(routing.url, task="atlas").ours("reason") != "pinned"
    dash.page.get_by_text("Override history (2)").click()
    dash.wait_text("Version 2: overrides removed")


def test_candidate_models_are_restricted(routing: Serving, dash: Dashboard) -> None:
    dash.open("/tasks/rivers")
    dash.page.get_by_text("Restrict candidate models").click()
    dash.page.get_by_role("checkbox", name="other").uncheck()
    dash.page.get_by_role("button", name="Apply restriction").click()
    dash.wait_text("Restricted to good, slow. The task was rescored.")
    assert chat(routing.url, task="rivers").ours("model") in {"good", "slow"}
    dash.page.get_by_role("button", name="Remove all overrides").click()
    dash.wait_text("Overrides removed.")


def test_routing_is_previewed(dash: Dashboard) -> None:
    dash.open("/tasks/atlas")
    dash.page.get_by_label("Inputs", exact=True).fill("What is 17 plus 4?\nWhat is 3 plus 8?")
    dash.page.get_by_role("button", name="Preview decision").click()
    dash.wait_text("Decision for 2 inputs:")


def test_a_pack_is_compared_activated_and_rolled_back(routing: Serving, dash: Dashboard) -> None:
    dash.open("/packs")
    dash.page.get_by_role("button", name="Compare second with the active pack").click()
    dash.wait_text("Changes with second")
    dash.wait_text("would change model.")
    assert ask(routing.url, "/v1/packs").json["active"] == "first"
    dash.page.get_by_role("button", name="Activate second").click()
    dash.wait_text("second is active.")
    assert ask(routing.url, "/v1/packs").json["active"] == "second"
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["model"] == "other"
    dash.page.get_by_role("button", name="Roll back").click()
    dash.wait_text("Rolled back to first.")
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["model"] == "good"


def test_tasks_are_searched(dash: Dashboard) -> None:
    dash.open("/tasks")
    dash.page.get_by_label("Search by ID or name").fill("ATL")
    dash.page.get_by_text("1 task", exact=True).wait_for()
    assert dash.page.locator("tbody tr").count() == 1


def test_pages_work_with_the_keyboard(dash: Dashboard) -> None:
    dash.open("/")
    dash.page.evaluate("document.activeElement.blur()")
    dash.page.get_by_role("button", name="Skip to content").focus()
    assert dash.page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    dash.page.get_by_role("link", name="Packs").focus()
    dash.page.keyboard.press("Enter")
    dash.wait_ready("/packs")
    assert dash.page.evaluate("document.activeElement.id") == "main"


def test_theme_follows_the_system_and_the_button(routing: Serving, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(routing.url, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dash.open("/")
    dark = dash.page.evaluate(background)
    dash.page.get_by_role("button", name="Theme: System. Change theme").click()
    assert dash.page.evaluate(background) != dark
    dash.page.reload()
    dash.wait_ready("/")
    assert dash.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_empty_states_name_the_next_step(
    shared_upstream: Upstream, tmp_path: Path, open_dashboard: OpenDashboard
) -> None:
    config = configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with serving_gateway(config) as running:
        dash = open_dashboard(running.url)
        dash.open("/")
        dash.wait_text("No requests yet.")
        dash.wait_text("Send a first request")
        dash.wait_text("No pack is loaded, so every task uses the first model of the configuration.")
        for path, text in {
            "/tasks": "No tasks yet. Send a request with an X-Task-Id header to create one.",
            "/models": "No pack is loaded; all tasks use the first model of the configuration.",
            "/packs": "No packs. Build one with benchroute pack build and set routing.pack in config.yaml.",
        }.items():
            dash.open(path)
            dash.wait_text(text)
        chat(running.url, task="first")
        dash.allow_http_errors = True  # 503 where a page asks for benchmark inputs: there is no scorer
        dash.open("/tasks/first")
        dash.wait_text("No inputs scored yet.")
        no_pack = (
            "No pack has outcomes of this task's models; requests go to good, the first model of the configuration."
        )
        dash.wait_text(no_pack)
        dash.open("/tasks")
        dash.wait_text("No evidence")
        dash.wait_text(no_pack)


def test_sign_in_rejects_unknown_and_client_keys(keyed: tuple[Serving, str], open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(keyed[0].url, size=PHONE)
    dash.allow_http_errors = True
    sign_in(dash, "a-guess")
    dash.wait_text("Invalid API key: it is unknown or revoked.")
    dash.page.get_by_label("Admin key").fill(SECRETS["client"])
    dash.page.get_by_role("button", name="Sign in").click()
    dash.wait_text("Client keys cannot open the dashboard. Sign in with an admin key.")


def test_a_read_only_key_cannot_change_anything(keyed: tuple[Serving, str], open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(keyed[0].url)
    dash.allow_http_errors = True
    sign_in(dash, SECRETS["viewer"])
    dash.wait_ready("/")
    dash.wait_text("viewer (read-only)")
    dash.open("/keys")
    dash.wait_text("client")
    assert dash.page.get_by_role("button", name="Create key").count() == 0
    sent = ask(keyed[0].url, body=HELLO, authorization=f"Bearer {SECRETS['client']}")
    dash.open(f"/tasks/{sent.ours('task')}")
    dash.wait_text("Read-only key.")
    assert dash.page.get_by_text("Manage task").count() == 0


def test_a_key_is_created_used_and_revoked(keyed: tuple[Serving, str], open_dashboard: OpenDashboard) -> None:
    url = keyed[0].url
    dash = open_dashboard(url)
    dash.allow_http_errors = True
    sign_in(dash, SECRETS["ops"])
    dash.wait_ready("/")
    dash.open("/keys")
    dash.page.get_by_label("Name").fill("team-b")
    dash.page.get_by_label("Budget per day (USD)").fill("5")
    dash.page.get_by_role("button", name="Create key").click()
    dash.wait_text("Key team-b created. Copy this key now; it will not be shown again.")
    secret = dash.page.locator(".secret").inner_text()
    assert ask(url, "/v1/models", authorization=f"Bearer {secret}").status == 200
    dash.page.get_by_role("button", name="Revoke key team-b").click()
    dash.page.get_by_role("button", name="Confirm revocation of team-b").click()
    dash.wait_text("Key team-b revoked.")
    assert ask(url, "/v1/models", authorization=f"Bearer {secret}").status == 401


def test_a_key_revoked_during_a_session_leads_back_to_sign_in(
    keyed: tuple[Serving, str], open_dashboard: OpenDashboard
) -> None:
    serving, text = keyed
    dash = open_dashboard(serving.url)
    dash.allow_http_errors = True
    sign_in(dash, SECRETS["ops"])
    dash.wait_ready("/")
    config = yaml.safe_load(text)
    config["admin"]["keys"] = [key_config("viewer", read_only=True)]
    serving.reload(yaml.safe_dump(config))
    try:
        dash.wait_text("it is unknown or revoked")  # at the next periodic refresh, without a click
        assert dash.page.evaluate("sessionStorage.length") == 0
    finally:
        serving.reload(text)
