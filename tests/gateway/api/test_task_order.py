"""Lists of tasks, sorted and filtered by the gateway, page by page."""

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from gateway.decision import Decision, Explanation
from gateway.state.sqlite import SqliteStore
from gateway.state.store import StateChange, TaskSums
from gateway.usage.ledger import UsageTotals
from tests.gateway.asking import Response, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

JSON = {"content_type": "application/json"}
COUNT = 60
NAMES = [f"{'auto:' if number % 3 == 0 else ''}t{number * 37 % COUNT:03}" for number in range(COUNT)]


def explained(number: int) -> Explanation:
    rival = {"rival": {"model": "other", "p": 0.5 + number / 1000}} if number % 4 else {"rival": None}
    gain = {"measured_gain": -0.1} if number == 7 else {}
    return Explanation.from_dict(
        {"u": 0.5, "scores": [], "nearest_datasets": [], "decision": {"why": "so", **rival}, "n": 1, **gain}
    )


def fill(path: Path) -> None:
    store = SqliteStore(str(path))
    changes: dict[str, StateChange] = {}
    usage: dict[tuple[str, str, str], UsageTotals] = {}
    for number, name in enumerate(NAMES):
        made = explained(number).add_figures(Decision(name, 1, number % 5, "good", "score", ("good", "other"), 1.5))
        sums = TaskSums("basis", 1, 1, b"sums")
        changes[name] = StateChange(sums, [b"e"], made, [made], b"pace", explained(number), float(number % 10))
        usd = Decimal(number % 6)
        if number % 7:
            dearer = Decimal(1 if number % 2 else -1)
            total = UsageTotals(number % 8 + 1, 10, 1, usd, usd + dearer + 2, unpriced=0, compared_usd=usd + 2)
            usage["task", name, "2026-11-28"] = total
    store.update_task(list(changes), lambda _: changes)
    store.add_usage(usage)
    store.close()


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("sorted") / "state.db"
    fill(path)
    text = configuration(shared_upstream.base_url, ["good", "other"], state={"url": f"sqlite:///{path}"})
    with running_gateway(text) as url:
        for _ in range(3):
            chat(url, task="t001")
        chat(url, task="undecided")
        yield url


def read(url: str, **parameters: Any) -> Response:
    return ask(url, f"/v1/tasks?{urlencode(parameters)}")


def read_all(url: str, limit: int = 7, **parameters: Any) -> list[dict[str, Any]]:
    rows, cursor = list[dict[str, Any]](), ""
    while True:
        page = read(url, limit=limit, cursor=cursor, **parameters).json
        rows += page["data"]
        assert len(page["data"]) == limit or not page["has_more"]
        if not page["has_more"]:
            assert page.get("total") in (None, len(rows))
            return rows
        cursor = page["next_cursor"]


def value_of(row: Mapping[str, Any], sort: str) -> Any:
    spent = row["spent"]
    return {
        "id": row["id"],
        "requests": spent["requests"],
        "recent": sum(row["requests_by_minute"]),
        "cost": spent["cost_usd"] if spent["requests"] else None,
        "savings": spent["saved_usd"] if spent["requests"] else None,
        "confidence": (row["scored"] or row["decision"])["rival"] and (row["scored"] or row["decision"])["rival"]["p"],
        "inputs": row["n"],
    }[sort]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["id", "requests", "recent", "cost", "savings", "confidence", "inputs"])
