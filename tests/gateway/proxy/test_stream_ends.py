"""What a client gets of a stream: a fallback before anything was said, signs of life, an end as its library reads it.

Each on both entrances, and with the backend's bytes cut into pieces of one size or another.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from gateway.http.sse import KEEPALIVE_COMMENT
from tests.gateway.asking import ask, connection
from tests.gateway.proxy.scripted import ENTRANCES, Answer, Scripted, answer, framed, head, scripted, stream
from tests.parity.backend import End, Script, Step
from tests.parity.rows import CHUNKED, LAST_CHUNK, SSE_LINES

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
INPUTS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
}


def data(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more})


def typed(type_: str, **members: Any) -> bytes:
    return f"event: {type_}\n".encode() + data({"type": type_, **members})


COMMENT = b": OPENROUTER PROCESSING\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
TEXT, STOP = chunk({"content": "hello"}), chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
ERROR = data({"error": {"message": "Provider overloaded", "type": "server_error", "param": None, "code": 503}})
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [], "error": None, "tools": [],
    "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
    "temperature": 1, "tool_choice": "auto", "top_p": 1,
}  # fmt: skip
CREATED = typed("response.created", sequence_number=0, response={**RESPONSE, "status": "in_progress"})
DELTA = typed(
    "response.output_text.delta",
    sequence_number=1, item_id="i", output_index=0, content_index=0, delta="hello", logprobs=[],
)  # fmt: skip
COMPLETED = typed("response.completed", sequence_number=2, response={**RESPONSE, "status": "completed"})
FAILED = typed("response.failed", sequence_number=1, response={**RESPONSE, "status": "failed"})
R_ERROR = data({"type": "error", "code": "server_error", "message": "no", "param": None, "sequence_number": 2})
START = typed("message_start", message={"id": "msg_1", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}})
PING = typed("ping")
BLOCK = typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"})
STOPPED = typed("message_stop")
OVERLOADED = typed("error", error={"type": "overloaded_error", "message": "Overloaded"})


def data_only(events: bytes) -> bytes:
    return b"\n".join(line for line in events.split(b"\n") if not line.startswith(b"event:"))


def cut(size: int, *events: bytes, end: tuple[Step, ...] = (LAST_CHUNK,)) -> Script:
    """The events in chunks of so many bytes, which arrive one by one; 0 for the events as they are."""
    whole = b"".join(events)
    if not size:
        return stream(*events, end=end)
    pieces = [framed(whole[at : at + size]) for at in range(0, len(whole), size)]
    return (head(*SSE_LINES, CHUNKED), *pieces, *end)


FALLS_BACK: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "error": (CHAT, (ERROR,)),
    "error-done": (CHAT, (ERROR, DONE)),
    "comment-error": (CHAT, (COMMENT, COMMENT, ERROR)),
    "role-error": (CHAT, (COMMENT, ROLE, ERROR)),
    "done": (CHAT, (DONE,)),
    "role-done": (CHAT, (ROLE, DONE)),
    "role-end": (CHAT, (ROLE,)),
    "comments": (CHAT, (COMMENT,)),
    "created-failed": (RESPONSES, (CREATED, FAILED)),
    "created-error": (RESPONSES, (CREATED, R_ERROR)),
    "data-failed": (RESPONSES, (data_only(CREATED + FAILED),)),
    "start-error": (MESSAGES, (START, PING, OVERLOADED)),
    "ping-error": (MESSAGES, (PING, OVERLOADED)),
    "plain-error": (CHAT, (b'{"error": {"message": "Provider overloaded", "code": 503}}',)),
}
ACCEPTED: dict[str, tuple[str, tuple[bytes, ...], bool]] = {
    "no-done": (CHAT, (ROLE, TEXT, STOP), True),
    "no-done-usage": (CHAT, (TEXT, STOP, COMMENT), True),
    "done": (CHAT, (COMMENT, ROLE, TEXT, STOP, DONE), True),
    "error-last": (CHAT, (ROLE, TEXT, ERROR), False),
    "error-then-done": (CHAT, (TEXT, ERROR, DONE), False),
    "data-only": (RESPONSES, (data_only(CREATED + DELTA + COMPLETED),), True),
    "named": (RESPONSES, (CREATED, DELTA, COMPLETED), True),
    "named-done": (RESPONSES, (CREATED, DELTA, COMPLETED, DONE), True),
    "response-error": (RESPONSES, (CREATED, DELTA, R_ERROR), False),
    "response-failed": (RESPONSES, (CREATED, DELTA, FAILED), False),
    "message": (MESSAGES, (START, PING, BLOCK, STOPPED), True),
    "message-error": (MESSAGES, (START, BLOCK, OVERLOADED), False),
    "crlf": (CHAT, ((COMMENT + ROLE + TEXT + STOP).replace(b"\n", b"\r\n"),), True),
}
BROKEN: dict[str, tuple[str, Script]] = {
    "chat": (CHAT, stream(TEXT)),
    "chat-cut": (CHAT, stream(TEXT, TEXT[:40], end=(End.CLOSE,))),
    "chat-unclean": (CHAT, stream(TEXT, STOP, end=(End.CLOSE,))),
    "responses": (RESPONSES, stream(CREATED, DELTA)),
    "responses-done": (RESPONSES, stream(CREATED, DELTA, DONE)),
    "messages": (MESSAGES, stream(START, BLOCK)),
    "messages-cut": (MESSAGES, stream(START, BLOCK, STOPPED[:-9], end=(End.CLOSE,))),
}
GOOD = {CHAT: (TEXT, STOP, DONE), RESPONSES: (CREATED, DELTA, COMPLETED), MESSAGES: (START, BLOCK, STOPPED)}
GOOD_NAMES = {CHAT: "good-chat", RESPONSES: "good-responses", MESSAGES: "good-messages"}
SIZES = (0, 17, 10_000)
CACHE = {"ttl_s": 60, "any_temperature": True}


@pytest.fixture(scope="module", params=ENTRANCES)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    scripts: dict[str, tuple[Script, ...]] = {name: (stream(*GOOD[path]),) for path, name in GOOD_NAMES.items()}
    tasks: dict[str, Any] = {}
    for name, (path, events) in FALLS_BACK.items():
        for size in SIZES:
            model = f"falls-{name}-{size}"
            scripts[model] = (cut(size, *events),)
            tasks[model] = {"candidates": [model, GOOD_NAMES[path]], "pin": model}
            tasks[f"{model}-only"] = {"candidates": [model], "cache": CACHE}
    for name, (_, events, _) in ACCEPTED.items():
        for size in SIZES:
            scripts[f"ends-{name}-{size}"] = (cut(size, *events),)
            tasks[f"ends-{name}-{size}-only"] = {"candidates": [f"ends-{name}-{size}"], "cache": CACHE}
    scripts |= {f"breaks-{name}": (script,) for name, (_, script) in BROKEN.items()}
    folder = Path(tmp_path_factory.mktemp("stream-ends"))
    with scripted(folder, scripts, request.param, tasks=tasks, metrics={"max_tasks": 1000}) as serving:
        yield serving


def streamed(gateway: Scripted, model: str, path: str, **members: Any) -> Answer:
    return answer(gateway.url, path, {"model": model, "stream": True, **INPUTS[path], **members})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FALLS_BACK)
def test_before_anything_was_said_the_next_model_answers(gateway: Scripted, name: str, size: int) -> None:
    path, _ = FALLS_BACK[name]
    found = streamed(gateway, f"task/falls-{name}-{size}", path)
    assert (found.status, found.body) == (200, b"".join(GOOD[path]))
    assert (found.ours("model"), found.ours("attempts")) == (GOOD_NAMES[path], "2")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FALLS_BACK)
def test_when_nobody_else_is_left_the_error_comes_as_it_is_and_is_not_cached(
    gateway: Scripted, name: str, size: int
) -> None:
    path, events = FALLS_BACK[name]
    model = f"falls-{name}-{size}"
    before = gateway.asked(model)
    for count in (1, 2):
        found = streamed(gateway, f"task/{model}-only", path)
        assert gateway.asked(model) == before + count
        assert not found.is_cut
        if "error" in name or "failed" in name:
            assert (found.status, found.body, found.ours("model")) == (200, b"".join(events), model)
        else:
            assert (found.status, found.json["error"]["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_clients_accept_is_complete(gateway: Scripted, name: str, size: int) -> None:
    path, events, is_answer = ACCEPTED[name]
    model = f"ends-{name}-{size}"
    before = gateway.asked(model)
    for count in (1, 2):
        found = streamed(gateway, f"task/{model}-only", path)
        assert (found.status, found.body, found.is_cut) == (200, b"".join(events), False)
        # An answer is cached, and one that ended with an error is not.
        assert gateway.asked(model) == before + (1 if is_answer else count)


@pytest.mark.parametrize("name", BROKEN)
def test_what_they_do_not_accept_ends_with_an_error_in_their_schema(gateway: Scripted, name: str) -> None:
    path, _ = BROKEN[name]
    found = streamed(gateway, f"breaks-{name}", path)
    assert (found.status, found.is_cut) == (200, True)
    event = found.body.strip().rpartition(b"\n\n")[2]
    error = found.last["error"]
    assert "the stream broke off" in error["message"]
    if path == CHAT:
        assert (event[:5], error["code"]) == (b"data:", "stream_interrupted")
    else:
        assert event.startswith(b"event: error\n")
        assert found.last["type"] == "error"
    if path == RESPONSES:
        assert (found.last["code"], found.last["sequence_number"]) == ("stream_interrupted", 2)
        assert found.last["message"] == error["message"]
    if path == MESSAGES:
        assert error["type"] == "api_error"
    # No event before it is half an event.
    for line in found.body.splitlines():
        if line.startswith(b"data: {"):
            json.loads(line[6:])


def test_the_official_client_reads_every_end(gateway: Scripted) -> None:
    messages: Any = INPUTS[CHAT]["messages"]
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0) as client:

        def chat(model: str) -> str:
            chunks = client.chat.completions.create(model=model, messages=messages, stream=True)
            return "".join(one.choices[0].delta.content or "" for one in chunks)

        def respond(model: str) -> str:
            events = list(client.responses.create(model=model, input="hi", stream=True))
            assert events[-1].type == "response.completed"
            return "".join(event.delta for event in events if event.type == "response.output_text.delta")

        assert chat("ends-no-done-0") == "hello"
        assert respond("ends-data-only-17") == "hello"
        for model in ("ends-error-last-0", "falls-role-error-0", "breaks-chat", "breaks-chat-cut"):
            with pytest.raises(openai.APIError, match=r"overloaded|broke off"):
                chat(model)
        with pytest.raises(openai.APIError, match="the stream broke off"):
            respond("breaks-responses")


LIFE: dict[str, tuple[bytes, ...]] = {
    "comment": (b": ping\n\n",),
    "comment-line": (b": ping\n",),
    "blank": (b"\n",),
    "space": (b" \n",),
    "ping": (b'data: {"type":"ping"}\n\n',),
}


def signalling(first: bytes, signs: tuple[bytes, ...], last: bytes) -> Script:
    """A stream that gives nothing but signs of life, three times, between two pieces."""
    steps: list[Step] = [head(*SSE_LINES, CHUNKED) + first]
    for sign in signs * 3:
        steps += [0.4, framed(sign)]
    return (*steps, last, LAST_CHUNK)


SILENCE: dict[str, tuple[Script, ...]] = {
    "pauses": (stream(TEXT, end=(0.5, framed(STOP + DONE), LAST_CHUNK)),),
    "pauses-inside": (stream(TEXT, STOP[:30], end=(0.5, framed(STOP[30:] + DONE), LAST_CHUNK)),),
    "silent": (stream(TEXT, end=(End.STALL,)),),
    "quiet-role": (stream(ROLE, end=(0.5, framed(TEXT + STOP + DONE), LAST_CHUNK)),),
    "quiet-comment": (stream(COMMENT, end=(0.25, framed(COMMENT), 0.05, framed(TEXT + STOP + DONE), LAST_CHUNK)),),
    **{f"lives-{name}": (signalling(framed(TEXT), sign, framed(STOP + DONE)),) for name, sign in LIFE.items()},
    **{f"wakes-{name}": (signalling(b"", sign, framed(TEXT + STOP + DONE)),) for name, sign in LIFE.items()},
}


@pytest.fixture(scope="module", params=ENTRANCES)
def patient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A gateway that sends a sign of life after 0.15 s, and gives a silent backend a second."""
    folder = Path(tmp_path_factory.mktemp("silence"))
    limits = {"keepalive_s": 0.15, "timeouts": {"between_chunks_s": 1, "first_byte_s": 1}}
    with scripted(folder, SILENCE, request.param, upstream=limits) as serving:
        yield serving


