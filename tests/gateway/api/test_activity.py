"""History over HTTP: ranges, series, comparisons, restarts."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.time_range import MAX_POINTS, RangeQuery, resolve_range
from gateway.decision import Decision
from gateway.errors import InvalidRequest
from gateway.state.sqlite import SqliteStore
from gateway.usage.history import HOUR_S, MINUTE_S, RETENTION_S, HistoryRows
from gateway.usage.history_counts import TOTAL_TIMES, Slot
from gateway.usage.timeseries import bucket_index
from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway, serving_gateway
from tests.gateway.waiting import eventually

NOW = 1_780_000_030.0
PRESETS = ("1h", "6h", "24h", "48h", "7d", "30d", "90d")
ADMIN, MINE = {"authorization": "Bearer sk-admin"}, {"authorization": "Bearer sk-mine"}
PRICES = {"good": (1_000_000, 2_000_000), "other": (100_000, 0), "closes": None}


def text(upstream: Upstream, state: Path | str, **sections: Any) -> str:
    models: list[dict[str, Any]] = []
    for name, price in PRICES.items():
        about: dict[str, Any] = {"name": name, "backends": [{"kind": "openai", "base_url": upstream.base_url}]}
        if price is not None:
            about["price"] = {"input_usd_per_mtok": price[0], "output_usd_per_mtok": price[1]}
        models.append(about)
    keys = [{"name": "mine", "sha256": sha256(b"sk-mine").hexdigest()}]
    admin = {"keys": [{"name": "admin", "sha256": sha256(b"sk-admin").hexdigest()}]}
    state_url = state if isinstance(state, str) else f"sqlite:///{state}"
    return yaml.safe_dump({"models": models, "keys": keys, "admin": admin, "state": {"url": state_url}, **sections})


def activity(url: str, query: str = "", **headers: str) -> Response:
    return ask(url, f"/v1/activity?{query}", **(headers or ADMIN))


def total(url: str, query: str) -> dict[str, Any]:
    answer = activity(url, query)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json["total"]
    return found


# Ranges


@given(st.sampled_from(PRESETS), st.floats(1_700_000_000, 1_900_000_000))
def test_a_preset_ends_in_the_present_step_and_has_its_length(name: Any, now: float) -> None:
    found = resolve_range(RangeQuery(name), now)
    assert found.end - found.step_s <= now <= found.end
    assert found.end - found.start == int(name[:-1]) * (86_400 if name.endswith("d") else 3600)
    assert (found.end - found.start) // found.step_s <= MAX_POINTS
    assert found.start % found.step_s == found.step_s % found.stored_s == 0
    assert found.stored_s == (HOUR_S if name.endswith("d") else MINUTE_S)


@given(st.floats(0, 100 * 86_400), st.floats(1, 100 * 86_400), st.booleans())
def test_any_range_has_whole_steps_of_what_is_stored(age_s: float, length_s: float, in_seconds: bool) -> None:
    times = NOW - age_s, NOW - age_s + length_s
    words = [f"{at:.3f}" if in_seconds else datetime.fromtimestamp(at, UTC).isoformat() for at in times]
    found = resolve_range(RangeQuery(start=words[0], end=words[1]), NOW)
    assert 0 < (found.end - found.start) // found.step_s <= MAX_POINTS + 1
    assert found.start <= max(times[0], NOW - RETENTION_S[HOUR_S]) + 0.001
    assert found.end >= min(times[1], NOW) - 0.001
    assert found.stored_s == HOUR_S or age_s <= RETENTION_S[MINUTE_S] + MINUTE_S
    assert found.end % found.step_s == found.start % found.step_s == found.step_s % found.stored_s == 0


@pytest.mark.parametrize(
    ("query", "param", "words"),
    [
        (RangeQuery(start="yesterday"), "from", "2026-11-28T09:00:00Z"),
        (RangeQuery(start="2026-05-28", end="2026-05-27"), "from", "before `to`"),
        (RangeQuery(start="2026-05-29"), "from", "future"),
        (RangeQuery(end="2026-05-27"), "from", "needs `from`"),
        (RangeQuery("1h", start="2026-05-27"), "range", "exclude each other"),
        (RangeQuery("90d", step="1m"), "step", "whole hours"),
        (RangeQuery("90d", step="1h"), "step", "more than 500 steps"),
        (RangeQuery("48h", step="1m"), "step", "more than 500 steps"),
        (RangeQuery("1h", step="0m"), "step", "such as 5m"),
        (RangeQuery("1h", step="5 minutes"), "step", "such as 5m"),
    ],
)
def test_a_range_that_cannot_be_is_refused_with_the_next_step(query: RangeQuery, param: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        resolve_range(query, NOW)
    assert caught.value.param == param


# A gateway


@pytest.fixture(scope="module")
def quiet_url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway without requests."""
    with running_gateway(text(shared_upstream, tmp_path_factory.mktemp("quiet") / "state.db")) as url:
        yield url


