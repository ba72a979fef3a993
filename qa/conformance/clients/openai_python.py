"""openai for Python: the client gets what the upstream sent."""

import json
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

from qa.conformance.checks import Check, expect_equal, expect_true
from qa.conformance.clients.material import MODEL, TOOLS, chat_messages, sent_json, sent_text
from qa.conformance.servers import Target
from qa.conformance.upstream.answers import embed_text

SUITE = "openai-python"


class Line(BaseModel):
    """A line of an order."""

    article: str
    pieces: int


class Order(BaseModel):
    """A schema for structured output: nested, with a list."""

    customer: str
    lines: list[Line]
    is_urgent: bool


def client(target: Target, **options: Any) -> openai.OpenAI:
    """Return a client without retries, so that every request is seen once."""
    return openai.OpenAI(base_url=target.base_url, api_key=target.key, max_retries=0, timeout=20, **options)


def _chat(target: Target) -> str:
    mark = "openai-sync"
    with client(target) as asking:
        got = asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), n=2, logprobs=True, seed=7)
    expect_equal(got.model_dump(mode="json", exclude_unset=True), sent_json(target, mark), "the completion")
    expect_equal(target.exchanges(mark)[0].body["seed"], 7, "what the upstream was sent")
    return f"{got.choices[0].message.content!r}, {len(got.choices)} choices, logprobs, usage {got.usage is not None}"


def _routed(target: Target) -> str:
    mark = "openai-routed"
    with client(target) as asking:
        got = asking.chat.completions.with_raw_response.create(
            model="auto", messages=chat_messages(mark), metadata={"task_id": "conformance", "kept": "yes"}
        )
    expect_equal(got.headers["x-benchroute-task"], "conformance", "x-benchroute-task")
    expect_equal(got.headers["x-benchroute-model"], got.parse().model, "model")
    exchange = target.exchanges(mark)[0]
    expect_equal(exchange.body["metadata"], {"kept": "yes"}, "metadata that the upstream was sent")
    expect_equal(exchange.headers["authorization"], "Bearer sk-upstream", "the upstream's key")
    return f"task conformance, model {got.parse().model}; the tag was taken out"


def _raw(target: Target) -> str:
    mark = "openai-raw"
    with client(target) as asking:
        got = asking.chat.completions.with_raw_response.create(model=MODEL, messages=chat_messages(mark))
    expect_equal(got.content, target.exchanges(mark)[0].sent, "the body")
    expected = ("x-request-id", "openai-processing-ms", "x-ratelimit-limit-requests", "x-benchroute-model")
    missing = [name for name in expected if name not in got.headers]
    expect_true(not missing, f"headers are missing: {missing}")
    expect_equal(got.request_id, got.headers["x-request-id"], "request_id")
    return f"{len(got.content)} bytes as sent; {', '.join(expected)}"


def _stream(target: Target) -> str:
    mark = "openai-stream"
    with client(target) as asking:
        chunks = list(asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), stream=True, n=2))
    _as_sent(target, mark, chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices[0].index == 0)
    expect_equal(text, sent_text(mark), "the text")
    return f"{len(chunks)} chunks as sent, {text!r}"


def _stream_usage(target: Target) -> str:
    mark = "openai-usage"
    asked = {"include_usage": True}
    with client(target) as asking:
        chunks = list(
            asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), stream=True, stream_options=asked)  # type: ignore[call-overload]  # its TypedDict, as users write it
        )
    _as_sent(target, mark, chunks)
    expect_equal(chunks[-1].choices, [], "the last chunk's choices")
    expect_true(chunks[-1].usage is not None, "the last chunk tells no usage")
    return f"{len(chunks)} chunks as sent, the last one tells {chunks[-1].usage.total_tokens} tokens"


def _no_usage(target: Target) -> str:
    """The gateway asks for usage for its accounting; a client that did not ask must not see it."""
    mark = "openai-nousage"
    with client(target) as asking:
        chunks = list(asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), stream=True))
    expect_true(all(chunk.choices for chunk in chunks), "a chunk without choices")
    expect_true(all(chunk.usage is None for chunk in chunks), "usage in a stream that did not ask for it")
    return f"{len(chunks)} chunks, none tells usage"


def _stream_helper(target: Target) -> str:
    mark = "openai-helper"
    with client(target) as asking, asking.chat.completions.stream(model=MODEL, messages=chat_messages(mark)) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    expect_equal(final.choices[0].message.content, sent_text(mark), "the text")
    expect_true({"chunk", "content.delta", "content.done"} <= kinds, f"events: {sorted(kinds)}")
    return f"events {', '.join(sorted(kinds))}"


def _tools(target: Target) -> str:
    mark = "openai-tools"
    with client(target) as asking:
        got = asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), tools=TOOLS)
        calls = got.choices[0].message.tool_calls or []
        expect_true(all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in calls), f"calls: {calls}")
        answers = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls]
        turn: Any = [*chat_messages(mark), got.choices[0].message, *answers]
        again = asking.chat.completions.create(model=MODEL, messages=turn, tools=TOOLS)
    expect_equal(got.model_dump(mode="json", exclude_unset=True), sent_json(target, mark), "the completion")
    expect_equal(target.exchanges(mark)[0].body["tools"], TOOLS, "the tools that the upstream was sent")
    expect_equal(again.choices[0].message.content, "you said: done", "the second turn")
    return f"{len(calls)} calls with nested arguments, then an answer to their results"


