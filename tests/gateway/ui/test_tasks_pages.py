"""The Tasks pages in Chromium with 300 tasks and long names: search, sorting, filters, merge, rename, pin, delete."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.decision import Decision, Explanation
from gateway.state.sqlite import SqliteStore
from gateway.state.store import StateChange, TaskSums
from gateway.usage.ledger import UsageTotals
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.ui.browser import PHONE, Dashboard, read_axe
from tests.gateway.ui.conftest import OpenDashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COUNT = 300
LONG = "customer-" + "a-very-long-name/" * 6 + "of-a-task"
SORT = "Sort the letter of {} into one of the departments of the town hall, and answer with its name only."
AXE = "async () => (await axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`)"
NEAR = "Read the letter of the town hall aloud, slowly and with a kind voice, then wait until somebody answers you."


def task_name(number: int) -> str:
    return LONG if number == 0 else f"team-{number % 7}/customer-{number:03}"


def fill(path: Path) -> None:
    store = SqliteStore(str(path))
    changes: dict[str, StateChange] = {}
    usage: dict[tuple[str, str, str], UsageTotals] = {}
    for number in range(COUNT):
        name = task_name(number)
        decided = {"why": "so", "p_better": 0.6, "rival": {"model": "other", "p": 0.5 + number / 700}, "score": "s3"}
        scores = [{"model": model, "s1": 0.5, "s2": 0.5, "s3": 0.5, "p": 0.9, "n": 1} for model in ("good", "other")]
        explanation = Explanation.from_dict(
            {"u": 0.3, "scores": scores, "nearest_datasets": [], "decision": decided, "n": 1}
        )
        made = explanation.add_figures(Decision(name, 1, 1, "good", "score", ("good", "other"), 1.5))
        changes[name] = StateChange(TaskSums("basis", 1, 1, b"sums"), [], made, [made], b"", explanation, number)
        usd, baseline = Decimal(number), Decimal(number - 5 if number == 50 else number + 5)
        usage["task", name, "2026-11-28"] = UsageTotals(number + 1, 10, 1, usd, baseline, compared_usd=usd)
    store.update_task(list(changes), lambda _: changes)
    store.add_usage(usage)
    store.close()


def prompted(url: str, prompt: str) -> str:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "hi"}]
    return ask(url, body={"model": "auto", "messages": messages}).ours("task")


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("tasks") / "state.db"
    fill(path)
    text = configuration(
        shared_upstream.base_url,
        ["good", "other"],
        state={"url": f"sqlite:///{path}"},
        routing={"keep_texts": True},
    )
    with running_gateway(text) as url:
        for name in ("Anna Berg", "Omar Haddad"):
            prompted(url, SORT.format(name))
        prompted(url, NEAR)
        chat(url)
        yield url


@pytest.fixture
def dash(url: str, open_dashboard: OpenDashboard) -> Dashboard:
    return open_dashboard(url)


def rows(dash: Dashboard) -> list[str]:
    return dash.page.locator("tbody tr th").all_inner_texts()


def first_row(dash: Dashboard, text: str) -> None:
    dash.page.locator("tbody tr").first.get_by_text(text).first.wait_for(timeout=20_000)


def show(url: str, task: str) -> Any:
    found = ask(url, f"/v1/tasks/{task}")
    return found.json if found.status == 200 else found.error["code"]


def test_tasks_are_sorted_filtered_and_searched_by_the_gateway(dash: Dashboard) -> None:
    dash.open("/tasks")
    dash.wait_text("Showing the first 50 tasks")
    dash.page.get_by_label("Sort by").select_option("cost")
    first_row(dash, "customer-299")
    assert "sort=cost" in dash.page.url
    dash.page.get_by_label("Order").select_option("asc")
    first_row(dash, "customer-a-very-long-name")
    dash.page.get_by_label("Search by ID or name").fill("CUSTOMER-12")
    dash.page.get_by_text("10 tasks", exact=True).wait_for()
    assert len(rows(dash)) == 10
    dash.page.reload()
    dash.wait_ready("/tasks")
    assert dash.page.get_by_label("Search by ID or name").input_value() == "CUSTOMER-12"
    assert len(rows(dash)) == 10
    dash.page.get_by_label("Search by ID or name").fill("nothing has this")
    dash.wait_text("No task matches the filters.")


def test_pages_are_loaded_one_by_one(dash: Dashboard) -> None:
    dash.open("/tasks?sort=cost")
    dash.page.get_by_role("button", name="Load more").click()
    dash.wait_text("Showing the first 100 tasks")
    found = rows(dash)
    assert len(found) == len(set(found)) == 100


def test_rows_that_routing_made_worse_are_marked(dash: Dashboard) -> None:
    dash.open("/tasks?kind=worse")
    dash.wait_text("Costs more")
    assert [row.split()[0] for row in rows(dash)] == ["team-1/customer-050"]
    assert dash.page.locator("tr.worse").count() == 1


def test_long_names_are_cut_with_a_title(url: str, open_dashboard: OpenDashboard) -> None:
    for size in (PHONE, (1280, 860)):
        dash = open_dashboard(url, size=size)
        dash.open("/tasks?search=very-long")
        link = dash.page.get_by_title(LONG)
        assert link.evaluate("(one) => one.scrollWidth > one.clientWidth")
        assert dash.overflowing_elements() == []
        link.click()
        dash.wait_text("Manage task")
        assert dash.overflowing_elements() == []


def test_a_phone_shows_task_model_and_savings(url: str, open_dashboard: OpenDashboard) -> None:
    dash = open_dashboard(url, size=PHONE)
    dash.open("/tasks")
    assert dash.page.locator("thead th:visible").all_inner_texts() == ["Task", "Current model", "Savings"]
    assert dash.overflowing_elements() == []


def test_traffic_without_a_tag_is_told_and_automatic_tasks_are_suggested(dash: Dashboard) -> None:
    dash.open("/tasks")
    dash.wait_text("in the last hour had no tag")
    dash.page.get_by_role("link", name="Show automatic tasks").click()
    dash.page.get_by_text("2 tasks", exact=True).wait_for()
    assert "kind=automatic" in dash.page.url
    # Texts are kept here: the beginning of the template stands for the task.
    dash.page.get_by_role("link", name="sort the letter of").click()
    dash.wait_text("Requests without a tag whose system prompts come from one template have this task.")
    dash.wait_text("Merge both if they are one application.")
    dash.open("/tasks/default")
    dash.wait_text("It mixes different kinds of requests")


def test_a_task_is_renamed_and_found_by_its_name(dash: Dashboard, url: str) -> None:
    dash.open("/tasks/team-3%2Fcustomer-010")
    dash.page.get_by_label("Display name").fill("Letters of Acme")
    dash.page.get_by_role("button", name="Rename").click()
    dash.wait_text("Named Letters of Acme.")
    dash.page.get_by_role("heading", name="Letters of Acme").wait_for()
    dash.open("/tasks?search=of%20acme")
    first_row(dash, "Letters of Acme")
    dash.open("/tasks/team-3%2Fcustomer-010")
    dash.page.get_by_role("button", name="Remove name").click()
    dash.wait_text("Name removed.")
    assert show(url, "team-3/customer-010")["name"] is None


def test_tasks_are_merged_from_the_list_and_the_merge_is_undone(dash: Dashboard, url: str) -> None:
    dash.open("/tasks?search=customer-02")
    for number in (20, 21):
        dash.page.get_by_label(f"Select {task_name(number)}").check()
    dash.wait_text("2 tasks selected")
    dash.page.get_by_label("Merge into").fill("acme")
    dash.page.get_by_role("button", name="Merge", exact=True).click()
    dash.wait_text("2 tasks merged into acme.")
    dash.page.get_by_text("8 tasks", exact=True).wait_for()
    assert show(url, "acme")["spent"]["requests"] == 21 + 22
    dash.open("/tasks/acme")
    dash.page.get_by_role("button", name=f"Undo merge of {task_name(20)}").click()
    dash.wait_text("are its own again")
    assert show(url, "acme")["merged"] == [task_name(21)]
    dash.allow_http_errors = True
    dash.open(f"/tasks/{task_name(21).replace('/', '%2F')}")
    dash.wait_text(f"Task '{task_name(21)}' was merged into 'acme': its requests go there.")
    dash.page.get_by_role("button", name="Undo merge").click()
    dash.wait_text("Manage task")


def test_automatic_tasks_are_merged_by_the_suggestion(dash: Dashboard, url: str) -> None:
    task, near = prompted(url, SORT.format("Tara")), prompted(url, NEAR)
    dash.open(f"/tasks/{task}")
    dash.page.get_by_role("button", name=f"Merge {near} into this task").click()
    dash.wait_text("Merged; 0 inputs moved.")
    assert prompted(url, NEAR) == task
    dash.page.get_by_role("button", name=f"Undo merge of {near}").click()
    dash.wait_text("are its own again")
    assert prompted(url, NEAR) == near


def test_a_task_is_deleted_after_a_confirmation(dash: Dashboard, url: str) -> None:
    dash.open("/tasks/team-2%2Fcustomer-030")
    dash.page.get_by_role("button", name="Delete task").click()
    assert show(url, task_name(30))["n"] == 1
    dash.page.get_by_role("button", name="Confirm deletion").click()
    dash.wait_ready("/tasks")
    assert show(url, task_name(30)) == "task_not_found"
    dash.open("/tasks?search=customer-03")
    for number in (31, 32):
        dash.page.get_by_label(f"Select {task_name(number)}").check()
    dash.page.get_by_role("button", name="Delete").click()
    dash.page.get_by_role("button", name="Confirm deletion").click()
    dash.wait_text("2 tasks deleted.")
    assert show(url, task_name(31)) == show(url, task_name(32)) == "task_not_found"


def test_an_unknown_task_says_so(dash: Dashboard) -> None:
    dash.allow_http_errors = True
    dash.open("/tasks/never%2Fseen")
    dash.wait_text("Task 'never/seen' not found")
    dash.page.get_by_role("link", name="Show all tasks").click()
    dash.wait_ready("/tasks")


def test_what_a_message_has_between_backticks_is_code_and_never_html(dash: Dashboard) -> None:
    dash.allow_http_errors = True
    dash.page.goto(
        f"{dash.url}/ui/#/tasks/%60%3Cimg%20src%3Dx%20onerror%3D%22window.pwned%3D1%22%3E%60%20and%20%60half"
    )
    banner = dash.page.locator("main .banner")
    banner.wait_for()
    assert banner.locator("code").all_inner_texts() == ['<img src=x onerror="window.pwned=1">']
    assert banner.inner_text().startswith(
        "Invalid task ID '<img src=x onerror=\"window.pwned=1\"> and `half': expected"
    )
    assert dash.page.locator("main img").count() == 0
    assert dash.page.evaluate("window.pwned") is None


def test_the_command_of_the_judge_is_shown_and_labels_need_a_scorer(dash: Dashboard) -> None:
    dash.allow_http_errors = True
    dash.open("/tasks/team-5%2Fcustomer-040")
    dash.wait_text("benchroute tasks judge team-5/customer-040 -n 30 --judge MODEL")
    dash.page.get_by_text("Add a labelled input").click()
    dash.page.get_by_label("Labelled input").fill("How much is it?")
    dash.page.get_by_role("button", name="Store label").click()
    dash.wait_text("Select the outcome of at least one model.")
    dash.page.get_by_label("Outcome of good").select_option("1")
    dash.page.get_by_role("button", name="Store label").click()
    dash.wait_text("No scorer: no pack is configured.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks?kind=worse", "/tasks?kind=automatic", "/tasks/team-5%2Fcustomer-040", "/tasks/default"]
)
def test_the_pages_are_accessible(url: str, open_dashboard: OpenDashboard, path: str, scheme: str) -> None:
    source = read_axe()
    if source is None:
        pytest.skip("axe-core is not installed: run `make ui-test`")
    dash = open_dashboard(url, scheme=scheme)
    dash.open(path)
    dash.page.evaluate(source)
    found = dash.page.evaluate(
        "async () => (await axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`)"
    )
    assert found == []
