"""The playground in Chromium against a real gateway and upstream: answers, failures, tools, images, hostile texts."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Locator, expect

from tests.gateway.asking import ask
from tests.gateway.packs import inputs
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway
from tests.gateway.ui.browser import PHONE, READY_MS, Dashboard, Scheme, read_axe
from tests.gateway.ui.chat_upstream import ChatUpstream, running_chat_upstream
from tests.gateway.ui.conftest import OpenDashboard
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODELS = ("plain", "code", "hostile", "thinks", "calls", "refuses", "cut", "endless", "breaks", "fails")
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 4, "cached_input_usd_per_mtok": 0.1}
COST = "$0.00240"  # 1,200 tokens in and 300 out
TOOLS = '[{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SECRETS = {"ops": "an-admins-secret", "viewer": "a-viewers-secret", "client": "a-clients-secret"}
JSON = {"content_type": "application/json"}


def key_config(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(SECRETS[name].encode()).hexdigest(), **settings}


def config_of(upstream: ChatUpstream, models: tuple[str, ...], folder: Path, **sections: Any) -> str:
    """A gateway's configuration whose models have prices."""
    parsed = yaml.safe_load(
        configuration(upstream.base_url, models, state={"url": f"sqlite:///{folder}/state.db"}, **sections)
    )
    for model in parsed["models"]:
        model["price"] = PRICE
    return yaml.safe_dump(parsed)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ChatUpstream]:
    with running_chat_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def url(upstream: ChatUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway without keys and without a pack."""
    with running_gateway(config_of(upstream, MODELS, tmp_path_factory.mktemp("state"))) as running:
        yield running


@pytest.fixture
def keyed(upstream: ChatUpstream, tmp_path: Path) -> Iterator[tuple[Serving, str]]:
    """A gateway with an admin key, a read-only one and a client's; and its configuration."""
    admins = [key_config("ops"), key_config("viewer", read_only=True)]
    text = config_of(
        upstream, ("plain", "code", "endless"), tmp_path, keys=[key_config("client")], admin={"keys": admins}
    )
    with serving_gateway(text) as running:
        yield running, text


def open_playground(dash: Dashboard, query: str = "") -> None:
    dash.open(f"/playground{query}")


def send(dash: Dashboard, prompt: str) -> None:
    dash.page.get_by_label("Prompt", exact=True).fill(prompt)
    dash.page.keyboard.press("Control+Enter")


def column(dash: Dashboard, model: str) -> Locator:
    return dash.page.get_by_role("region", name=f"Answers of {model}", exact=True)


def expect_text(place: Locator, text: str | re.Pattern[str]) -> None:
    expect(place).to_contain_text(text, timeout=READY_MS)


def sign_in(dash: Dashboard, name: str) -> None:
    dash.page.goto(f"{dash.url}/ui/#/playground")
    dash.wait_ready("signin")
    dash.page.get_by_label("Admin key").fill(SECRETS[name])
    dash.page.get_by_role("button", name="Sign in").click()
    dash.wait_ready("/playground")


@pytest.mark.parametrize("streams", [True, False])
def test_models_answer_side_by_side_with_figures_and_route(
    url: str, upstream: ChatUpstream, open_dashboard: OpenDashboard, streams: bool
) -> None:
    dash = open_dashboard(url)
    dash.allow_http_errors = True  # 404: the task has no decision
    open_playground(dash, "?models=auto,code,thinks&task=support")
    dash.page.get_by_text("System prompt, tools and parameters").click()
    dash.page.get_by_label("System prompt").fill("Be brief.")
    dash.page.get_by_label("Temperature").fill("0.2")
    dash.page.get_by_label("Max tokens").fill("50")
    dash.page.get_by_label("Stream the answer").set_checked(streams)
    sent = len(upstream.bodies)
    send(dash, "What is 2+2?")
    expect_text(column(dash, "auto"), 'Turn 1: "What is 2+2?"')
    expect_text(column(dash, "code"), "print(len('abc'))")
    expect_text(column(dash, "thinks"), "4")
    for model in ("auto", "code", "thinks"):
        expect_text(column(dash, model), COST)
        expect_text(column(dash, model), "Tokens in1,200Tokens out300")
    expect_text(column(dash, "auto"), "task support")
    expect_text(column(dash, "auto"), "plain at plain/1")
    expect_text(column(dash, "auto"), "No evidence")
    expect_text(column(dash, "code"), "Requested")
    assert dash.page.get_by_role("link", name="support").first.get_attribute("href") == "#/tasks/support"
    reasoning = column(dash, "thinks").get_by_text("Two and two make four.")
    assert not reasoning.is_visible()
    column(dash, "thinks").get_by_text("Reasoning", exact=True).click()
    assert reasoning.is_visible()
    bodies = upstream.bodies[sent:]
    assert sorted(body["model"] for body in bodies) == ["code", "plain", "thinks"]
    for body in bodies:
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is 2+2?"},
        ]
        assert (body["temperature"], body["max_tokens"], body["stream"]) == (0.2, 50, streams)
    link = column(dash, "code").get_by_role("link", name=re.compile("^req_"))
    assert link.get_attribute("href") == f"#/requests/{link.inner_text()}"
    rows = dash.page.get_by_role("region", name=re.compile("Table: Last answers")).locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text(COST)


