"""openai for Python (https://github.com/openai/openai-python)."""

import asyncio
import json
import time
from importlib.metadata import version
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from benchmarks.conforming.checks import holds, raises, same
from benchmarks.conforming.target import KEY, Target
from benchmarks.conforming.upstream import ARGUMENTS, PIECES

NAME = f"openai for Python {version('openai')}"
TEXT = "".join(PIECES)
NO_LIST: Any = "x"
ASK: list[Any] = [{"role": "user", "content": "hi"}]
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "codes": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {"place": PLACE}},
    },
}


def client(target: Target, key: str = KEY) -> OpenAI:
    """As its users make one."""
    return OpenAI(base_url=target.url, api_key=key, max_retries=0, timeout=20)


def answer(target: Target) -> None:
    """chat completion, routed by header, unknown fields kept both ways"""
    made = client(target).chat.completions.create(
        model="auto",
        messages=ASK,
        n=2,
        seed=7,
        logprobs=True,
        temperature=0.1,
        metadata={"team": "x"},
        extra_headers={"X-Task-Id": "t"},
        extra_body={"vendor": {"a": [1.0, None]}},
    )
    same([choice.message.content for choice in made.choices], [TEXT, TEXT])
    same(made.choices[0].logprobs is not None, True)
    unknown: Any = made.to_dict()["unknown_field"]
    same(unknown["kept"][0], 1.0)
    sent = target.seen.last()
    same((sent["vendor"], sent["metadata"], sent["seed"]), ({"a": [1.0, None]}, {"team": "x"}, 7))


def raw(target: Target) -> str:
    """raw response with the decision headers"""
    made = client(target).chat.completions.with_raw_response.create(model="task/raw", messages=ASK)
    same((made.headers["x-benchroute-task"], made.headers["x-benchroute-model"]), ("raw", "chat"))
    holds(bool(made.request_id), "no request id")
    same(made.parse().choices[0].message.content, TEXT)
    return f"overhead {made.headers['x-benchroute-overhead-ms']} ms"


def stream(target: Target) -> None:
    """stream, and no usage unless asked"""
    chunks = list(client(target).chat.completions.create(model="chat", messages=ASK, stream=True))
    same("".join(chunk.choices[0].delta.content or "" for chunk in chunks), TEXT)
    same([chunk.usage for chunk in chunks if chunk.usage], [])


