"""Responses that continue others go to the backend that made them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from gateway.proxy.continuation import record_made
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from tests.gateway.api_upstream import RESPONSE, ApiUpstream, running_api_upstream
from tests.gateway.asking import Response, ask
from tests.gateway.proxy.passthrough.conftest import MINE, OTHERS, settings
from tests.gateway.serving import running_gateway

HELLO = {"model": "auto", "input": "hi"}


def streamed(name: str) -> tuple[bytes, ...]:
    response = {**RESPONSE, "id": name, "conversation": {"id": "conv_9"}}
    return tuple(
        b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, "response": response}).encode())
        for kind in ("response.created", "response.completed")
    )


@pytest.fixture
def upstreams() -> Iterator[list[ApiUpstream]]:
    with running_api_upstream() as first, running_api_upstream() as second, running_api_upstream() as third:
        yield [first, second, third]


@pytest.fixture
def spread(upstreams: list[ApiUpstream], tmp_path: Path) -> Iterator[str]:
    """A gateway whose model `words` is served at two places, and `more` at the second of them and a third."""
    config = yaml.safe_load(settings(upstreams[0], tmp_path))

    def at(*places: int) -> list[dict[str, Any]]:
        return [{"kind": "openai", "base_url": upstreams[place].base_url} for place in places]

    config["models"] = [{"name": "words", "backends": at(0, 1)}, {"name": "more", "backends": at(2, 1)}]
    config["upstream"] = {"retries": 0, "breaker": {"consecutive_faults": 100}}
    with running_gateway(yaml.safe_dump(config)) as url:
        yield url


def respond(url: str, body: dict[str, Any], **headers: str) -> Response:
    return ask(url, "/v1/responses", body={**HELLO, **body}, **{**MINE, **headers})


def begin_at_second(url: str, upstreams: list[ApiUpstream], **body: Any) -> Response:
    """Make a response at the second backend of `words`."""
    upstreams[0].refusals = [503]
    for _ in range(20):
        made = respond(url, body)
        assert made.status == 200
        if made.ours("backend") == "words/2":
            upstreams[0].refusals = []
            return made
    raise AssertionError("never came to the second backend")


def test_a_response_goes_on_where_it_was_made(spread: str, upstreams: list[ApiUpstream]) -> None:
    begin_at_second(spread, upstreams)
    for model in ("auto", "words", "auto", "task/x"):
        following = respond(spread, {"model": model, "previous_response_id": "resp_1"})
        assert (following.status, following.ours("backend")) == (200, "words/2")
    assert respond(spread, {"previous_response_id": "resp_1"}).ours("reason") == "session"
    # Another model that is served at the same place, by the same account, knows the response too.
    assert respond(spread, {"model": "more", "previous_response_id": "resp_1"}).ours("backend") == "more/2"


def test_stored_responses_are_found_there(spread: str, upstreams: list[ApiUpstream]) -> None:
    begin_at_second(spread, upstreams)
    count = len(upstreams[0].received)
    client = OpenAI(base_url=f"{spread}/v1", api_key="sk-mine", max_retries=0)
    assert client.responses.retrieve("resp_1").id == "resp_1"
    assert client.responses.cancel("resp_1").status == "cancelled"
    assert list(client.responses.input_items.list("resp_1")) == []
    client.responses.delete("resp_1")
    assert [one.method for one in upstreams[1].received[-4:]] == ["GET", "POST", "GET", "DELETE"]
    assert len(upstreams[0].received) == count


def test_another_backend_is_never_asked_in_its_place(spread: str, upstreams: list[ApiUpstream]) -> None:
    begin_at_second(spread, upstreams)
    count = len(upstreams[0].received)
    upstreams[1].refusals = [503] * 4
    assert respond(spread, {"previous_response_id": "resp_1"}).status >= 500
    assert ask(spread, "/v1/responses/resp_1", **MINE).status == 503
    assert len(upstreams[0].received) == count


def test_a_stream_names_its_response_and_conversation(spread: str, upstreams: list[ApiUpstream]) -> None:
    for upstream in upstreams:
        upstream.answers["/v1/responses"] = streamed("resp_7")
    begin_at_second(spread, upstreams, stream=True)
    assert respond(spread, {"previous_response_id": "resp_7"}).ours("backend") == "words/2"
    for conversation in ("conv_9", {"id": "conv_9"}):
        assert respond(spread, {"conversation": conversation}).ours("backend") == "words/2"


def test_a_key_is_led_to_nothing_by_anothers_id(spread: str, upstreams: list[ApiUpstream]) -> None:
    begin_at_second(spread, upstreams)
    counts = [len(upstream.received) for upstream in upstreams]
    refused = respond(spread, {"previous_response_id": "resp_1"}, **OTHERS)
    assert (refused.status, refused.error["code"]) == (400, "previous_response_not_found")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items")):
        assert ask(spread, f"/v1/responses/resp_1{path}", method=method, **OTHERS).status == 404
    assert [len(upstream.received) for upstream in upstreams] == counts


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_unknown"},
        {"previous_response_id": None},
        {"conversation": 5},
        {"conversation": {"id": []}},
        {"conversation": "\ud800"},
    ],
)
def test_what_is_not_known_is_the_backends_to_answer(spread: str, body: dict[str, Any]) -> None:
    assert respond(spread, body).status == 200


@pytest.mark.parametrize("value", [b"1" * 5000, b"[" * 900 + b"]" * 900, b'"\\ud800"'])
def test_odd_references_are_the_backends_to_refuse(spread: str, value: bytes) -> None:
    body = b'{"model": "auto", "input": "hi", "conversation": %b}' % value
    assert ask(spread, "/v1/responses", body=body, **MINE).status == 200


def test_ids_are_bounded_and_expire() -> None:
    now = [0.0]
    made = [MadeObject("k", f"resp_{n}", "m", "m/1") for n in range(4)]
    known = ResponseAffinity(10, lambda: now[0], max_objects=2)
    for one in made[:3]:
        known.record_object(one)
    assert [known.find_maker("k", one.object_id) for one in made] == [None, *made[1:3], None]
    now[0] = 9
    known.record_object(made[1])
    now[0] = 11
    assert [known.find_maker("k", one.object_id) for one in made] == [None, made[1], None, None]
    known.record_object(MadeObject("k", "x" * 300, "m", "m/1"))
    assert known.find_maker("k", "x" * 300) is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")), max_size=20))
def test_every_key_finds_its_own_last_maker_and_no_others(events: list[tuple[str, str, str]]) -> None:
    known = ResponseAffinity(10, lambda: 0.0)
    expected: dict[tuple[str, str], str] = {}
    for key, name, backend in events:
        known.record_object(MadeObject(key, name, "m", backend))
        expected[key, name] = backend
    for key in "abc":
        for name in "xyz":
            found = known.find_maker(key, name)
            assert (found.backend if found else None) == expected.get((key, name))
            others = {other for other, named in expected if named == name and other != key}
            assert known.is_of_others(key, name) == (bool(others) and (key, name) not in expected)


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"id": 5}', b"data: {", b'data: {"response": 5}\n', b"\xff\n", b'{"conversation": []}']
)
def test_what_names_nothing_is_not_noted(data: bytes) -> None:
    known = ResponseAffinity(10, lambda: 0.0)
    known.are_shared = True
    record_made(data, MadeObject("k", "", "m", "m/1"), known)
    assert known.drain_updates() == []


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_response_in_the_background_is_paid_by_who_reads_it_first(
    spread: str, upstreams: list[ApiUpstream], is_stream: bool
) -> None:
    """3 tokens in and 4 out, after an estimate for the request that began it."""

    def spent() -> tuple[int, int]:
        rows = ask(spread, "/v1/usage?by=key", **MINE).json["data"]
        return (rows[0]["requests"], rows[0]["output_tokens"]) if rows else (0, 0)

    queued = {**RESPONSE, "status": "queued", "usage": None}
    for upstream in upstreams:
        upstream.answers["/v1/responses"] = queued
        upstream.answers["/v1/responses/resp_1"] = queued
    assert respond(spread, {"background": True}).status == 200
    begun = spent()
    assert ask(spread, "/v1/responses/resp_1", **MINE).status == 200
    assert spent() == begun
    for upstream in upstreams:
        upstream.answers["/v1/responses/resp_1"] = streamed("resp_1") if is_stream else RESPONSE
    for _ in range(3):
        assert ask(spread, "/v1/responses/resp_1", **MINE).status == 200
        assert spent() == (begun[0] + 1, begun[1] + 4)


def test_a_response_that_was_complete_at_once_is_not_paid_twice(spread: str) -> None:
    assert respond(spread, {}).status == 200
    assert ask(spread, "/v1/responses/resp_1", **MINE).status == 200
    (row,) = ask(spread, "/v1/usage?by=key", **MINE).json["data"]
    assert (row["requests"], row["output_tokens"]) == (1, 4)
