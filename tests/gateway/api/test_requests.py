"""The request log over HTTP: what happened to a request can be read afterwards, by those whose request it was."""

import csv
import http.client
import io
import json
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import yaml

from tests.gateway.asking import HELLO, Response, ask, chat, connection
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

PRIVATE = "mail jo@example.org, card 4111 1111 1111 1111, token sk-abcdefghijklmnopqrstuvwxyz\nsk-secondsecondsecond22"


def text(upstream: Upstream, folder: Path, **sections: Any) -> str:
    more = {
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "upstream": {"retries": 0, "timeouts": {"connect_s": 1, "first_byte_s": 2}},
        "tasks": {"failing": {"candidates": ["e500", "good"], "pin": "e500"}},
        **sections,
    }
    return configuration(upstream.base_url, ["good", "e500", "dies-in-stream"], **more)


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_gateway(text(shared_upstream, tmp_path_factory.mktemp("log"))) as address:
        yield address


def listed(url: str, **query: Any) -> list[dict[str, Any]]:
    answer = ask(url, f"/v1/requests?{urlencode(query)}")
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json["data"]
    return rows


def one(url: str, request: str) -> dict[str, Any]:
    answer = ask(url, f"/v1/requests/{request}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_a_request_is_listed_with_what_happened_to_it(url: str) -> None:
    sent = ask(url, body=HELLO, x_task_id="list-one", x_request_id="order-7")
    (row,) = listed(url, task="list-one")
    assert row["id"] == sent.headers["x-request-id"]
    assert row["client_request_id"] == "order-7"
    assert (row["requested_model"], row["status"], row["stream"], row["endpoint"]) == (
        "auto", 200, False, "/v1/chat/completions",
    )  # fmt: skip
    assert (row["model"], row["backend"], row["reason"]) == (
        sent.ours("model"), sent.ours("backend"), sent.ours("reason"),
    )  # fmt: skip
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (1, 1, False)
    assert row["cost_usd"] is None  # no price is known, which is not 0
    assert 0 < row["overhead_ms"] <= row["latency_ms"] < 10_000
    assert row["first_token_ms"] is None
    assert [attempt["fault"] for attempt in row["attempts"]] == [None]
    assert row["started_at"] <= row["at"]
    assert listed(url, search="order-7")[0]["id"] == row["id"]
    assert listed(url, search=row["id"][:12])[0]["id"] == row["id"]


def test_failover_shows_every_attempt_and_where_the_time_went(url: str) -> None:
    sent = chat(url, task="failing")
    assert sent.status == 200
    shown = one(url, sent.headers["x-request-id"])
    failed, answered = shown["attempts"]
    assert (failed["backend"], failed["kind"], failed["status"]) == ("e500/1", "status", 500)
    assert (answered["backend"], answered["fault"]) == ("good/1", None)
    assert answered["start_ms"] >= failed["start_ms"] + failed["took_ms"] - 0.01
    spans = shown["timings"]
    assert [span["kind"] for span in spans] == ["read", "gateway", "fault", "backend", "send"]
    assert all(span["start_ms"] <= span["end_ms"] <= shown["latency_ms"] + 0.01 for span in spans)
    assert shown["decision_then"]["stored"] is False


def test_a_stream_has_a_first_token_and_one_that_breaks_says_so(url: str) -> None:
    assert chat(url, task="streams", stream=True).status == 200
    with pytest.raises(http.client.IncompleteRead):
        chat(url, "dies-in-stream", task="breaks", stream=True)
    (row,) = listed(url, task="streams")
    assert row["stream"] is True
    assert 0 < row["first_token_ms"] <= row["latency_ms"]
    row = eventually(lambda: listed(url, task="breaks"))[0]
    assert row["error"]
    assert (row["model"], row["reason"]) == ("dies-in-stream", "requested")
    assert one(url, row["id"])["decision_then"]["note"] == "The client named the model: no decision was used."


def test_refused_requests_are_logged_with_the_reason(url: str) -> None:
    refused = chat(url, "no-such-model", task="refused")
    assert refused.status == 404
    row = one(url, refused.headers["x-request-id"])
    assert (row["status"], row["requested_model"], row["model"]) == (404, "no-such-model", None)
    assert "no-such-model" in row["error"]
    assert row["attempts"] == []
    odd = ask(url, body=b'{"model": "\\ud800", "messages": []}')  # half a surrogate pair
    assert one(url, odd.headers["x-request-id"])["status"] == odd.status


def test_candidates_that_could_not_answer_are_named_with_the_reason(shared_upstream: Upstream, tmp_path: Path) -> None:
    content = yaml.safe_load(text(shared_upstream, tmp_path, keys=[hashed("few", models=["good"]), hashed("all")]))
    content["models"] = [
        {**model, "supports": ["tools"] if model["name"] == "good" else []} for model in content["models"]
    ]
    content["tasks"] = {}
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    with running_gateway(yaml.safe_dump(content)) as url:
        of_all = ask(url, body={**HELLO, **tools}, **key("all"))
        of_few = ask(url, body=HELLO, **key("few"))
        assert (of_all.status, of_few.status) == (200, 200)
        barred = ask(url, f"/v1/requests/{of_all.headers['x-request-id']}", **key("all")).json["barred"]
        assert barred == [
            {"model": "e500", "why": "does not support tools"},
            {"model": "dies-in-stream", "why": "does not support tools"},
        ]
        barred = ask(url, f"/v1/requests/{of_few.headers['x-request-id']}", **key("all")).json["barred"]
        assert {one["model"]: one["why"] for one in barred} == dict.fromkeys(
            ["e500", "dies-in-stream"], "is not among the key's models"
        )


def test_a_response_from_the_cache_and_a_client_that_left_are_told_apart(
    shared_upstream: Upstream, tmp_path: Path
) -> None:
    tasks = {"cached": {"cache": {"ttl_s": 60}}, "left": {"candidates": ["late-e500"]}}
    content = yaml.safe_load(text(shared_upstream, tmp_path, tasks=tasks))
    content["models"].append({**content["models"][0], "name": "late-e500"})
    with running_gateway(yaml.safe_dump(content)) as url:
        for _ in range(2):
            assert chat(url, task="cached", temperature=0).status == 200
        assert [(row["cached"], len(row["attempts"])) for row in listed(url, task="cached")] == [(True, 0), (False, 1)]
        with connection(url) as left:
            body = json.dumps({**HELLO}).encode()
            left.request("POST", "/v1/chat/completions", body, {"x-task-id": "left"})
            time.sleep(0.1)
        (row,) = eventually(lambda: listed(url, task="left"))
        assert row["status"] == 499


def test_filters_narrow_the_list_and_pages_follow_a_cursor(url: str) -> None:
    for _ in range(5):
        assert chat(url, task="pages").status == 200
    assert chat(url, "no-such-model", task="pages").status == 404
    every = [row["id"] for row in listed(url, task="pages")]
    assert len(every) == 6
    paged, cursor = [], ""
    while cursor is not None:
        answer = ask(url, f"/v1/requests?{urlencode({'task': 'pages', 'limit': 2, 'cursor': cursor})}").json
        paged += [row["id"] for row in answer["data"]]
        cursor = answer["next_cursor"]
    assert paged == every
    assert len(listed(url, task="pages", status="2xx")) == 5
    assert len(listed(url, task="pages", status="rejected")) == len(listed(url, task="pages", status="404")) == 1
    assert listed(url, task="pages", status="error") == []
    assert len(listed(url, task="pages", endpoint="/v1/chat/completions")) == 6
    assert listed(url, task="pages", endpoint="/v1/embeddings") == []
    assert len(listed(url, task="pages", model="good")) == 5
    assert listed(url, task="pages", backend="e500/1") == []
    assert listed(url, task="pages", min_latency_ms=1e9) == []
    assert listed(url, task="pages", min_cost_usd=0) == []
    at = listed(url, task="pages")[2]["at"]
    assert len(listed(url, task="pages", since=at)) + len(listed(url, task="pages", until=at)) == 6


def test_errors_and_rejected_requests_are_those_that_the_history_counts(
    shared_upstream: Upstream, tmp_path: Path
) -> None:
    """A server's error and a stream that ended early are errors; what a client could have avoided is rejected."""
    with running_gateway(text(shared_upstream, tmp_path)) as url:
        chat(url, "good")
        chat(url, "e500")
        with pytest.raises(http.client.IncompleteRead):
            chat(url, "dies-in-stream", stream=True)
        chat(url, "no-such-model")
        eventually(lambda: ask(url, "/v1/activity").json["total"]["requests"] == 4)
        total = ask(url, "/v1/activity").json["total"]
        found = {status: listed(url, status=status) for status in ("error", "rejected", "broken", "2xx", "5xx", "200")}
        assert (len(found["error"]), len(found["rejected"])) == (total["errors"], total["rejected"]) == (2, 1)
        assert [row["status"] for row in found["broken"]] == [200]
        # A class of statuses is HTTP's: what the client was told before its stream broke.
        assert [len(found[status]) for status in ("2xx", "5xx", "200")] == [2, 1, 2]


def values(url: str, field: str, part: str = "", **query: Any) -> dict[str, Any]:
    answer = ask(url, f"/v1/requests/values?{urlencode({'field': field, 'part': part, **query})}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_values_of_a_field_are_suggested_from_the_log(url: str) -> None:
    """Those that begin with the text come first, and the answer is bounded however many there are."""
    for number in range(12):
        chat(url, task=f"Values/team-{number}")
    chat(url, task="old-values")
    chat(url, "no-such-model", task="old-values")
    assert values(url, "task", "values")["data"] == [*(f"Values/team-{one}" for one in range(12)), "old-values"]
    page = values(url, "task", "values", limit=3)
    assert (len(page["data"]), page["has_more"]) == (3, True)
    assert values(url, "task", "TEAM-7")["data"] == ["Values/team-7"]
    assert values(url, "task", "nothing has this") == {
        "object": "list", "field": "task", "data": [], "has_more": False,
    }  # fmt: skip
    assert "good" in values(url, "model")["data"]
    assert "good/1" in values(url, "backend", "good")["data"]
    assert {"200", "404"} <= set(values(url, "status")["data"])
    assert values(url, "status", "40")["data"] == ["404"]
    assert "/v1/chat/completions" in values(url, "endpoint", "chat")["data"]
    assert values(url, "task", "values", until="2020-01-01")["data"] == []


@pytest.mark.parametrize("path", ["", "/values?field=task", "/export"])
@pytest.mark.parametrize("bound", ["since", "until"])
@pytest.mark.parametrize(
    ("at", "is_past"),
    [("0001-01-01", True), ("0257-03-29T04:54:04.728Z", True), ("1969-12-31", True), ("9999-12-31T23:59:59Z", False)],
)
def test_any_time_that_can_be_written_is_a_bound(url: str, path: str, bound: str, at: str, is_past: bool) -> None:
    """Rows have numbers of 64 bits, times that can be written do not all have one."""
    ask(url, body=HELLO, x_task_id="bounded")
    answer = ask(url, f"/v1/requests{path}{'&' if '?' in path else '?'}{bound}={at}")
    assert answer.status == 200, answer.body
    assert (b"bounded" in answer.body) == (is_past == (bound == "since"))


@pytest.mark.parametrize(
    "query", ["field=cost", "", "field=task&limit=0", "field=task&limit=1000", "field=task&since=x"]
)
def test_suggestions_for_what_is_no_field_are_400(url: str, query: str) -> None:
    assert ask(url, f"/v1/requests/values?{query}").status == 400


@pytest.mark.parametrize(
    "query",
    ["status=abc", "since=yesterday", "search=%0a", "min_latency_ms=-1", "min_cost_usd=nan", "cursor=zzz",
     "after=zzz", "limit=0", "wait_s=99", "since=0001-01-01T00:00:00%2B23:00"],
)  # fmt: skip
def test_what_no_filter_can_be_is_400(url: str, query: str) -> None:
    answer = ask(url, f"/v1/requests?{query}")
    assert answer.status == 400 or (query.startswith("since=0001") and answer.status in (200, 400)), answer.body


def test_a_live_tail_gets_the_next_request_as_soon_as_it_ends(url: str) -> None:
    last = ask(url, "/v1/requests?limit=1").json["last"]
    answers: list[Response] = []
    path = f"/v1/requests?task=tailed&after={last}&wait_s=10"
    waiting = threading.Thread(target=lambda: answers.append(ask(url, path)))
    waiting.start()
    time.sleep(0.2)
    sent = chat(url, task="tailed")
    waiting.join(15)
    (answer,) = answers
    assert [row["id"] for row in answer.json["data"]] == [sent.headers["x-request-id"]]
    again = ask(url, f"/v1/requests?task=tailed&after={answer.json['last']}")
    assert again.json["data"] == []


def test_a_request_that_is_not_logged_is_404_with_the_reason(url: str) -> None:
    for unknown in ("req_unknown", "x" * 300, quote("../../etc", safe=""), "%FF"):
        answer = ask(url, f"/v1/requests/{unknown}")
        assert answer.status == 404, unknown
    assert ask(url, "/v1/requests/req_unknown").error["code"] == "request_not_found"


def test_exports_hold_the_same_rows_and_no_cell_is_a_formula(url: str) -> None:
    for model in ("=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1"):
        assert chat(url, model, task="exported").status == 404
    assert ask(url, body=HELLO, x_task_id="exported", x_request_id="=1+1").status == 200
    assert ask(url, body=HELLO, x_task_id="-exported", x_request_id="=1+1").status == 200
    answer = ask(url, "/v1/requests/export?format=csv&task=exported")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="requests.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    shown = listed(url, task="exported")
    assert [row["id"] for row in rows] == [row["id"] for row in shown]
    for row in rows:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values()), row
    assert rows[1]["requested_model"].startswith("'")
    document = ask(url, "/v1/requests/export?format=json&task=exported&limit=4").json
    assert (document["data"], document["has_more"]) == (shown[:4], True)
    rest = f"/v1/requests/export?format=json&task=exported&cursor={document['next_cursor']}"
    assert ask(url, rest).json == {"object": "list", "data": shown[4:], "has_more": False, "next_cursor": None}
    nothing = ask(url, "/v1/requests/export?format=json&task=nobody").json
    assert nothing == {"object": "list", "data": [], "has_more": False, "next_cursor": None}
    assert ask(url, "/v1/requests/export?format=xml").status == 400
    assert ask(url, "/v1/requests/export?limit=100001").status == 400


def hashed(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest(), **terms}


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{name}"}


READS = ("/v1/requests", "/v1/requests/values?field=key", "/v1/requests/export?format=json", "/v1/requests/req_unknown")


def test_the_log_is_an_admins_where_there_is_one(shared_upstream: Upstream, tmp_path: Path) -> None:
    keys = {"keys": [hashed("alpha"), hashed("beta")], "admin": {"keys": [hashed("root", read_only=True)]}}
    with running_gateway(text(shared_upstream, tmp_path, **keys)) as url:
        sent = [ask(url, body=HELLO, **key(name)).headers["x-request-id"] for name in ("alpha", "beta", "nobody")]
        for path in READS:
            assert ask(url, path).status == 401
            assert ask(url, path, **key("alpha")).status == 403
        shown = ask(url, "/v1/requests", **key("root")).json["data"]
        assert [(row["id"], row["key"], row["status"]) for row in shown] == [
            (sent[2], None, 401), (sent[1], "beta", 200), (sent[0], "alpha", 200),
        ]  # fmt: skip
        of_beta = ask(url, "/v1/requests?key=beta", **key("root")).json["data"]
        assert [row["id"] for row in of_beta] == [sent[1]]
        assert ask(url, "/v1/requests/export?bodies=true", **key("root")).status == 200


def test_without_an_admin_every_key_that_sees_all_tasks_reads_it(shared_upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(shared_upstream, tmp_path, keys=[hashed("all"), hashed("few", tasks=["t"])])) as url:
        for path in READS:
            assert ask(url, path, **key("all")).status in (200, 404)
            assert ask(url, path, **key("few")).status == 403
        refused = ask(url, "/v1/requests/export?bodies=true", **key("all"))
        assert (refused.status, refused.error["param"]) == (403, "bodies")
        assert "admin key" in refused.error["message"]


def test_bodies_are_stored_only_on_request_redacted_and_bounded(shared_upstream: Upstream, tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 5000}"}}
    content = [{"type": "text", "text": PRIVATE}, image, {"type": "text", "text": "long " * 2000}]
    body = {**HELLO, "messages": [{"role": "user", "content": content}]}
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()
    log = {"bodies": True, "max_body_kb": 2}
    with running_gateway(text(shared_upstream, tmp_path / "on", log=log)) as url:
        whole = one(url, ask(url, body=body).headers["x-request-id"])
        assert whole["prompt"]["cut"] is True
        said = whole["prompt"]["text"]
        assert len(said) <= 2000
        assert "[image/png, 5022 characters]" in said
        assert "AAAA" not in said
        for secret in ("jo@example.org", "4111", "sk-abc", "sk-second"):
            assert secret not in said
        assert json.loads(whole["answer"]["text"])["choices"][0]["message"]["content"] == "hello"
        stream = one(url, ask(url, body={**HELLO, "stream": True}).headers["x-request-id"])
        assert stream["answer"] == {"text": "hello", "cut": False}
        assert b"hello" not in ask(url, "/v1/requests/export?format=json").body
        rows = ask(url, "/v1/requests/export?format=json&bodies=true").json["data"]
        assert [row["answer"] for row in rows] == [stream["answer"], whole["answer"]]
        assert rows[1]["prompt"] == whole["prompt"]
        cells = list(
            csv.DictReader(ask(url, "/v1/requests/export?bodies=true").body.decode().splitlines(keepends=True))
        )
        assert [row["answer"] for row in cells] == [stream["answer"]["text"], whole["answer"]["text"]]
    with running_gateway(text(shared_upstream, tmp_path / "off")) as url:
        plain = one(url, ask(url, body=body).headers["x-request-id"])
        assert plain["prompt"] is plain["answer"] is None
        assert b"example.org" not in (tmp_path / "off" / "state.requests.db").read_bytes()


def test_a_log_that_is_off_says_so_and_writes_no_file(shared_upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(shared_upstream, tmp_path, log={"enabled": False})) as url:
        assert chat(url).status == 200
        answer = ask(url, "/v1/requests")
        assert (answer.status, answer.error["code"]) == (503, "request_log_unavailable")
        assert "log.enabled" in answer.error["message"]
    assert not list(tmp_path.glob("*requests*"))


def test_a_damaged_log_stops_no_gateway(shared_upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "state.requests.db").write_bytes(b"no database " * 1000)
    with running_gateway(text(shared_upstream, tmp_path)) as url:
        assert chat(url).status == 200
        answer = ask(url, "/v1/requests")
        assert answer.status == 503
        assert "state.requests.db" in answer.error["message"]


def test_the_log_survives_a_restart(shared_upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(shared_upstream, tmp_path)) as url:
        sent = chat(url, task="before").headers["x-request-id"]
    with running_gateway(text(shared_upstream, tmp_path)) as url:
        assert one(url, sent)["task"] == "before"
        metrics = ask(url, "/metrics").body.decode()
        assert 'benchroute_request_log_dropped_total{reason="queue_full"} 0.0' in metrics
        assert chat(url).status == 200
        assert eventually(lambda: "benchroute_request_log_written_total 1.0" in ask(url, "/metrics").body.decode())
