"""Two clients' keys and an admin's, at every route of the OpenAPI document: what is one client's is not the other's.

The cases are made from the document, so a new route is tested without a line here.
"""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.gateway.asking import Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
PRIVATE_TEXT = "What is 4711 plus 815?"
SECRETS = ("alpha", "secret", "4711", "req_")
"""Parts of A's key's name, task and texts, and of every request ID: none may be in an answer to B."""


class Operation(NamedTuple):
    method: str
    path: str


BODIES: dict[str, Any] = {
    "/v1/tasks/{task}/inputs": {"inputs": ["What is 1 plus 2?"]},
    "/v1/tasks/{task}/labels": {"labels": [{"input": "What is 1 plus 2?", "outcomes": {"good": 1.0}}]},
    "/v1/tasks/{task}/policy": {"pin": "other"},
    "/v1/route": {"inputs": ["What is 1 plus 2?"]},
    "/v1/feedback": {"request_id": "unknown", "score": 1},
    "/v1/keys": {"name": "made", "requests_per_minute": 1000},
    "/v1/config/rollback": {"version": 1},
    "/v1/embeddings": {"model": "good", "input": "x"},
    "/v1/completions": {"model": "good", "prompt": "x"},
    "/v1/responses": {"model": "good", "input": "x"},
}
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "What is 1 plus 2?"}], "max_tokens": 8}


def hashed(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest(), **terms}


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{name}"}


def text(upstream: Upstream, pack: Path, folder: Path, **sections: Any) -> str:
    return configuration(
        upstream.base_url,
        ["good", "other", "slow"],
        **{
            "routing": {"pack": str(pack), "score": "auto", "keep_texts": True, "adaptive_sampling": False},
            "state": {"url": f"sqlite:///{folder}/state.db"},
            "admin": {"keys": [hashed("root")]},
            "keys": [
                hashed("alpha", tasks=["alpha/secret", "shared"]),
                hashed("beta", tasks=["beta", "shared"]),
                hashed("free"),
                hashed("limited", requests_per_minute=3, tasks=["limited"]),
            ],
            **sections,
        },
    )


def running(content: str) -> Iterator[str]:
    with running_gateway(content) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        yield url


def fill(url: str) -> None:
    """Give A's task inputs, a label, a decision, usage and a policy."""
    mine = key("alpha")
    seeded = ask(url, "/v1/tasks/alpha/secret/inputs", {"inputs": [PRIVATE_TEXT, *inputs("sums", 12)]}, **JSON, **mine)
    assert seeded.status == 200, seeded.body
    label = {"input": "What is 4711 plus 1?", "outcomes": {"good": 1.0}}
    assert ask(url, "/v1/tasks/alpha/secret/labels", {"labels": [label]}, **JSON, **mine).status == 200
    assert ask(url, body=CHAT, x_task_id="alpha/secret", **mine).status == 200
    eventually(lambda: ask(url, "/v1/tasks/alpha/secret", **mine).json["n"] >= 15)


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for address in running(text(shared_upstream, good_pack, tmp_path_factory.mktemp("tenancy"))):
        fill(address)
        yield address


