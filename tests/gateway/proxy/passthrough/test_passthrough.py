"""Keys, limits, accounting, targets and errors of the endpoints that are passed through, in a real gateway."""

import http.client
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.passthrough.endpoints import ENDPOINTS, is_passed_through
from tests.gateway.api_upstream import DURATION, STREAMED_IMAGE, ApiUpstream, running_api_upstream
from tests.gateway.asking import Response, ask
from tests.gateway.proxy.passthrough.conftest import MINE, OTHERS, settings
from tests.gateway.serving import running_gateway, serving_gateway
from tests.gateway.waiting import eventually

SMALL = {"authorization": "Bearer sk-small"}
PROMPT = {"model": "image", "prompt": "a fish"}


def draw(url: str, body: Any = PROMPT, **headers: str) -> Response:
    return ask(url, "/v1/images/generations", body=body, **{**MINE, **headers})


def limited(upstream: ApiUpstream, folder: Path, **limits: Any) -> str:
    """Return the configuration with limits of the key `mine`."""
    config = yaml.safe_load(settings(upstream, folder))
    config["keys"][0] |= limits
    return yaml.safe_dump(config)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.template}")
def test_every_endpoint_needs_a_key(passing: str, api: ApiUpstream, endpoint: Any) -> None:
    path = endpoint.template.replace("{id}", "x1")
    body = b"{}" if endpoint.method == "POST" else None
    assert ask(passing, path, body=body, method=endpoint.method).status == 401
    assert ask(passing, path, body=body, method=endpoint.method, authorization="Bearer no").status == 401
    assert api.received == []


def test_the_response_is_the_backends_with_the_gateways_headers(passing: str, api: ApiUpstream) -> None:
    drawn = draw(passing, x_task_id="posters")
    assert (drawn.status, drawn.headers["content-type"]) == (200, "application/json")
    assert (drawn.ours("model"), drawn.ours("backend"), drawn.ours("task")) == ("image", "image/1", "posters")
    assert drawn.headers["content-length"] == str(len(drawn.body))
    assert api.last.headers["content-type"] == "application/json"
    assert "authorization" not in api.last.headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_the_last_refusal_reaches_the_client_as_it_is(passing: str, api: ApiUpstream, status: int) -> None:
    api.refusals = [status] * 4
    refused = draw(passing)
    assert (refused.status, refused.json) == (status, {"error": {"message": "no", "code": f"s{status}"}})
    api.refusals = []


def test_models_are_named_or_the_only_ones_of_their_kind(passing: str, api: ApiUpstream) -> None:
    for sent in ({"prompt": "x"}, {"prompt": "x", "model": None}, {"prompt": "x", "model": "auto"}):
        assert draw(passing, sent).ours("model") == "image"
    assert json.loads(api.last.body)["model"] == "up-image"
    assert draw(passing, {**PROMPT, "model": "words"}).ours("model") == "words"
    unknown = draw(passing, {**PROMPT, "model": "nobody"})
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")
    for body in (b"nonsense", b"[]", b'{"model": 5}', b'{"model": %b}' % (b"1" * 5000), b"{}" + b"[" * 9000):
        assert draw(passing, body).status == 400


def test_without_one_model_of_the_kind_the_error_says_what_to_set(api: ApiUpstream, tmp_path: Path) -> None:
    config = yaml.safe_load(settings(api, tmp_path))
    config["models"] = [model for model in config["models"] if model["kind"] == "chat"]
    config["upstream"].pop("files_backend")
    with running_gateway(yaml.safe_dump(config)) as url:
        refused = draw(url, {"prompt": "x"})
        assert (refused.status, refused.error["code"]) == (400, "no_image_model")
        assert "`kind: image`" in refused.error["message"]
        files = ask(url, "/v1/files", **MINE)
        assert (files.status, files.error["code"]) == (404, "files_backend_not_set")
        assert "upstream.files_backend" in files.error["message"]


def test_a_key_uses_its_models_only(passing: str, api: ApiUpstream) -> None:
    refused = draw(passing, **SMALL)
    assert (refused.status, refused.error["code"]) == (403, "permission_denied")
    assert draw(passing, {"prompt": "x"}, **SMALL).status == 403
    assert api.received == []


def test_tokens_are_counted_by_the_route_of_chat(passing: str, api: ApiUpstream) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    counted = ask(passing, "/v1/messages/count_tokens", body=body, **MINE)
    assert (counted.json, counted.ours("model")) == ({"input_tokens": 12}, "words")
    assert json.loads(api.last.body)["model"] == "up-words"
    refused = ask(passing, "/v1/messages/count_tokens", body={"model": "nobody"}, **MINE)
    assert (refused.status, refused.json["type"]) == (404, "error")