def test_a_conversation_has_turns_and_survives_a_reload(
    url: str, upstream: ChatUpstream, open_dashboard: OpenDashboard
) -> None:
    dash = open_dashboard(url)
    open_playground(dash, "?models=plain")
    send(dash, "first")
    expect_text(column(dash, "plain"), 'Turn 1: "first"')
    expect_text(column(dash, "plain"), COST)
    dash.page.reload()
    dash.wait_ready("/playground")
    expect_text(column(dash, "plain"), 'Turn 1: "first"')
    expect_text(column(dash, "plain"), COST)
    send(dash, "second")
    expect_text(column(dash, "plain"), 'Turn 2: "second"')
    assert [message["role"] for message in upstream.bodies[-1]["messages"]] == ["user", "assistant", "user"]
    dash.page.get_by_role("link", name="Models").click()
    dash.wait_ready("/models")
    assert dash.page.url.endswith("#/models")
    dash.page.get_by_role("link", name="Playground").click()
    dash.wait_ready("/playground")
    expect_text(column(dash, "plain"), 'Turn 2: "second"')
    dash.page.get_by_role("button", name="New conversation").click()
    expect(column(dash, "plain")).not_to_contain_text("Turn 1")
    send(dash, "again")
    expect_text(column(dash, "plain"), 'Turn 1: "again"')


def test_a_failure_stays_in_its_column(url: str, open_dashboard: OpenDashboard, upstream: ChatUpstream) -> None:
    dash = open_dashboard(url)
    dash.allow_http_errors = True
    open_playground(dash, "?models=fails,breaks,plain,nowhere")
    send(dash, "hi")
    expect_text(column(dash, "plain"), 'Turn 1: "hi"')
    expect_text(column(dash, "fails"), re.compile("HTTP 400, too_large: max_tokens is too large.*Request req_"))
    expect_text(column(dash, "breaks"), re.compile("Turn 1.*stream_interrupted: the stream broke off"))
    expect_text(column(dash, "nowhere"), "HTTP 404, model_not_found")
    send(dash, "again")
    expect_text(column(dash, "plain"), 'Turn 2: "again"')
    expect_text(column(dash, "fails"), re.compile("too_large.*too_large"))
    # A turn without an answer is no part of the conversation.
    assert upstream.bodies_of("fails")[-1]["messages"] == [{"role": "user", "content": "again"}]
    calls = len(upstream.bodies_of("fails"))
    dash.page.get_by_role("button", name="Retry fails").click()
    eventually(lambda: len(upstream.bodies_of("fails")) > calls)
    expect(column(dash, "fails").get_by_text("HTTP 400, too_large")).to_have_count(2)