@pytest.mark.parametrize("model", ["pauses", "pauses-inside"])
def test_a_silence_in_the_middle_is_filled_between_events(patient: Scripted, model: str) -> None:
    body = streamed(patient, model, CHAT).body
    assert 2 <= body.count(KEEPALIVE_COMMENT) <= 4
    assert body.startswith(TEXT + KEEPALIVE_COMMENT)
    assert body.replace(KEEPALIVE_COMMENT, b"") == TEXT + STOP + DONE


def test_a_backend_that_is_silent_for_good_is_given_up(patient: Scripted) -> None:
    began = time.monotonic()
    found = streamed(patient, "silent", CHAT)
    assert 0.9 < time.monotonic() - began < 4
    assert found.is_cut
    assert found.body.count(KEEPALIVE_COMMENT) >= 3
    assert "fell silent" in found.last["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LIFE)
def test_a_backends_signs_of_life_count_and_pass(patient: Scripted, name: str) -> None:
    """Nothing comes for longer than the limit but these."""
    sign = b"".join(LIFE[name])
    found = streamed(patient, f"lives-{name}", CHAT)
    assert (found.is_cut, found.body.replace(KEEPALIVE_COMMENT, b"")) == (False, TEXT + sign * 3 + STOP + DONE)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIFE)