@pytest.fixture(scope="module")
def without_admin(
    shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tenancy")
    for address in running(text(shared_upstream, good_pack, folder, admin={})):
        fill(address)
        yield address


def operations(url: str) -> list[Operation]:
    paths = ask(url, "/openapi.json").json["paths"]
    found = [Operation(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(found) > 30
    return sorted(found)


def send(url: str, one: Operation, task: str, who: str | None, **headers: str) -> Response:
    path = one.path.replace("{task}", task).replace("{model}", "good").replace("{path}", "")
    path = re.sub(r"\{\w+\}", "unknown", path)
    body = None
    if one.method not in ("GET", "DELETE"):
        body = BODIES.get(one.path, {**CHAT, "model": "good"} if "/chat/" in one.path or "messages" in one.path else {})
    sent = key(who) if who else {}
    if body is not None:
        headers = {**JSON, **headers}
    return ask(url, path, body, one.method, **sent, **headers)


def document(answer: Response, task: str) -> str:
    """The answer as text, with the task's own name left out, which the request has said."""
    assert b"4711" not in answer.body
    return f"{answer.status} {answer.body.decode('utf-8', 'replace').replace(task, 'TASK')}"


@pytest.mark.parametrize("gateway_name", ["url", "without_admin"])
def test_another_keys_task_is_the_same_to_a_key_as_one_that_does_not_exist(
    gateway_name: str, request: pytest.FixtureRequest
) -> None:
    """For every route of a task, read and changed: no difference in status or message, and nothing is changed."""
    url = request.getfixturevalue(gateway_name)
    before = ask(url, "/v1/tasks/alpha/secret", **key("alpha")).json
    asked = [one for one in operations(url) if "{task}" in one.path]
    assert len(asked) >= 9
    for one in asked:
        theirs, none = send(url, one, "alpha/secret", "beta"), send(url, one, "alpha/nowhere", "beta")
        assert theirs.status in {400, 403}, one
        assert document(theirs, "alpha/secret") == document(none, "alpha/nowhere"), one
    after = ask(url, "/v1/tasks/alpha/secret", **key("alpha")).json
    assert (after["n"], after["decision"]["version"]) == (before["n"], before["decision"]["version"])


@pytest.mark.parametrize("gateway_name", ["url", "without_admin"])
def test_nothing_that_a_key_reads_tells_of_anothers_task_or_key(
    gateway_name: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(gateway_name)
    queries = (
        "", "?details=true", "?by=key", "?by=task", "?minutes=60", "?after=alpha", "?limit=100", "?limit=1",
        "?search=secret", "?prefix=alpha", "?details=true&limit=1", "?by=key&limit=1", "?latest=5",
    )  # fmt: skip
    open_paths = ("/metrics", "/openapi.json", "/ui")
    for one in operations(url):
        if one.method != "GET" or "{task}" in one.path or one.path.startswith(open_paths):
            continue
        for query in queries:
            answer = send(url, Operation("GET", one.path + query), "", "beta")
            assert answer.status != 500, (one, query)
            for secret in SECRETS:
                assert secret.encode() not in answer.body, (one, query, answer.body)


def test_a_route_that_takes_a_task_in_its_body_resolves_it_for_the_key(url: str) -> None:
    for task in ("alpha/secret", "alpha/nowhere"):
        refused = ask(url, "/v1/route", {"inputs": ["x"], "task": task}, **JSON, **key("beta"))
        assert (refused.status, refused.error["code"]) == (403, "task_not_allowed")


def test_how_many_decisions_others_have_is_not_told(url: str) -> None:
    assert ask(url, "/v1/decisions", **key("root")).json["last"] > 0
    nothing = {"object": "list", "data": [], "has_more": False, "next_cursor": None, "last": 0}
    assert ask(url, "/v1/decisions", **key("beta")).json == nothing


def test_what_a_shared_task_costs_is_told_to_those_it_was_given_to_and_to_admins(url: str) -> None:
    assert ask(url, body=CHAT, x_task_id="shared", **key("alpha")).status == 200
    eventually(lambda: ask(url, "/v1/tasks/shared", **key("alpha")).status == 200)
    spent = {
        name: ask(url, "/v1/tasks/shared", **key(name)).json["spent"] for name in ("alpha", "beta", "root", "free")
    }
    assert spent["free"] is None
    assert spent["alpha"] == spent["beta"] == spent["root"] is not None
    listed = ask(url, "/v1/tasks?details=true", **key("free")).json["data"]
    assert listed
    assert {(row["spent"], len(row["requests_by_minute"])) for row in listed} == {(None, 0)}


def test_without_a_key_and_with_an_unknown_one_nothing_but_the_open_routes_answers(url: str) -> None:
    for one in operations(url):
        if one.path.startswith(("/health", "/ui", "/openapi.json")):
            continue
        for headers in ({}, {"authorization": "Bearer sk-guess"}):
            assert send(url, one, "alpha/secret", None, **headers).status == 401, one


def test_a_clients_key_is_no_admins(url: str) -> None:
    """What changes keys, configuration, packs and policies is an admin's, at every route."""
    admins = ("/v1/keys", "/v1/config", "/v1/packs", "/metrics", "/v1/backends", "/v1/overview", "/v1/activity",
              "/v1/evictions", "/v1/requests")  # fmt: skip
    asked = [one for one in operations(url) if one.path.startswith(admins) or one.path.endswith("/policy")]
    assert len(asked) >= 14
    for one in asked:
        assert send(url, one, "free", "free").status == 403, one


def test_an_admin_key_reads_every_task(url: str) -> None:
    for one in operations(url):
        if one.method == "GET" and "{task}" in one.path:
            assert send(url, one, "alpha/secret", "root").status == 200, one


UNCOUNTED_READS = (
    "/health", "/metrics", "/openapi.json", "/ui", "/v1/models", "/v1/me", "/v1/usage", "/v1/decisions", "/v1/overview",
    "/v1/activity", "/v1/backends", "/v1/packs", "/v1/tasks", "/v1/evictions", "/v1/requests",
)  # fmt: skip
COUNTED_READS = ("evidence", "label-suggestions", "outcomes", "diff")


@pytest.fixture(scope="module")
def limited(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A key for each route, without an admin: so each key may use every route that a client's key may."""
    names = [hashed(f"limited-{place}", requests_per_minute=2) for place in range(200)]
    folder = tmp_path_factory.mktemp("limits")
    yield from running(text(shared_upstream, good_pack, folder, admin={}, keys=names))


def test_every_route_that_is_not_a_plain_read_counts_against_the_limit(limited: str) -> None:
    for place, one in enumerate(operations(limited)):
        is_counted = one.method != "GET" or one.path.endswith(COUNTED_READS)
        answers = [send(limited, one, "t", f"limited-{place}") for _ in range(3)]
        statuses = [answer.status for answer in answers]
        if 403 in statuses[:1]:  # an admin's: no limit, and no answer
            assert set(statuses) == {403}, one
        elif is_counted:
            assert 429 not in statuses[:2], (one, answers[0].body)
            assert statuses[2] == 429, (one, statuses, answers[0].body)
            assert answers[2].json["error"]["type"] == "rate_limit_error"
            assert 0 < int(answers[2].headers["retry-after"]) <= 30
            assert answers[2].headers["x-ratelimit-limit-requests"] == "2"
            assert answers[2].headers["x-ratelimit-remaining-requests"] == "0"
            assert answers[2].headers["x-ratelimit-reset-requests"].endswith("s")
        elif one.path.startswith(UNCOUNTED_READS):
            assert 429 not in statuses, one
        else:  # a read that a backend answers
            assert statuses[2] == 429, (one, statuses)


@pytest.fixture(scope="module")
def by_inputs(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    names = [hashed(f"ten-{place}", requests_per_minute=10) for place in range(10)]
    folder = tmp_path_factory.mktemp("inputs")
    yield from running(text(shared_upstream, good_pack, folder, admin={}, keys=names))


LABEL = {"input": "What is 1 plus 2?", "outcomes": {"good": 1.0}}


@pytest.mark.parametrize(
    ("place", "path", "member", "item"),
    [
        (0, "/v1/route", "inputs", "What is 1 plus 2?"),
        (1, "/v1/tasks/t/inputs", "inputs", "What is 1 plus 2?"),
        (2, "/v1/tasks/t/labels", "labels", LABEL),
    ],
)
def test_each_input_counts_as_a_request(by_inputs: str, place: int, path: str, member: str, item: Any) -> None:
    def post(count: int) -> Response:
        return ask(by_inputs, path, {member: [item] * count}, **JSON, **key(f"ten-{place}"))

    assert [post(count).status for count in (4, 4)] == [200, 200]
    refused = post(4)
    assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
    assert "4 inputs" in refused.error["message"]
    assert int(refused.headers["retry-after"]) >= 6
    assert post(2).status == 200, "what was refused is not counted"
    chat = ask(by_inputs, body=CHAT, **key(f"ten-{place}"))
    assert chat.status == 429, "the request path has the same limit"


def test_more_inputs_than_the_limit_are_refused_for_good_and_it_is_said_how_many_may_come(by_inputs: str) -> None:
    refused = ask(by_inputs, "/v1/route", {"inputs": ["x"] * 11}, **JSON, **key("ten-5"))
    assert refused.status == 429
    assert "Send at most 10 inputs at once." in refused.error["message"]
    assert refused.headers["retry-after"] == "60"
    assert ask(by_inputs, "/v1/route", {"inputs": ["x"] * 10}, **JSON, **key("ten-5")).status == 200


def test_a_budget_that_is_spent_holds_where_the_scorer_works(
    shared_upstream: Upstream, good_pack: Path, tmp_path: Path
) -> None:
    content = json.loads(json.dumps({"keys": [hashed("poor", budget_usd_per_day=0)]}))
    for url in running(text(shared_upstream, good_pack, tmp_path, admin={}, **content)):
        for path, body in BODIES.items():
            if path.startswith(("/v1/tasks", "/v1/route", "/v1/feedback")) and "policy" not in path:
                refused = ask(url, path.replace("{task}", "t"), body, **JSON, **key("poor"))
                assert (refused.status, refused.error["code"]) == (429, "insufficient_quota"), path
        assert ask(url, "/v1/tasks/t/evidence", **key("poor")).status == 429
        assert ask(url, "/v1/usage", **key("poor")).status == 200