def test_a_backend_that_does_not_speak_messages_counts_no_tokens(api: ApiUpstream, tmp_path: Path) -> None:
    config = yaml.safe_load(settings(api, tmp_path))
    config["models"][0]["backends"][0].pop("speaks_messages")
    with running_gateway(yaml.safe_dump(config)) as url:
        refused = ask(url, "/v1/messages/count_tokens", body={"model": "words", "messages": []}, **MINE)
    assert (refused.status, refused.json["type"]) == (502, "error")
    assert "words/1 does not answer /messages" in refused.json["error"]["message"]
    assert api.received == []


def test_an_unreachable_backend_is_told_apart_and_the_next_one_answers(api: ApiUpstream, tmp_path: Path) -> None:
    config = yaml.safe_load(settings(api, tmp_path))
    (backend,) = config["models"][1]["backends"]
    config["models"][1]["backends"] = [{**backend, "base_url": "http://127.0.0.1:9/v1", "weight": 99}, backend]
    with running_gateway(yaml.safe_dump(config)) as url:
        drawn = draw(url)
        assert (drawn.status, drawn.ours("backend"), drawn.ours("attempts")) == (200, "image/2", "2")


def test_a_backend_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with running_api_upstream() as silent:
        silent.pause_s = 30
        timeouts = {"first_byte_s": 0.2}
        text = settings(silent, tmp_path, upstream={"timeouts": timeouts, "retries": 0})
        with running_gateway(text) as url:
            refused = draw(url)
    assert (refused.status, refused.error["code"]) == (504, "upstream_timeout")


def test_a_client_that_leaves_while_it_waits_is_counted_as_such(tmp_path: Path) -> None:
    with running_api_upstream() as slow:
        slow.pause_s = 30
        with running_gateway(settings(slow, tmp_path)) as url:
            made = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
            made.request("POST", "/v1/images/generations", json.dumps(PROMPT), MINE)
            made.close()
            counted = 'benchroute_requests_total{model="none",reason="requested",status="499"} 1.0'
            assert eventually(lambda: counted in ask(url, "/metrics").body.decode())


@given(st.from_regex(r"/v[12]/[a-z_/]*[A-Za-z0-9._:%/-]{0,30}", fullmatch=True))
def test_no_path_that_is_passed_through_can_be_another_one(path: str) -> None:
    for start in ("", "/v1/files/", "/v1/responses/", "/v1/conversations/c/items/"):
        if is_passed_through(start + path):
            assert not {"", ".", ".."} & set((start + path).split("/")[1:])
            assert "%" not in start + path


def test_coheres_second_version_has_its_own_path(passing: str, api: ApiUpstream) -> None:
    for path in ("/v1/rerank", "/v2/rerank"):
        assert ask(passing, path, body={"query": "q", "documents": ["d"]}, **MINE).status == 200
        assert api.last.path == path


def test_objects_belong_to_the_key_they_were_given_to(passing: str, api: ApiUpstream) -> None:
    made = ask(passing, "/v1/conversations", body={}, **MINE).json["id"]
    assert ask(passing, f"/v1/conversations/{made}", **MINE).status == 200
    count = len(api.received)
    for headers, name in ((OTHERS, made), (MINE, "conv_2"), (MINE, "resp_9")):
        unknown = ask(passing, f"/v1/conversations/{name}", **headers)
        assert (unknown.status, unknown.error["code"]) == (404, "response_not_found")
    assert len(api.received) == count


@pytest.mark.parametrize("path", ["/v1/responses/..", "/v1/files/%2e%2e", "/v1/files/a%2fb", "/v1/nope"])
def test_unknown_paths_list_what_there_is(passing: str, api: ApiUpstream, path: str) -> None:
    unknown = ask(passing, path, **MINE)
    assert (unknown.status, unknown.error["code"]) == (404, "not_found")
    assert "/v1/audio/transcriptions" in unknown.error["message"]
    assert "/v1/chat/completions" in unknown.error["message"]
    assert api.received == []


def test_other_methods_are_told_which_there_are(passing: str) -> None:
    refused = ask(passing, "/v1/files/file-1", method="PUT", body=b"{}", **MINE)
    assert (refused.status, refused.headers["allow"]) == (405, "DELETE, GET")
    assert refused.error["code"] == "method_not_allowed"


def test_a_response_cut_off_is_cut_off_for_the_client(passing: str, api: ApiUpstream) -> None:
    api.cut = 1000
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        draw(passing)