def test_they_count_before_anything_was_said_too(patient: Scripted, name: str) -> None:
    sign = b"".join(LIFE[name])
    found = streamed(patient, f"wakes-{name}", CHAT)
    assert (found.is_cut, found.body.replace(KEEPALIVE_COMMENT, b"")) == (False, sign * 3 + TEXT + STOP + DONE)


def test_what_is_held_back_does_not_leave_a_client_without_a_sign(patient: Scripted) -> None:
    body = streamed(patient, "quiet-role", CHAT).body
    assert body.startswith(KEEPALIVE_COMMENT)
    assert body.endswith(ROLE + TEXT + STOP + DONE)
    # The backend's own comment goes first, in place of the gateway's.
    assert streamed(patient, "quiet-comment", CHAT).body.startswith(COMMENT)


def test_a_first_piece_that_says_something_goes_on_at_once(patient: Scripted) -> None:
    with connection(patient.url) as made:
        made.request("POST", CHAT, json.dumps({"model": "silent", "stream": True, **INPUTS[CHAT]}))
        began = time.monotonic()
        assert made.getresponse().read1(len(TEXT)) == TEXT
        assert time.monotonic() - began < 0.6


NULLS = tuple(event.replace(b"}]}\n\n", b'}], "usage": null}\n\n') for event in (ROLE, TEXT, STOP))
USAGE = data({"id": "c", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}})