def test_a_stream_is_stopped_in_the_middle(url: str, open_dashboard: OpenDashboard, upstream: ChatUpstream) -> None:
    dash = open_dashboard(url)
    open_playground(dash, "?models=endless,plain")
    send(dash, "hi")
    expect_text(column(dash, "endless"), "more more more")
    expect_text(column(dash, "plain"), "Turn 1")
    closed = upstream.closed
    dash.page.get_by_role("button", name="Stop endless").click()
    expect_text(column(dash, "endless"), "Stopped")
    eventually(lambda: upstream.closed > closed)
    expect(dash.page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    send(dash, "next")
    expect_text(column(dash, "plain"), "Turn 2")
    assert [one["role"] for one in upstream.bodies_of("endless")[-1]["messages"]] == ["user", "assistant", "user"]
    dash.page.get_by_role("button", name="Stop all").click()
    eventually(lambda: upstream.closed > closed + 1)
    send(dash, "last")
    dash.page.reload()  # leaving the page closes the stream, and what has come of it stays
    dash.wait_ready("/playground")
    expect_text(column(dash, "endless"), "Interrupted")
    eventually(lambda: upstream.closed > closed + 2)


@pytest.mark.parametrize("streams", [True, False])
def test_tool_calls_are_shown_and_answered(
    url: str, upstream: ChatUpstream, open_dashboard: OpenDashboard, streams: bool
) -> None:
    dash = open_dashboard(url)
    open_playground(dash, "?models=calls")
    dash.page.get_by_text("System prompt, tools and parameters").click()
    dash.page.get_by_label("Stream the answer").set_checked(streams)
    dash.page.get_by_label("Tools (JSON array)").fill("[{")
    send(dash, "Weather in Oslo?")
    dash.wait_text("Tools: not valid JSON")
    assert dash.page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    dash.page.get_by_label("Tools (JSON array)").fill(TOOLS)
    send(dash, "Weather in Oslo?")
    expect_text(column(dash, "calls"), '"city": "Oslo"')
    expect_text(column(dash, "calls"), "Tool calls")
    assert upstream.bodies[-1]["tools"] == yaml.safe_load(TOOLS)
    dash.page.get_by_label("Result of get_weather").fill("sunny")
    dash.page.keyboard.press("Control+Enter")
    expect_text(column(dash, "calls"), "It is sunny.")
    call, result = upstream.bodies[-1]["messages"][1:]
    assert call["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def test_images_are_sent_from_files_and_by_address(
    url: str, upstream: ChatUpstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    (tmp_path / "notes.txt").write_text("no image")
    dash = open_dashboard(url)
    open_playground(dash, "?models=plain")
    dash.page.get_by_text("Images", exact=True).click()
    dash.page.locator("#pg-file").set_input_files([tmp_path / "dot.png"])
    thumbnail = dash.page.get_by_role("img", name="dot.png")
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("(one) => one.naturalWidth") == 1  # the Content-Security-Policy allows data: URLs
    dash.page.locator("#pg-file").set_input_files([tmp_path / "notes.txt"])
    dash.wait_text("notes.txt is not an image.")
    dash.page.get_by_label("Image by URL").fill("ftp://example.org/x")
    dash.page.get_by_role("button", name="Add URL").click()
    dash.wait_text("Enter an image address")
    dash.page.get_by_label("Image by URL").fill("https://example.org/cat.png")
    dash.page.get_by_role("button", name="Add URL").click()
    dash.wait_text("https://example.org/cat.png")
    send(dash, "Describe both")
    expect_text(column(dash, "plain"), "Turn 1")
    text, file, address = upstream.bodies[-1]["messages"][0]["content"]
    assert text == {"type": "text", "text": "Describe both"}
    assert base64.b64decode(file["image_url"]["url"].removeprefix("data:image/png;base64,")) == PNG
    assert address["image_url"]["url"] == "https://example.org/cat.png"


@pytest.mark.parametrize("streams", [True, False])
def test_hostile_answers_stay_text(url: str, open_dashboard: OpenDashboard, streams: bool) -> None:
    dash = open_dashboard(url)
    open_playground(dash, "?models=hostile,refuses,cut")
    dash.page.get_by_text("System prompt, tools and parameters").click()
    dash.page.get_by_label("Stream the answer").set_checked(streams)
    send(dash, "<img src=x onerror='window.pwned=9'>")
    expect_text(column(dash, "hostile"), "<script>window.pwned = 1</script>")
    expect_text(column(dash, "hostile"), COST)
    column(dash, "hostile").get_by_text("Reasoning", exact=True).click()
    expect_text(column(dash, "refuses"), "Refusal: I cannot help with that.")
    expect_text(column(dash, "refuses"), "Cut off by the content filter")
    expect_text(column(dash, "cut"), "Cut off: max tokens reached")
    dash.page.reload()
    dash.wait_ready("/playground")
    expect_text(column(dash, "hostile"), "<script>window.pwned = 4</script>")
    assert dash.page.evaluate("window.pwned") is None
    assert dash.page.locator("main script, main img, main a[href^=javascript]").count() == 0


def test_routing_is_previewed_and_explained(
    upstream: ChatUpstream, open_dashboard: OpenDashboard, good_pack: Path, tmp_path: Path
) -> None:
    text = config_of(upstream, ("good", "other", "slow"), tmp_path, routing={"pack": str(good_pack)})
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 60)
        given = {"inputs": inputs("sums", 12, seed=3)}
        assert ask(running.url, "/v1/tasks/sums/inputs", given, **JSON).status == 200
        dash = open_dashboard(running.url)
        open_playground(dash, "?models=auto,other&task=sums")
        expect_text(column(dash, "auto"), "good scores highest on the benchmark questions most similar to this task.")
        sent = len(upstream.bodies)
        dash.page.get_by_role("button", name="Preview routing").click()
        dash.wait_text("Enter a prompt.")
        dash.page.get_by_label("Prompt", exact=True).fill(inputs("capitals", 1)[0])
        dash.page.get_by_role("button", name="Preview routing").click()
        preview = dash.page.get_by_role("region", name="Routing preview")
        expect_text(preview, "Routing would choose other")
        expect_text(preview, "Most similar datasets: capitals")
        preview.get_by_text("Scores of 3 models").click()
        expect(preview.locator("tr.chosen")).to_contain_text("other")
        assert len(upstream.bodies) == sent  # no model is called
        send(dash, "What is 17 plus 4?")
        expect_text(column(dash, "auto"), "good at good/1")
        expect_text(column(dash, "auto"), re.compile("Benchmark match.*task sums, decision version [1-9]"))
        expect_text(column(dash, "auto"), COST)
        expect_text(column(dash, "other"), COST)
        dash.page.get_by_label("Task ID for auto").fill("not a task")
        send(dash, "again")
        dash.wait_text("Task ID: use 1 to 128 of the characters")


def test_code_to_copy_is_the_request(url: str, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(url)
    dash.allow_http_errors = True
    open_playground(dash, "?models=auto&task=support")
    dash.page.get_by_text("System prompt, tools and parameters").click()
    dash.page.get_by_label("Other parameters (JSON object)").fill('{"top_k": 3}')
    dash.page.get_by_label("Prompt", exact=True).fill("It's a test")
    dash.page.get_by_text("Code", exact=True).click()
    shown = dash.page.get_by_role("region", name="Code", exact=True)
    for language, wanted in {
        "curl": (f"{url}/v1/chat/completions", "X-Task-Id: support", "It'\\''s a test", '"top_k": 3'),
        "Python": ("X-Task-Id", "It's a test", 'extra_body={"top_k": 3}', "stream=True"),
        "TypeScript": ("import OpenAI", "It's a test", "top_k: 3"),
    }.items():
        dash.page.get_by_role("button", name=language, exact=True).click()
        for text in wanted:
            expect_text(shown, text)


def test_forty_models_are_searched_with_the_keyboard(
    upstream: ChatUpstream, open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    names = tuple(f"provider/family-{number}-with-a-long-name" for number in range(40))
    with running_gateway(config_of(upstream, names, tmp_path)) as running:
        for size in ((1280, 860), PHONE):
            dash = open_dashboard(running, size=size)
            open_playground(dash)
            picker = dash.page.get_by_role("combobox", name="Models")
            picker.focus()
            picker.press("Backspace")  # takes auto out
            dash.page.keyboard.type("family-37")
            expect(dash.page.get_by_role("option")).to_have_count(1)
            dash.page.keyboard.press("Enter")
            picker.fill("")
            dash.page.keyboard.type("family-1")
            expect(dash.page.get_by_role("option")).to_have_count(11)
            for _ in range(6):
                dash.page.keyboard.press("ArrowDown")
                dash.page.keyboard.press("Enter")
            dash.wait_text("At most 6 models side by side.")
            picker.press("Escape")
            expect(dash.page.get_by_role("listbox")).to_be_hidden()
            assert dash.page.locator(".pg-column").count() == 6
            expect(dash.page).to_have_url(re.compile("models="))
            assert dash.overflowing_elements()[:1] == []


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 860)), ("dark", (1280, 860)), ("light", PHONE)])
def test_the_page_fits_and_passes_axe(
    url: str, open_dashboard: OpenDashboard, scheme: Scheme, size: tuple[int, int]
) -> None:
    source = read_axe()
    dash = open_dashboard(url, scheme=scheme, size=size)
    dash.allow_http_errors = True
    open_playground(dash, "?models=auto,code,calls,fails,thinks&task=support")
    for summary in ("System prompt, tools and parameters", "Images", "Code"):
        dash.page.get_by_text(summary, exact=True).click()
    send(dash, "word " * 60 + "https://example.org/" + "x" * 200)
    expect_text(column(dash, "thinks"), COST)
    expect_text(column(dash, "calls"), COST)
    expect_text(column(dash, "fails"), "too_large")
    dash.page.get_by_role("combobox", name="Models").click()
    assert dash.overflowing_elements() == []
    if source is None:
        pytest.skip("axe-core is not installed: run `make ui-test`")
    dash.page.evaluate(source)
    violations = dash.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in violations] == []