def test_what_is_reported_is_booked_and_the_rest_counts_as_unpriced(api: ApiUpstream, tmp_path: Path) -> None:
    """Prices are 0.001 dollars a token in, 0.002 out."""
    with running_gateway(settings(api, tmp_path)) as url:

        def spent() -> dict[str, Any]:
            (row,) = ask(url, "/v1/usage?by=key", **MINE).json["data"]
            return {name: row[name] for name in ("requests", "input_tokens", "output_tokens", "unpriced_requests")} | {
                "usd": row["cost_usd"] and round(row["cost_usd"], 6)
            }

        def sums(requests: int, inputs: int, outputs: int, unpriced: int, usd: float) -> dict[str, Any]:
            names = ("requests", "input_tokens", "output_tokens", "unpriced_requests", "usd")
            return dict(zip(names, (requests, inputs, outputs, unpriced, usd), strict=True))

        # Half a megabyte, with the usage behind it.
        draw(url)
        assert spent() == sums(1, 50, 1000, 0, 2.05)
        api.answers["/v1/images/generations"] = STREAMED_IMAGE
        assert draw(url, {**PROMPT, "stream": True}).headers["content-type"] == "text/event-stream"
        assert spent() == sums(2, 55, 1006, 0, 2.067)
        speech = {"model": "audio", "input": "hi", "voice": "alloy"}
        ask(url, "/v1/audio/speech", body=speech, **MINE)
        assert spent() == sums(3, 55, 1006, 1, 2.067)
        api.answers["/v1/audio/transcriptions"] = DURATION
        ask(url, "/v1/audio/transcriptions", body={"model": "audio"}, **MINE)
        ask(url, "/v1/moderations", body={"input": "x"}, **MINE)
        assert spent() == sums(5, 55, 1006, 3, 2.067)
        ask(url, "/v1/rerank", body={"query": "q", "documents": []}, **MINE)
        assert spent() == sums(6, 870, 1006, 3, 2.882)
        # Neither counted tokens nor what is stored costs anything; a refusal does not either.
        ask(url, "/v1/messages/count_tokens", body={"model": "words", "messages": []}, **MINE)
        ask(url, "/v1/files", **MINE)
        api.refusals = [400]
        draw(url)
        assert spent() == sums(6, 870, 1006, 3, 2.882)
        told = ask(url, "/metrics").body.decode()
        assert 'benchroute_requests_total{model="image",reason="requested",status="200"} 2.0' in told
        assert ask(url, "/v1/usage", **MINE).json["data"][0]["saved_usd"] == 0


@pytest.mark.parametrize("usage", [{"input_tokens": 10**19, "output_tokens": 1}, {"input_tokens": -5}, [], "many"])
def test_absurd_usage_counts_as_unpriced(api: ApiUpstream, tmp_path: Path, usage: Any) -> None:
    with running_gateway(settings(api, tmp_path)) as url:
        api.answers["/v1/images/generations"] = {"data": [], "usage": usage}
        assert draw(url).status == 200
        (row,) = ask(url, "/v1/usage?by=key", **MINE).json["data"]
        assert (row["requests"], row["unpriced_requests"], row["cost_usd"]) == (1, 1, None)


def test_no_request_is_free_of_limits(api: ApiUpstream, tmp_path: Path) -> None:
    with running_gateway(limited(api, tmp_path, requests_per_minute=3)) as url:
        statuses = [ask(url, path, **MINE).status for path in ("/v1/files", "/v1/batches", "/v1/responses/resp_1")]
        assert statuses == [200, 200, 404]
        refused = draw(url)
        assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
        assert int(refused.headers["retry-after"]) > 0


def test_a_budget_that_is_used_up_stops_images_too(api: ApiUpstream, tmp_path: Path) -> None:
    with running_gateway(limited(api, tmp_path, budget_usd_per_day=2)) as url:
        assert draw(url).status == 200
        assert (draw(url).status, draw(url).error["code"]) == (429, "insufficient_quota")


def test_a_request_is_logged_with_its_path(api: ApiUpstream, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_gateway(settings(api, tmp_path)) as url, caplog.at_level(logging.INFO, "benchroute.request"):
        ask(url, "/v1/files/file-1", **MINE)
        ask(url, "/v2/rerank", body={"query": "q", "documents": []}, **MINE)
        ask(url, "/metrics")
    lines = [record.request for record in caplog.records if hasattr(record, "request")]
    assert [line["path"] for line in lines] == ["/v1/files/{id}", "/v2/rerank"]
    assert (lines[0]["key"], lines[0]["status"], lines[1]["input_tokens"]) == ("mine", 200, 815)


def test_a_shutdown_ends_a_request_with_an_error(tmp_path: Path) -> None:
    with running_api_upstream() as slow, serving_gateway(settings(slow, tmp_path)) as serving:
        slow.pause_s = 5
        place = urlsplit(serving.url)
        made = http.client.HTTPConnection(place.netloc, timeout=10)
        made.request("POST", "/v1/images/generations", json.dumps(PROMPT), MINE)
        eventually(lambda: serving.gateway._inflight._requests)
        serving.cut()
        response = made.getresponse()
        assert (response.status, json.loads(response.read())["error"]["code"]) == (503, "shutting_down")
        made.close()