def test_what_was_asked_is_in_every_series_and_survives_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    """An answer takes a token in and one out: 3 dollars at `good`, 10 cents at `other`."""
    state = tmp_path / "state.db"
    with running_gateway(text(upstream, state)) as url:
        for _ in range(3):
            assert ask(url, body=HELLO, x_task_id="t", **MINE).status == 200
        assert ask(url, body={**HELLO, "model": "other"}, x_task_id="t", **MINE).status == 200
        assert ask(url, body={**HELLO, "stream": True}, x_task_id="t", **MINE).status == 200
        assert ask(url, body={**HELLO, "model": "closes"}, x_task_id="u", **MINE).status == 200
        assert ask(url, body=b"{", **MINE).status == 400
        before = activity(url, "range=1h").json
    with running_gateway(text(upstream, state)) as url:
        assert activity(url, "range=1h").json["total"] == before["total"]
        for name in PRESETS:
            assert total(url, f"range={name}") == before["total"], name
        requests = {
            query: total(url, query)["requests"]
            for query in ("kind=task&name=t", "kind=model&name=good", "kind=model&name=other", "kind=key&name=mine",
                          "task=t", "kind=gateway", "minutes=5", "kind=task&name=u")
        }  # fmt: skip
        assert list(requests.values()) == [5, 4, 1, 7, 5, 7, 7, 1]
    found = before["total"]
    assert (found["rejected"], found["errors"], found["unpriced_requests"]) == (1, 0, 1)
    assert found["input_tokens"] > 5
    assert found["first_token_p50_ms"] > 0  # of the stream
    assert found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert (before["of"], before["name"], before["source"], before["step_s"]) == ("gateway", None, "state", 60)


def test_savings_are_those_of_routed_calls_alone(upstream: Upstream, tmp_path: Path, good_pack: Path) -> None:
    """The best model on average is `other`: 10 cents a request; a decision sends the task to `good`, for 3 dollars."""
    pack = {"routing": {"pack": str(good_pack)}}
    with serving_gateway(text(upstream, tmp_path / "state.db", **pack)) as running:
        url = running.url
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        decision = Decision("dear", 1, 9, "good", "score", ("good", "other"), time.time())
        running.loop.call_soon_threadsafe(running.gateway._apply_decisions, [decision])
        routed = eventually(lambda: ask(url, body=HELLO, x_task_id="dear", **MINE))
        assert routed.ours("model") == "good"
        for model in ("other", "closes"):
            ask(url, body={**HELLO, "model": model}, x_task_id="dear", **MINE)  # named; the second without a price
        found = total(url, "task=dear&compare_with=good")
        assert (found["requests"], found["routed_requests"], found["cost_usd"]) == (3, 1, 3.1)
        assert (found["routed_cost_usd"], found["baseline_usd"], found["saved_usd"]) == (3.0, 0.1, -2.9)
        assert (found["compared_usd"], found["compared_saved_usd"]) == (3.0, 0.0)
        same = total(url, "task=dear&compare_with=other")
        assert (same["compared_usd"], same["compared_saved_usd"]) == (0.1, -2.9)
        (spent,) = ask(url, "/v1/usage?by=task", **ADMIN).json["data"]
        for name in ("cost_usd", "routed_cost_usd", "baseline_usd", "saved_usd", "unpriced_requests"):
            assert found[name] == spent[name], name  # as the ledger's
        unknown = total(url, "kind=model&name=closes")
        assert (unknown["cost_usd"], unknown["saved_usd"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("compare_with=nobody", 404, "Unknown model 'nobody'"),
        ("compare_with=closes", 400, "has no price"),
        ("range=2y", 400, "range"),
        ("kind=task", 400, "needs `name`"),
        ("name=t", 400, "needs `kind`"),
        ("kind=planet&name=t", 400, "kind"),
        ("kind=task&name=t&task=u", 400, "Give one of"),
        ("kind=model&name=nobody", 404, "Unknown model 'nobody'"),
        ("kind=backend&name=nobody/1", 404, "Unknown backend"),
        ("backend=nobody/1", 404, "Unknown backend"),
        ("kind=task&name=a%20b", 400, "task ID"),
        ("from=2026-01-01&range=1h", 400, "exclude each other"),
        ("minutes=9999", 400, "minutes"),
    ],
)
def test_a_query_that_means_nothing_is_refused(quiet_url: str, query: str, status: int, words: str) -> None:
    answer = activity(quiet_url, query)
    assert (answer.status, words in answer.error["message"]) == (status, True), answer.body


def test_who_may_see_what(quiet_url: str) -> None:
    assert activity(quiet_url, "range=7d", **MINE).status == 403
    assert ask(quiet_url, "/v1/activity").status == 401