@pytest.mark.parametrize("name", ["ops", "viewer"])
def test_admins_call_with_a_client_key(keyed: tuple[Serving, str], open_dashboard: OpenDashboard, name: str) -> None:
    serving, _ = keyed
    dash = open_dashboard(serving.url)
    dash.allow_http_errors = True
    sign_in(dash, name)
    dash.wait_text("admin key, which cannot send requests to models")
    open_playground(dash, "?models=plain")
    send(dash, "hi")
    dash.wait_text("Enter a client key: an admin key cannot send requests to models.")
    dash.page.get_by_label("Client key for requests").fill(SECRETS["client"])
    send(dash, "hi")
    expect_text(column(dash, "plain"), COST)
    assert used(serving.url) == 1
    stored = dash.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, location.href])")
    assert SECRETS["client"] not in stored
    dash.page.get_by_role("link", name="Models").click()
    dash.wait_ready("/models")
    dash.page.get_by_role("link", name="Playground").click()
    dash.wait_ready("/playground")
    assert dash.page.get_by_label("Client key for requests").input_value() == SECRETS["client"]
    dash.page.get_by_role("button", name="Sign out").click()
    dash.wait_ready("signin")
    assert dash.page.evaluate("sessionStorage.length") == 0


def type_and_leave(dash: Dashboard, field: str, text: str, way_out: str) -> None:
    """In one turn of the page's event loop: no timer of what was typed has run. field, way_out: CSS selectors."""
    dash.page.evaluate(
        """([field, text, wayOut]) => {
            const typed = document.querySelector(field);
            typed.value = text;
            typed.dispatchEvent(new Event("input"));
            document.querySelector(wayOut).click();
        }""",
        [field, text, way_out],
    )