def _tool_stream(target: Target) -> str:
    mark = "openai-tooldelta"
    with client(target) as asking:
        chunks = list(
            asking.chat.completions.create(model=MODEL, messages=chat_messages(mark), tools=TOOLS, stream=True)
        )
    _as_sent(target, mark, chunks)
    arguments: dict[int, str] = {}
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or ():
            piece = call.function.arguments if call.function else ""
            arguments[call.index] = arguments.get(call.index, "") + (piece or "")
    found = {place: sorted(json.loads(text)) for place, text in arguments.items()}
    expect_equal(
        found, {place: sorted(t["function"]["parameters"]["properties"]) for place, t in enumerate(TOOLS)}, "members"
    )
    return f"{len(chunks)} chunks as sent, {len(arguments)} calls put together"


def _structured(target: Target) -> str:
    mark = "openai-parse"
    with client(target) as asking:
        got = asking.chat.completions.parse(model=MODEL, messages=chat_messages(mark), response_format=Order)
    order = got.choices[0].message.parsed
    expect_true(isinstance(order, Order) and len(order.lines) == 2, f"parsed: {order!r}")
    asked = target.exchanges(mark)[0].body["response_format"]
    expect_true(asked["json_schema"]["strict"] is True, "the schema reached the upstream altered")
    return f"{order!r}"


def _responses(target: Target) -> str:
    mark = "openai-responses"
    with client(target) as asking:
        got = asking.responses.create(model=MODEL, input=f"hello {mark}")
    expect_equal(got.output_text, f"you said: hello {mark}", "output_text")
    expect_equal(got.model_dump(mode="json", exclude_unset=True), sent_json(target, mark), "the response")
    return f"{got.output_text!r}, status {got.status}"


def _responses_stream(target: Target) -> str:
    mark = "openai-respstream"
    with client(target) as asking:
        events = list(asking.responses.create(model=MODEL, input=f"hello {mark}", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    expect_equal(text, f"you said: hello {mark}", "the text")
    expect_equal(events[-1].type, "response.completed", "the last event")
    return f"{len(events)} events up to {events[-1].type}"


def _embeddings(target: Target) -> str:
    mark = "openai-embeddings"
    texts = [mark, "zwei", "drei 😀"]
    with client(target) as asking:
        coded = asking.embeddings.create(model=MODEL, input=texts)
        plain = asking.embeddings.create(model=MODEL, input=texts, encoding_format="float")
    for got in (coded, plain):
        expect_equal([one.embedding for one in got.data], [embed_text(text) for text in texts], "the vectors")
    formats = [exchange.body.get("encoding_format") for exchange in target.exchanges(mark)]
    return f"3 vectors, asked for as {' and '.join(map(str, formats))}"


def _completions(target: Target) -> str:
    mark = "openai-completions"
    with client(target) as asking:
        got = asking.completions.create(model=MODEL, prompt=mark)
        streamed = "".join(
            chunk.choices[0].text for chunk in asking.completions.create(model=MODEL, prompt=mark, stream=True)
        )
    expect_equal(got.model_dump(mode="json", exclude_unset=True), sent_json(target, mark), "the completion")
    expect_equal(streamed, got.choices[0].text, "the streamed text")
    return f"{streamed!r}, streamed and whole"


def _models(target: Target) -> str:
    with client(target) as asking:
        names = [model.id for model in asking.models.list()]
        one = asking.models.retrieve(MODEL)
    expect_true({"auto", MODEL} <= set(names), f"models: {names}")
    expect_equal(one.id, MODEL, "one model")
    return f"{len(names)} models, `auto` among them"


def _as_sent(target: Target, mark: str, chunks: list[ChatCompletionChunk]) -> None:
    """Compare the chunks one by one with the upstream's events, without the usage that only the gateway asked for."""
    exchange = target.exchanges(mark)[0]
    events = [json.loads(line[6:]) for line in exchange.sent.decode().split("\n\n") if line.startswith("data: {")]
    chunks_seen = [chunk.model_dump(mode="json", exclude_unset=True) for chunk in chunks]
    if chunks_seen and chunks_seen[-1]["choices"]:
        events = [{name: event[name] for name in event if name != "usage"} for event in events if event["choices"]]
    expect_equal(chunks_seen, events, "the chunks")


def _check(name: str, sent: str, expected: str, run: Any) -> Check:
    return Check(SUITE, name, sent, expected, run)


CHECKS = (
    _check("chat", "chat.completions.create(n=2, logprobs, seed)", "every member as the upstream sent it", _chat),
    _check("routed", "create(model='auto', metadata.task_id)", "decision headers; the tag is not forwarded", _routed),
    _check("raw response", "chat.completions.with_raw_response.create", "the body byte for byte; headers", _raw),
    _check("stream", "create(stream=True, n=2)", "every chunk as sent", _stream),
    _check("stream with usage", "create(stream_options.include_usage)", "the usage chunk comes last", _stream_usage),
    _check("stream without usage", "create(stream=True)", "no usage chunk, whatever the gateway asked for", _no_usage),
    _check("stream helper", "chat.completions.stream", "the client's own events, the final completion", _stream_helper),
    _check("tools", "create(tools=nested schemas), then the tools' results", "calls as sent; a second turn", _tools),
    _check(
        "streamed tool calls", "create(tools, stream=True)", "every delta as sent; arguments are JSON", _tool_stream
    ),
    _check("structured output", "chat.completions.parse(response_format=Order)", "an Order", _structured),
    _check("responses", "responses.create", "output_text, every member", _responses),
    _check("responses, streamed", "responses.create(stream=True)", "events up to completed", _responses_stream),
    _check("embeddings", "embeddings.create, base64 and float", "the same vectors", _embeddings),
    _check("completions", "completions.create, whole and streamed", "the same text", _completions),
    _check("models", "models.list, models.retrieve", "the configured models and auto", _models),
)