def fill(path: Path, now: float) -> None:
    """Ninety days of requests: in each hour as many as its number modulo 7, and one; in each minute two."""
    store, rows = SqliteStore(str(path)), HistoryRows()
    ten_ms = TOTAL_TIMES + bucket_index(10_000)
    for hour in range(int(now // HOUR_S) - 2159, int(now // HOUR_S) + 1):
        rows[HOUR_S, hour] = {("gateway", ""): {Slot.REQUESTS: 1 + hour % 7, ten_ms: 1 + hour % 7}}
    for minute in range(int(now // MINUTE_S) - 2878, int(now // MINUTE_S) + 1):
        rows[MINUTE_S, minute] = {("gateway", ""): {Slot.REQUESTS: 2, ten_ms: 2}}
    store.add_history(rows)
    store.close()


def test_ninety_days_come_in_a_bounded_answer(upstream: Upstream, tmp_path: Path) -> None:
    now = time.time()
    if now % HOUR_S > HOUR_S - 20:
        time.sleep(20)  # so that the hour does not change within the test
        now = time.time()
    fill(tmp_path / "state.db", now)
    with running_gateway(text(upstream, tmp_path / "state.db")) as url:
        for name in PRESETS:
            answer = activity(url, f"range={name}").json
            points = [one["requests"] for one in answer["data"]]
            assert 60 <= len(points) <= MAX_POINTS
            assert sum(points) == answer["total"]["requests"]
            if not name.endswith("d"):
                assert sum(points) >= 2 * (int(name[:-1]) * 60 - 11)
        hour = int(now // HOUR_S) - 1000
        window = f"from={hour * HOUR_S}&to={(hour + 3) * HOUR_S}"
        long_ago = activity(url, window).json
        assert [one["requests"] for one in long_ago["data"]] == [1 + (hour + later) % 7 for later in range(3)]
        assert (long_ago["step_s"], long_ago["total"]["p50_ms"]) == (HOUR_S, 10.24)
        assert activity(url, f"{window}&step=3h").json["data"][0]["requests"] >= 3
        assert len(json.dumps(activity(url, "range=6h").json)) < 400_000


def test_changes_of_a_task_are_marked(upstream: Upstream, tmp_path: Path) -> None:
    with serving_gateway(text(upstream, tmp_path / "state.db")) as running:
        gateway, url = running.gateway, running.url
        made = [Decision("t", version, 9, model, "score", (model,), time.time()) for version, model in
                ((1, "good"), (2, "other"), (2, "other"), (3, "good"))]  # fmt: skip
        for decision in made:
            running.loop.call_soon_threadsafe(gateway._apply_decisions, [decision])
        assert total(url, "kind=task&name=t&range=1h")["model_changes"] == 2  # the first decision changes nothing
        assert total(url, "range=7d")["model_changes"] == 2
        assert total(url, "kind=task&name=u")["model_changes"] == 0
        ask(url, body={**HELLO, "model": "task/u"}, **MINE)
        assert activity(url, "kind=task&name=u").json["changes"] == []


def test_a_merged_task_counts_in_its_target(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(upstream, tmp_path / "state.db")) as url:
        for task, calls in (("old", 2), ("new", 1)):
            for _ in range(calls):
                ask(url, body=HELLO, x_task_id=task, **MINE)
        body = {"sources": ["old"]}
        assert ask(url, "/v1/tasks/new/merge", body, content_type="application/json", **ADMIN).status == 200
        ask(url, body=HELLO, x_task_id="old", **MINE)
        for name in ("1h", "7d"):
            assert total(url, f"kind=task&name=new&range={name}")["requests"] == 4
        assert total(url, "kind=task&name=old")["requests"] == 2


def test_a_state_that_cannot_be_read_leaves_this_gateways_last_hours(upstream: Upstream, tmp_path: Path) -> None:
    with serving_gateway(text(upstream, tmp_path / "state.db")) as running:
        ask(running.url, body=HELLO, x_task_id="t", **MINE)
        serving = running.gateway.runtime.serving
        assert serving is not None
        store = serving.services.store
        assert isinstance(store, SqliteStore)
        with store._file.transaction() as connection:
            connection.execute("ALTER TABLE history RENAME TO history_of_before")
        unwritten = activity(running.url, "range=24h&task=t").json
        assert (unwritten["source"], unwritten["total"]["requests"]) == ("state", 0)
        assert "cannot be written" in unwritten["note"]
        with store._file.transaction() as connection:
            connection.execute("ALTER TABLE history_series RENAME TO series_of_before")
        answer = activity(running.url, "range=24h&task=t").json
        assert (answer["source"], answer["total"]["requests"]) == ("memory", 1)
        assert "three hours" in answer["note"]
        assert activity(running.url, "kind=model&name=good").status == 500
        with store._file.transaction() as connection:
            connection.execute("ALTER TABLE history_of_before RENAME TO history")
            connection.execute("ALTER TABLE series_of_before RENAME TO history_series")
        ask(running.url, body=HELLO, x_task_id="t", **MINE)
        assert total(running.url, "range=24h&task=t")["requests"] == 2
