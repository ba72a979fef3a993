"""openai for Python, the asynchronous client: concurrent streams, abandoned streams."""

import asyncio
import time
from typing import Any

import openai

from qa.conformance.checks import Check, Mismatch, expect_equal
from qa.conformance.clients.material import MODEL, chat_messages, sent_json, sent_text
from qa.conformance.servers import Exchange, Target

SUITE = "openai-python async"
AT_ONCE = 20
LEAVE_AFTER = 3
CUT_WITHIN_S = 5.0


def _client(target: Target) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=target.base_url, api_key=target.key, max_retries=0, timeout=20)


def _chat(target: Target) -> str:
    async def ask(mark: str) -> Any:
        async with _client(target) as asking:
            return await asking.chat.completions.create(model=MODEL, messages=chat_messages(mark))

    mark = "async-chat"
    got = asyncio.run(ask(mark))
    expect_equal(got.model_dump(mode="json", exclude_unset=True), sent_json(target, mark), "the completion")
    return repr(got.choices[0].message.content)


def _streams(target: Target) -> str:
    """Concurrent streams of one client: none gets another's events."""
    texts = asyncio.run(_many(target))
    expected = [sent_text(f"async-stream-{place:02}") for place in range(AT_ONCE)]
    expect_equal(texts, expected, "the texts")
    return f"{AT_ONCE} streams, each its own text"


async def _many(target: Target) -> list[str]:
    async with _client(target) as asking:

        async def one(place: int) -> str:
            messages = chat_messages(f"async-stream-{place:02}")
            stream = await asking.chat.completions.create(model=MODEL, messages=messages, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        return await asyncio.gather(*(one(place) for place in range(AT_ONCE)))


def _left(target: Target) -> str:
    """A client that abandons its stream: the gateway cancels the upstream request."""
    mark = "async-left"
    asyncio.run(_leave(target, mark))
    sent_then = _settled(target, mark)
    return f"left after {LEAVE_AFTER} chunks; the upstream was stopped after {len(sent_then.sent)} bytes"


async def _leave(target: Target, mark: str) -> None:
    async with _client(target) as asking:
        stream = await asking.chat.completions.create(model="endless", messages=chat_messages(mark), stream=True)
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == LEAVE_AFTER:
                break
        await stream.close()


def _settled(target: Target, mark: str) -> Exchange:
    """Return the exchange once the gateway has cancelled it."""
    deadline = time.monotonic() + CUT_WITHIN_S
    while time.monotonic() < deadline:
        (exchange,) = target.exchanges(mark)
        if exchange.ending == "left":
            return exchange
        time.sleep(0.1)
    raise Mismatch(f"{CUT_WITHIN_S:g} s after its client left, the upstream is still sending")


def _timeout(target: Target) -> str:
    async def ask(mark: str) -> str:
        async with _client(target) as asking:
            try:
                await asking.with_options(timeout=0.2).chat.completions.create(
                    model="slow", messages=chat_messages(mark)
                )
            except openai.APITimeoutError as error:
                return type(error).__name__
        return "an answer"

    expect_equal(asyncio.run(ask("async-timeout")), "APITimeoutError", "the exception")
    return "APITimeoutError; the gateway is well"


CHECKS = (
    Check(SUITE, "chat", "AsyncOpenAI().chat.completions.create", "every member as sent", _chat),
    Check(SUITE, "streams at once", f"{AT_ONCE} streams through one client", "each its own text", _streams),
    Check(
        SUITE, "leaving a stream", "stream.close() after 3 chunks of an endless one", "the upstream is stopped", _left
    ),
    Check(SUITE, "timeout", "timeout=0.2 against a slow model", "APITimeoutError", _timeout),
)