def stored_items(dash: Dashboard) -> int:
    return int(dash.page.evaluate("sessionStorage.length"))


@pytest.mark.parametrize("answers", ["none", "complete", "under way"])
def test_signing_out_leaves_nothing_of_what_was_typed(
    keyed: tuple[Serving, str], open_dashboard: OpenDashboard, answers: str
) -> None:
    """Not even what a timer, an answer that comes later, or the end of the tab would store."""
    serving, _ = keyed
    dash = open_dashboard(serving.url)
    dash.allow_http_errors = True
    sign_in(dash, "ops")
    open_playground(dash, "?models=" + ("endless" if answers == "under way" else "plain"))
    dash.page.get_by_label("Client key for requests").fill(SECRETS["client"])
    if answers != "none":
        send(dash, "hi")
        expect_text(*((column(dash, "endless"), "more") if answers == "under way" else (column(dash, "plain"), COST)))
    type_and_leave(dash, "#pg-prompt", "a secret", "#sign-out")
    dash.wait_ready("signin")
    assert stored_items(dash) == 0
    dash.page.wait_for_timeout(1000)
    assert stored_items(dash) == 0
    dash.page.reload()
    dash.wait_ready("signin")
    assert stored_items(dash) == 0
    dash.page.get_by_label("Admin key").fill(SECRETS["ops"])
    dash.page.get_by_role("button", name="Sign in").click()
    dash.wait_ready("/playground")
    assert dash.page.get_by_label("Prompt", exact=True).input_value() == ""
    assert dash.page.get_by_label("Client key for requests").input_value() == ""