def stream_usage(target: Target) -> None:
    """stream with usage"""
    chunks = list(
        client(target).chat.completions.create(
            model="chat", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )
    last = chunks[-1]
    same((last.choices, last.usage and last.usage.total_tokens), ([], 10))


def tools(target: Target) -> None:
    """tools with nested schemas"""
    made = client(target).chat.completions.create(
        model="auto",
        messages=ASK,
        tools=[TOOL],
        extra_headers={"X-Task-Id": "tools"},
    )
    calls = made.choices[0].message.tool_calls or []
    called: Any = calls[0].to_dict()["function"]
    same(called["arguments"], ARGUMENTS)
    same(target.seen.last()["tools"], [TOOL])


def stream_tools(target: Target) -> None:
    """streamed tool-call deltas, put together by the client"""
    with client(target).chat.completions.stream(model="tools", messages=ASK, tools=[TOOL]) as events:
        for _ in events:
            pass
        message = events.get_final_completion().choices[0].message
    same((message.tool_calls or [])[0].function.arguments, ARGUMENTS)


class City(BaseModel):
    """What the model is to answer."""

    city: str
    people: int


def structured(target: Target) -> None:
    """structured output, parsed into a model"""
    made = client(target).chat.completions.parse(model="task/json", messages=ASK, response_format=City)
    same(made.choices[0].message.parsed, City(city="Zürich", people=443000))


def content_parts(target: Target) -> None:
    """list content, images and audio forwarded as they are"""
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    messages: list[Any] = [{"role": "user", "content": parts}]
    client(target).chat.completions.create(model="chat", messages=messages)
    same(target.seen.last()["messages"], messages)


def responses(target: Target) -> None:
    """responses, whole and streamed"""
    made = client(target).responses.create(model="auto", input="hi")
    same(made.output_text, TEXT)
    events = list(client(target).responses.create(model="auto", input="hi", stream=True))
    same([event.type for event in events][-1], "response.completed")


def completions(target: Target) -> None:
    """completions, whole and streamed"""
    same(client(target).completions.create(model="chat", prompt="hi").choices[0].text, TEXT)
    pieces = [
        chunk.choices[0].text for chunk in client(target).completions.create(model="chat", prompt="hi", stream=True)
    ]
    same("".join(pieces), TEXT)


def embeddings(target: Target) -> None:
    """embeddings of several inputs"""
    made = client(target).embeddings.create(model="chat", input=["a", "b"], encoding_format="float")
    same([one.embedding for one in made.data], [[0.25, -0.5]] * 2)


def models(target: Target) -> None:
    """the list of models, and one of them"""
    names = [model.id for model in client(target).models.list()]
    holds({"auto", "chat", "tools"} <= set(names), f"models: {names}")


def errors(target: Target) -> str:
    """errors become the client's own classes"""
    ask = client(target).chat.completions.create
    found = [
        raises(openai.NotFoundError, lambda: ask(model="no-such-model", messages=ASK)),
        raises(openai.BadRequestError, lambda: ask(model="auto", messages=NO_LIST)),
        raises(openai.BadRequestError, lambda: ask(model="e400", messages=ASK)),
        raises(openai.RateLimitError, lambda: ask(model="e429", messages=ASK)),
        raises(openai.InternalServerError, lambda: ask(model="e500", messages=ASK)),
        raises(openai.AuthenticationError, lambda: client(target, "sk-wrong").models.list()),
    ]
    codes = [getattr(error, "code", None) for error in found]
    same(codes, ["model_not_found", None, "c400", "upstream_busy", "upstream_failed", "invalid_api_key"])
    return ", ".join(type(error).__name__ for error in found)


def asynchronous(target: Target) -> None:
    """the async client: twenty streams at once"""

    async def one(ask: AsyncOpenAI) -> str:
        chunks = await ask.chat.completions.create(model="chat", messages=ASK, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def all_() -> list[str]:
        async with AsyncOpenAI(base_url=target.url, api_key=KEY, max_retries=0) as ask:
            return await asyncio.gather(*(one(ask) for _ in range(20)))

    same(asyncio.run(all_()), [TEXT] * 20)


def leaves(target: Target) -> str:
    """a client that leaves in the middle: the backend's stream is cancelled"""
    before, begun = target.seen.left, time.monotonic()
    with client(target).chat.completions.create(model="endless", messages=ASK, stream=True) as chunks:
        next(iter(chunks))
        begun = time.monotonic()
    while target.seen.left == before and time.monotonic() - begun < 5:
        time.sleep(0.002)
    same(target.seen.left, before + 1)
    return f"after {1000 * (time.monotonic() - begun):.0f} ms"


def bytes_kept(target: Target) -> None:
    """what the client wrote reaches the backend to the byte, but for the model and the tag"""
    messages = b'[{"role":"user","content":"\\u00e9 \\ud83d"}]'
    body = b'{"model":"chat", "messages":%b,"x":1.0,"y":123456789012345678901234567890,"z":null}' % messages
    http = client(target)._client
    http.post(
        f"{target.url}/chat/completions", content=body, headers={"authorization": f"Bearer {KEY}"}
    ).raise_for_status()
    sent = target.seen.requests[-1][2]
    holds(b'"content":"\\u00e9 \\ud83d"' in sent and b'"x":1.0' in sent, repr(sent))
    holds(b"123456789012345678901234567890" in sent and b'"z":null' in sent, repr(sent))
    holds(json.loads(sent)["model"] == "chat", repr(sent))


CHECKS = (
    answer,
    raw,
    stream,
    stream_usage,
    tools,
    stream_tools,
    structured,
    content_parts,
    responses,
    completions,
    embeddings,
    models,
    errors,
    asynchronous,
    leaves,
    bytes_kept,
)