@pytest.mark.parametrize("size", SIZES)
def test_usage_that_only_the_gateway_asked_for_stays_invisible(size: int, tmp_path: Path) -> None:
    """And it is booked all the same."""
    with scripted(tmp_path, {"tells": (cut(size, *NULLS, USAGE, DONE),)}) as gateway:
        assert streamed(gateway, "tells", CHAT).body == ROLE + TEXT + STOP + DONE
        asked = streamed(gateway, "tells", CHAT, stream_options={"include_usage": True})
        assert asked.body == b"".join([*NULLS, USAGE, DONE])
        metrics = ask(gateway.url, "/metrics").body.decode()
        assert 'benchroute_tokens_total{direction="output",model="tells"} 12.0' in metrics


def test_usage_that_was_not_asked_for_is_the_backends_own(tmp_path: Path) -> None:
    with scripted(tmp_path, {"tells": (stream(*NULLS, USAGE, DONE),)}) as gateway:
        models = [
            {"name": "tells", "backends": [{**backend_of(gateway, "tells"), "stream_usage": False}]},
        ]
        with scripted(tmp_path / "own", {}, models=models, state={"url": f"sqlite:///{tmp_path}/own.db"}) as own:
            assert streamed(own, "tells", CHAT).body == b"".join([*NULLS, USAGE, DONE])


def backend_of(gateway: Scripted, model: str) -> dict[str, Any]:
    return {"kind": "openai", "base_url": gateway.backends[model].base_url}


TEXTS = [chunk({"content": f"word {number}"}) for number in range(9)]


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("asks", [False, True], ids=["usage is hidden", "usage is asked for"])
def test_a_stream_whose_chunks_come_together_is_the_same(tmp_path: Path, entrance: str, asks: bool) -> None:
    """As they do when the gateway is late: several in one read, some with the half of an event, some with usage."""
    half = len(TEXTS[5]) // 2
    groups = (
        [ROLE],
        [TEXTS[0], TEXTS[1], TEXTS[2]],
        [TEXTS[3]],
        [TEXTS[4], TEXTS[5][:half]],
        [TEXTS[5][half:], TEXTS[6]],
        [TEXTS[7] + TEXTS[8], STOP, USAGE],
        [DONE],
    )
    steps: list[Step] = [head(*SSE_LINES, CHUNKED)]
    for group in groups:
        steps += [0.05, b"".join(map(framed, group))]
    with scripted(tmp_path, {"m": [(*steps, LAST_CHUNK)]}, entrance) as gateway:
        options = {"stream_options": {"include_usage": True}} if asks else {}
        given = answer(gateway.url, CHAT, {**INPUTS[CHAT], "model": "m", "stream": True, **options})
        counted = ask(gateway.url, "/metrics").body.decode()
    assert not given.is_cut
    assert given.body == b"".join([ROLE, *TEXTS, STOP, USAGE if asks else b"", DONE])
    assert 'benchroute_tokens_total{direction="output",model="m"} 6.0' in counted