def test_what_is_typed_last_does_not_change_the_next_pages_address(url: str, open_dashboard: OpenDashboard) -> None:
    """And is stored: the playground has it when it is shown again."""
    dash = open_dashboard(url)
    open_playground(dash, "?models=plain")
    type_and_leave(dash, "#pg-prompt", "half a", "#nav a[href='#/requests']")
    dash.wait_ready("/requests")
    type_and_leave(dash, "form.filters input", "plain", "#nav a[href='#/models']")
    dash.wait_ready("/models")
    dash.page.wait_for_timeout(1000)
    assert dash.page.evaluate("location.hash") == "#/models"
    open_playground(dash)
    assert dash.page.get_by_label("Prompt", exact=True).input_value() == "half a"


def used(url: str) -> int:
    """Requests of the client's key today."""
    usage = ask(url, "/v1/usage?by=key", authorization=f"Bearer {SECRETS['ops']}").json
    return sum(row["requests"] for row in usage["data"] if row["key"] == "client")


def test_a_key_that_is_revoked_during_a_session_fails_with_its_code(
    keyed: tuple[Serving, str], open_dashboard: OpenDashboard
) -> None:
    serving, text = keyed
    dash = open_dashboard(serving.url)
    dash.allow_http_errors = True
    sign_in(dash, "ops")
    dash.page.get_by_label("Client key for requests").fill(SECRETS["client"])
    open_playground(dash, "?models=plain")
    parsed = yaml.safe_load(text)
    parsed["keys"] = []
    serving.reload(yaml.safe_dump(parsed))
    dash.page.get_by_label("Client key for requests").fill(SECRETS["client"])
    send(dash, "hi")
    expect_text(column(dash, "plain"), re.compile("HTTP 401, invalid_api_key: .*Request req_"))
    expect(dash.page.get_by_label("Prompt", exact=True)).to_be_visible()  # still signed in
