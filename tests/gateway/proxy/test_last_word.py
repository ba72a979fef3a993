"""When nobody else is left to ask, a backend's own error is the client's: on every endpoint, whole or as a stream."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.gateway.proxy.scripted import ENTRANCES, Answer, Scripted, answer, scripted, whole
from tests.parity.backend import End, Script

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
INPUTS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    COMPLETIONS: {"prompt": "hi"},
    EMBEDDINGS: {"input": "hi"},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
}
HINTS = (
    "retry-after: 7",
    "retry-after-ms: 6500",
    "x-should-retry: false",
    "x-ratelimit-remaining-requests: 0",
    "anthropic-ratelimit-tokens-remaining: 3",
    "request-id: req_backend",
    "set-cookie: a=b",
)
QUOTA = b'{"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}}'
LOST = b'{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}'
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
ANSWERED = whole(b'{"id":"c","choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}]}')

SCRIPTS: dict[str, tuple[Script, ...]] = {
    "quota": ((whole(QUOTA, "429 Too Many Requests", *HINTS),),),
    "lost": ((whole(LOST, "404 Not Found"),),),
    "forbidden": ((whole(LOST, "403 Forbidden"),),),
    "bad": ((whole(LOST, "400 Bad Request", *HINTS),),),
    "overloaded": ((whole(OVERLOADED, "529 Overloaded"),),),
    "down": ((whole(b"<html>no</html>", "503 Service Unavailable"),),),
    "key": ((whole(b'{"error":{"message":"Incorrect API key sk-up..1234"}}', "401 Unauthorized"),),),
    "moved": ((whole(b"", "302 Found", "location: http://127.0.0.1:1/"),),),
    "odd": ((whole(b'{"error":"a text"}', "500 Oh"),),),
    "flat": ((whole(b'{"object":"error","message":"flat","type":"x","code":404}', "404 Not Found"),),),
    "half": ((whole(LOST, "500 Oh")[:-20], End.CLOSE),),
    "stalled": ((whole(LOST, "500 Oh")[:-20], End.STALL),),
    "huge": ((whole(b"x" * 300_000, "500 Oh"),),),
    "closes": ((End.CLOSE,),),
    "good": ((ANSWERED,),),
    "late": ((0.4, whole(QUOTA, "429 Too Many Requests")),),
    "late-lost": ((0.4, whole(LOST, "404 Not Found")),),
}


@pytest.fixture(scope="module", params=ENTRANCES)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    folder = Path(tmp_path_factory.mktemp("last-word"))
    tasks = {
        "quota-then-closes": {"candidates": ["quota", "closes"], "pin": "quota"},
        "quota-then-lost": {"candidates": ["quota", "lost"], "pin": "quota"},
        "stalled-then-good": {"candidates": ["stalled", "good"], "pin": "stalled"},
        "lost-then-good": {"candidates": ["lost", "good"], "pin": "lost"},
    }
    key = {"name": "k", "sha256": sha256(b"sk-k").hexdigest(), "requests_per_minute": 600, "tokens_per_minute": 9000}
    free = {"name": "free", "sha256": sha256(b"sk-free").hexdigest()}
    sections = {"tasks": tasks, "keys": [key, free], "upstream": {"keepalive_s": 0.1}}
    with scripted(folder, SCRIPTS, request.param, **sections) as serving:
        yield serving


def ask(gateway: Scripted, model: str, path: str = CHAT, key: str = "sk-free", **members: Any) -> Answer:
    sent = {"model": model, **INPUTS[path], **members}
    return answer(gateway.url, path, sent, authorization=f"Bearer {key}")


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("path", INPUTS)
@pytest.mark.parametrize(
    ("model", "status", "body"),
    [
        ("quota", 429, QUOTA),
        ("lost", 404, LOST),
        ("forbidden", 403, LOST),
        ("bad", 400, LOST),
        ("overloaded", 529, OVERLOADED),
        ("odd", 500, b'{"error":"a text"}'),
        ("flat", 404, b'{"object":"error","message":"flat","type":"x","code":404}'),
    ],
)
def test_an_error_comes_as_the_backend_gave_it(
    gateway: Scripted, model: str, status: int, body: bytes, path: str, is_stream: bool
) -> None:
    found = ask(gateway, model, path, stream=is_stream)
    assert (found.status, found.body, found.is_cut) == (status, body, False)
    assert found.headers["content-type"] == "application/json"
    assert (found.ours("model"), found.ours("backend"), found.ours("attempts")) == (model, f"{model}/1", "1")


@pytest.mark.parametrize("model", ["quota", "bad"])
def test_hints_for_a_retry_come_along(gateway: Scripted, model: str) -> None:
    headers = ask(gateway, model).headers
    for hint in HINTS[:-1]:
        name, _, value = hint.partition(": ")
        assert headers[name] == value
    assert "set-cookie" not in headers


def test_the_gateways_account_is_in_its_own_headers(gateway: Scripted) -> None:
    found = ask(gateway, "task/quota-then-closes")
    assert (found.status, found.body) == (429, QUOTA)
    assert found.ours("attempts") == "2"
    assert found.ours("error") == "quota/1 answered 429; closes/1 closed the connection without an answer"
    assert found.ours("model") == "quota"
    assert ask(gateway, "good").ours("error") is None


def test_the_last_backend_that_said_anything_has_the_last_word(gateway: Scripted) -> None:
    assert (ask(gateway, "task/quota-then-lost").status, ask(gateway, "task/lost-then-good").status) == (404, 200)


@pytest.mark.parametrize(
    ("model", "status", "code", "words"),
    [
        ("down", 503, "upstream_failed", "<html>no</html>"),
        ("huge", 500, "upstream_failed", "xxx"),
        ("half", 500, "upstream_failed", "no such model"),
        ("stalled", 500, "upstream_failed", "no such model"),
        ("key", 502, "upstream_failed", "key/1 answered 401"),
        ("moved", 502, "upstream_failed", "moved/1 answered 302"),
    ],
)
def test_what_is_no_error_of_an_api_is_put_into_the_envelope(
    gateway: Scripted, model: str, status: int, code: str, words: str
) -> None:
    found = ask(gateway, model)
    assert (found.status, found.json["error"]["code"]) == (status, code)
    assert words in found.json["error"]["message"]
    assert "sk-up" not in found.body.decode()


def test_the_rest_of_an_error_is_not_waited_for(gateway: Scripted) -> None:
    assert ask(gateway, "task/stalled-then-good").ours("model") == "good"


def test_a_key_with_limits_of_its_own_is_told_of_them(gateway: Scripted) -> None:
    headers = ask(gateway, "quota", key="sk-k").headers
    assert headers["x-ratelimit-limit-requests"] == "600"
    assert 0 < int(headers["x-ratelimit-remaining-requests"]) < 600
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("9000", "9000")
    assert headers["x-ratelimit-reset-tokens"] == "0s"
    assert headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("path", "code"), [(CHAT, "insufficient_quota"), (RESPONSES, "insufficient_quota"), (MESSAGES, None)]
)
def test_in_a_stream_that_has_begun_the_error_is_an_event(gateway: Scripted, path: str, code: str | None) -> None:
    found = ask(gateway, "late", path, stream=True)
    assert (found.status, found.is_cut) == (200, True)
    error = found.last["error"]
    assert error["message"] == "You exceeded your quota"
    if path == MESSAGES:
        assert (found.last["type"], error["type"]) == ("error", "rate_limit_error")
    else:
        assert error["code"] == code
    if path == RESPONSES:
        assert (found.last["type"], found.last["code"]) == ("error", code)


def test_the_official_client_raises_what_the_backend_meant(gateway: Scripted) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-free", max_retries=0) as client:
        messages: Any = INPUTS[CHAT]["messages"]
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="quota", messages=messages)
        assert limited.value.code == "insufficient_quota"
        with pytest.raises(openai.NotFoundError) as lost:
            client.chat.completions.create(model="lost", messages=messages, stream=True)
        assert lost.value.code == "model_not_found"


BODY_ERROR = b'{"error":{"message":"Provider returned error","code":%s}}'
NO_ANSWERS: dict[str, tuple[str, bytes, int]] = {
    "chat-error": (CHAT, BODY_ERROR % b"429", 429),
    "chat-error-named": (CHAT, BODY_ERROR % b'"server_error"', 502),
    "chat-empty": (CHAT, b'{"id":"c","choices":[]}', 502),
    "chat-none": (CHAT, b'{"id":"c"}', 502),
    "text-empty": (COMPLETIONS, b'{"id":"c","choices": [ ]}', 502),
    "response-failed": (RESPONSES, b'{"status":"failed","error":{"code":"server_error","message":"no"}}', 502),
    "response-error": (RESPONSES, BODY_ERROR % b"500", 500),
    "message-error": (MESSAGES, OVERLOADED, 502),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_embeddings_have_one_model_whose_error_with_200_gets_its_status(entrance: str, tmp_path: Path) -> None:
    body = BODY_ERROR % b"400"
    with scripted(tmp_path, {"vectors": ((whole(body),),)}, entrance) as gateway:
        found = ask(gateway, "vectors", EMBEDDINGS)
    assert (found.status, found.body) == (400, body)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_200_that_is_no_answer_goes_to_the_next_model_and_is_never_cached(entrance: str, tmp_path: Path) -> None:
    scripts = {name: ((whole(body),),) for name, (_, body, _) in NO_ANSWERS.items()}
    cache = {"ttl_s": 60, "any_temperature": True}
    tasks = {f"{name}-then-good": {"candidates": [name, "good"], "pin": name, "cache": cache} for name in NO_ANSWERS}
    tasks |= {f"{name}-only": {"candidates": [name], "cache": cache} for name in NO_ANSWERS}
    with scripted(tmp_path, {**scripts, "good": ((ANSWERED,),)}, entrance, tasks=tasks) as gateway:
        for name, (path, body, status) in NO_ANSWERS.items():
            for count in (1, 2):
                alone = ask(gateway, f"task/{name}-only", path)
                assert (alone.status, alone.ours("cache"), gateway.asked(name)) == (status, None, count), name
            if b"error" in body:
                assert alone.body == body
            else:
                assert "without choices" in alone.json["error"]["message"]
            found = ask(gateway, f"task/{name}-then-good", path)
            assert (found.status, found.ours("model"), found.ours("attempts")) == (200, "good", "2"), name