def test_pages_are_one_sorted_list_with_unknown_values_last(url: str, sort: str, order: str) -> None:
    rows = read_all(url, sort=sort, order=order, details="true")
    assert sorted(row["id"] for row in rows) == sorted([*NAMES, "undecided"])
    decided = [row for row in rows if row["id"] != "undecided"]
    values = [value_of(row, sort) for row in decided]
    known = [value for value in values if value is not None]
    assert values[: len(known)] == sorted(known, reverse=order == "desc")
    assert len({*map(str, known)}) > 1


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_tasks_are_sorted_by_their_last_use(url: str, order: str) -> None:
    rows = [row["id"] for row in read_all(url, sort="used", order=order, details="true")]
    assert sorted(rows) == sorted([*NAMES, "undecided"])
    used = {name: float(number % 10) for number, name in enumerate(NAMES)} | {"undecided": time.time()}
    times = [used[name] for name in rows]
    assert times == sorted(times, reverse=order == "desc")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("automatic", {name for name in NAMES if name.startswith("auto:")}),
        ("tagged", {name for name in NAMES if not name.startswith("auto:")} | {"undecided"}),
        ("default", set()),
        ("pinned", set()),
        ("worse", {name for number, name in enumerate(NAMES) if number == 7 or (number % 7 and number % 2 == 0)}),
    ],
)
def test_a_kind_selects_tasks(url: str, kind: str, expected: set[str]) -> None:
    assert {row["id"] for row in read_all(url, kind=kind, details="true", sort="cost")} == expected


def test_rows_say_what_routing_made_worse(url: str) -> None:
    worse = {row["id"]: row["worse"] for row in read_all(url, details="true") if row["worse"]}
    assert worse[NAMES[7]] == ["accuracy"]
    assert worse[NAMES[2]] == ["cost"]


def test_traffic_is_counted_by_where_it_got_its_task_from(url: str) -> None:
    messages = [{"role": "system", "content": "You sort mail."}, {"role": "user", "content": "hi"}]
    before = read(url, details="true", limit=1).json["traffic"]
    ask(url, body={"model": "auto", "messages": messages})
    chat(url)
    after = read(url, details="true", limit=1, sort="cost").json["traffic"]
    assert {name: after[name] - before[name] for name in after} == {"tagged": 0, "automatic": 1, "default": 1}
    assert [row["kind"] for row in read_all(url, details="true", kind="default")] == ["default"]
    for task in {row["id"] for row in read_all(url, details="true")} - {*NAMES, "undecided"}:
        assert ask(url, f"/v1/tasks/{task}", method="DELETE").status == 200


def test_names_and_pins_are_found(url: str) -> None:
    ask(url, "/v1/tasks/t002", {"name": "Invoices of Acme"}, "PATCH", **JSON)
    ask(url, "/v1/tasks/t037/policy", {"pin": "good"}, "PUT", **JSON)
    assert [row["id"] for row in read_all(url, search="ACME", details="true")] == ["t002"]
    assert [row["name"] for row in read_all(url, search="t002", sort="cost")] == ["Invoices of Acme"]
    assert [row["id"] for row in read_all(url, kind="pinned", details="true")] == ["t037"]
    assert ask(url, "/v1/tasks/t037/policy", method="DELETE").status == 200


@pytest.mark.parametrize("changed", [{"sort": "savings"}, {"order": "asc"}, {"kind": "tagged"}, {"search": "t"}])
def test_a_cursor_of_another_list_is_refused(url: str, changed: dict[str, str]) -> None:
    cursor = read(url, sort="cost", limit=5).json["next_cursor"]
    refused = read(url, cursor=cursor, limit=5, **{"sort": "cost", **changed})
    assert (refused.status, refused.error["code"]) == (400, "invalid_cursor")
    assert read(url, sort="cost", after="t001").error["param"] == "after"
    assert read(url, sort="price").error["param"] == "sort"


def test_figures_of_a_decision_survive_state_and_wire(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    made = Decision("t", 1, 1, "good", "score", ("good",), 1.5, 0.75, -0.5)
    change = StateChange(TaskSums("basis", 1, 1, b""), [], made, [made])
    store.update_task(["t"], lambda _: {"t": change})
    assert store.read_decisions()["t"] == store.read_task("t").decision == made
    assert [one.version for one in store.decision_changes("t")] == [1]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Decision) == made
    store.close()
