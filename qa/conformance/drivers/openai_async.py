"""openai for Python, asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai

from qa.conformance.drivers.harness import Operation, Question, run
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, TEXT


def _asked(ask: Callable[[Any, Question], Awaitable[Any]]) -> Operation:
    async def with_client(question: Question) -> Any:
        client = openai.AsyncOpenAI(
            base_url=question.base_url,
            api_key=question.key,
            max_retries=question.retries,
            timeout=15,
            default_headers=question.headers,
        )
        async with client:
            return await ask(client, question)

    return lambda question: asyncio.run(with_client(question))


async def _create(client: Any, question: Question, **more: Any) -> Any:
    messages = [{"role": "user", "content": f"{TEXT} {question.mark}"}]
    return await client.chat.completions.create(model=question.model, messages=messages, **more)


def _dump(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_unset=True)


async def _chat(client: Any, question: Question) -> Any:
    return _dump(await _create(client, question))


async def _stream(client: Any, question: Question) -> Any:
    return [_dump(chunk) async for chunk in await _create(client, question, stream=True)]


async def _responses_stream(client: Any, question: Question) -> Any:
    stream = await client.responses.create(model=question.model, input=question.mark, stream=True)
    return [_dump(event) async for event in stream]


async def _cancel(client: Any, question: Question) -> Any:
    stream = await _create(client, question, stream=True)
    count = 0
    async for _ in stream:
        count += 1
        if count == CHUNKS_BEFORE_LEAVING:
            await stream.close()
            break
    return count


async def _embeddings(client: Any, question: Question) -> Any:
    return _dump(await client.embeddings.create(model=question.model, input=[question.mark, "zwei"]))


if __name__ == "__main__":
    run(
        {
            "chat": _asked(_chat),
            "stream": _asked(_stream),
            "responses_stream": _asked(_responses_stream),
            "cancel": _asked(_cancel),
            "embeddings": _asked(_embeddings),
        }
    )
