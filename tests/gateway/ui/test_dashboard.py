"""The dashboard in a real Chromium: every page, and everything an operator can do there."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.embedder import SentenceTransformerEmbedder
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs, saved_pack
from tests.gateway.serving import Serving, configuration, serving_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, axe
from tests.gateway.ui.conftest import Opens
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JSON = {"content_type": "application/json"}
MODELS = ("good", "other", "slow")
PAGES = {
    "/": "Which model each task uses",
    "/tasks": "From the benchmarks",
    "/tasks/team%2Fsums": "How the models score",
    "/models": "What the benchmark says",
    "/packs": "What first is worth",
    "/keys": "No keys are configured",
}
SECRETS = {"ops": "an-admins-secret", "viewer": "a-viewers-secret", "client": "a-clients-secret"}


def hashed(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(SECRETS[name].encode()).hexdigest(), **terms}


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {SECRETS[name]}"}


@pytest.fixture(scope="module")
def routing(
    shared_upstream: Upstream,
    good_pack: Path,
    embedder: SentenceTransformerEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Serving]:
    """With two packs, tasks that have been decided on, and some traffic. `second` knows the models by other names."""
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    shutil.copytree(good_pack, folder / "packs" / "first")
    saved_pack(folder / "packs" / "second", embedder, ("other", "good", "slow"))
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
    """With keys and without a pack; and its configuration."""
    text = configuration(
        shared_upstream.base_url,
        list(MODELS),
        state={"url": f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db"},
        keys=[hashed("client")],
        admin={"keys": [hashed("ops"), hashed("viewer", read_only=True)]},
    )
    with serving_gateway(text) as running:
        chat(running.url)
        yield running, text


@pytest.fixture
def shown(routing: Serving, opens: Opens) -> Dashboard:
    return opens(routing.url)


def sign_in(shown: Dashboard, secret: str) -> None:
    shown.page.goto(f"{shown.url}/ui/")
    shown.wait("signin")
    shown.page.get_by_label("Admin key").fill(secret)
    shown.page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 860)), ("dark", (1280, 860)), ("light", PHONE)])
def test_every_page_shows_what_it_should_and_complains_of_nothing(
    routing: Serving, opens: Opens, scheme: str, size: tuple[int, int]
) -> None:
    shown = opens(routing.url, scheme=scheme, size=size)
    for path, text in PAGES.items():
        shown.open(path)
        shown.said(text)
        assert shown.too_wide() == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(routing: Serving, opens: Opens, scheme: str) -> None:
    """What axe-core can find out by itself: names, contrast, structure."""
    source = axe()
    if source is None:
        pytest.skip("axe-core is not here: `make ui-test` gets it from npm")
    shown = opens(routing.url, scheme=scheme)
    found = []
    for path, text in PAGES.items():
        shown.open(path)
        shown.said(text)
        shown.page.evaluate(source)
        told = shown.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        found += [(path, fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]) for fault in told]
    assert found == []


def test_a_page_says_in_words_where_a_task_goes_and_why(routing: Serving, shown: Dashboard) -> None:
    shown.open("/tasks/team%2Fsums")
    told = shown.text()
    assert "good" in told
    assert "does best" in told
    assert "Of 100 inputs it is expected to get about" in told
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["would_change"]["text"] in told
    assert "number" in told  # the nearest inputs, of which this pack has no texts
    shown.page.get_by_role("button", name="S1").click()
    shown.said("the mean of the predictions")


def test_what_auto_expects_has_its_intervals_and_what_would_change_it(routing: Serving, shown: Dashboard) -> None:
    put = ask(routing.url, "/v1/tasks/weighed/policy", {"score": "auto"}, method="PUT", **JSON)
    assert put.status == 200, put.body
    assert ask(routing.url, "/v1/tasks/weighed/inputs", {"inputs": inputs("sums", 12)}, **JSON).status == 200
    found = ask(routing.url, "/v1/tasks/weighed").json
    shown.open("/tasks/weighed")
    shown.said("The bars leave out how hard the task is for all of them")
    told = shown.text()
    for row in found["scores"]:
        assert f"{row['auto_low']:.2f}–{row['auto_high']:.2f}" in told
    assert found["decision"]["would_change"]["text"] in told
    for path in ("/v1/tasks/weighed/policy", "/v1/tasks/weighed"):  # other tests count tasks
        assert ask(routing.url, path, method="DELETE").status == 200


def test_a_task_is_pinned_and_let_go(routing: Serving, shown: Dashboard) -> None:
    shown.open("/tasks/atlas")
    shown.page.get_by_label("Always use").select_option("slow")
    shown.page.get_by_role("button", name="Pin", exact=True).click()
    shown.said("Pinned to slow. Its requests go there from now on.")
    assert chat(routing.url, task="atlas").ours("reason") == "pinned"
    shown.page.get_by_role("button", name="Unpin").click()
    shown.said("Unpinned: the evidence decides again.")
    assert chat(routing.url, task="atlas").ours("reason") != "pinned"
    shown.page.get_by_text("What was said before (2 versions)").click()
    shown.said("version 2: taken back")


def test_a_task_is_restricted(routing: Serving, shown: Dashboard) -> None:
    shown.open("/tasks/rivers")
    shown.page.get_by_text("Restrict the models it may use").click()
    shown.page.get_by_role("checkbox", name="other").uncheck()
    shown.page.get_by_role("button", name="Restrict").click()
    shown.said("Restricted, and decided on again.")
    assert chat(routing.url, task="rivers").ours("model") in {"good", "slow"}
    shown.page.get_by_role("button", name="Take back all that was said here").click()
    shown.said("Taken back")


def test_inputs_are_tried(shown: Dashboard) -> None:
    shown.open("/tasks/atlas")
    shown.page.get_by_label("Inputs", exact=True).fill("What is 17 plus 4?\nWhat is 3 plus 8?")
    shown.page.get_by_role("button", name="Decide").click()
    shown.said("A task of 2 such inputs would get")


def test_a_pack_is_compared_taken_into_use_and_given_back(routing: Serving, shown: Dashboard) -> None:
    shown.open("/packs")
    shown.page.get_by_role("button", name="Compare second with the pack in use").click()
    shown.said("What second would change")
    shown.said("would get another model.")
    assert ask(routing.url, "/v1/packs").json["active"] == "first"
    shown.page.get_by_role("button", name="Use second").click()
    shown.said("second is in use.")
    assert ask(routing.url, "/v1/packs").json["active"] == "second"
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["model"] == "other"
    shown.page.get_by_role("button", name="Go back to the pack before").click()
    shown.said("first is in use again.")
    assert ask(routing.url, "/v1/tasks/team/sums").json["decision"]["model"] == "good"


def test_tasks_are_found_by_typing(shown: Dashboard) -> None:
    shown.open("/tasks")
    shown.page.get_by_label("Find a task, model or reason").fill("atl")
    shown.said("1 of 3")
    assert shown.page.locator("tbody tr").count() == 1


def test_the_keyboard_is_enough(shown: Dashboard) -> None:
    shown.open("/")
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.get_by_role("button", name="Skip to content").focus()
    assert shown.page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    shown.page.get_by_role("link", name="Packs").focus()
    shown.page.keyboard.press("Enter")
    shown.wait("/packs")
    assert shown.page.evaluate("document.activeElement.id") == "main"


def test_colours_follow_the_system_and_the_switch(routing: Serving, opens: Opens) -> None:
    shown = opens(routing.url, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    shown.open("/")
    dark = shown.page.evaluate(ground)
    shown.page.get_by_role("button", name="Colours: As the system. Change").click()
    assert shown.page.evaluate(ground) != dark
    shown.page.reload()
    shown.wait("/")
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_an_empty_installation_says_how_to_begin(shared_upstream: Upstream, tmp_path: Path, opens: Opens) -> None:
    text = configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with serving_gateway(text) as running:
        shown = opens(running.url)
        shown.open("/")
        shown.said("No request has come yet.")
        shown.said("Send a first request")
        for path, told in {
            "/tasks": "No task has had a request yet",
            "/models": "There is no pack",
            "/packs": "No pack is configured",
        }.items():
            shown.open(path)
            shown.said(told)
        chat(running.url, task="first")
        shown.allows_refusals = True  # there is no account of a task that nothing is known of
        shown.open("/tasks/first")
        shown.said("No input has been scored yet.")


def test_a_key_is_asked_for_and_one_that_is_not_known_is_told(keyed: tuple[Serving, str], opens: Opens) -> None:
    shown = opens(keyed[0].url, size=PHONE)
    shown.allows_refusals = True
    sign_in(shown, "a-guess")
    shown.said("This key is not known, or not known any more")
    shown.page.get_by_label("Admin key").fill(SECRETS["client"])
    shown.page.get_by_role("button", name="Sign in").click()
    shown.said("This key sends requests; the dashboard takes an admin key.")


def test_a_read_only_key_sees_all_and_changes_nothing(keyed: tuple[Serving, str], opens: Opens) -> None:
    shown = opens(keyed[0].url)
    shown.allows_refusals = True
    sign_in(shown, SECRETS["viewer"])
    shown.wait("/")
    shown.said("viewer, read-only")
    shown.open("/keys")
    shown.said("client")
    assert shown.page.get_by_role("button", name="Make a key").count() == 0
    shown.open("/tasks/default")
    shown.said("This key looks, and changes nothing.")


def test_a_key_is_made_used_and_revoked(keyed: tuple[Serving, str], opens: Opens) -> None:
    url = keyed[0].url
    shown = opens(url)
    shown.allows_refusals = True
    sign_in(shown, SECRETS["ops"])
    shown.wait("/")
    shown.open("/keys")
    shown.page.get_by_label("Name").fill("team-b")
    shown.page.get_by_label("US dollars a day").fill("5")
    shown.page.get_by_role("button", name="Make a key").click()
    shown.said("The secret of team-b, this one time:")
    secret = shown.page.locator(".secret").inner_text()
    assert ask(url, "/v1/models", authorization=f"Bearer {secret}").status == 200
    shown.page.get_by_role("button", name="Revoke team-b").click()
    shown.page.get_by_role("button", name="Really revoke team-b?").click()
    shown.said("team-b is revoked")
    assert ask(url, "/v1/models", authorization=f"Bearer {secret}").status == 401


def test_a_key_that_expires_while_one_looks_leads_back_to_the_door(keyed: tuple[Serving, str], opens: Opens) -> None:
    serving, text = keyed
    shown = opens(serving.url)
    shown.allows_refusals = True
    sign_in(shown, SECRETS["ops"])
    shown.wait("/")
    config = yaml.safe_load(text)
    config["admin"]["keys"] = [hashed("viewer", read_only=True)]
    serving.reload(yaml.safe_dump(config))
    try:
        shown.said("it may have expired or been revoked")  # by itself, within the time after which a page is renewed
        assert shown.page.evaluate("sessionStorage.length") == 0
    finally:
        serving.reload(text)
