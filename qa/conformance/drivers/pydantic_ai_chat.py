"""Operations of Pydantic AI's agents, over any of its models."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent, BinaryContent

from qa.conformance.drivers.harness import Operation, Question
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, TEXT, Weather

Model = Callable[[Question], Any]
PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


def agent_operations(model: Model) -> dict[str, Operation]:
    """Return the operations. model: makes the model from a question."""
    return {
        "chat": lambda question: _result(Agent(model(question), retries=0).run_sync(_said(question))),
        "stream": lambda question: asyncio.run(_stream(Agent(model(question), retries=0), question)),
        "tools": lambda question: _result(_with_tool(model(question)).run_sync(_said(question))),
        "tool_stream": lambda question: asyncio.run(_stream(_with_tool(model(question)), question)),
        "structured": lambda question: _structured(model(question), question),
        "image": lambda question: _image(model(question), question),
        "cancel": lambda question: asyncio.run(_cancel(Agent(model(question), retries=0), question)),
    }


def _said(question: Question) -> str:
    return f"{TEXT} {question.mark}"


def _result(got: Any) -> Any:
    usage = got.usage() if callable(got.usage) else got.usage
    return {"output": got.output, "tokens": [usage.input_tokens, usage.output_tokens, usage.requests]}


def _with_tool(model: Any) -> Any:
    return Agent(model, retries=0, tools=[place_order])


def place_order(article: str, pieces: int) -> str:
    """Order articles."""
    return f"{pieces} {article}"


async def _stream(agent: Any, question: Question) -> Any:
    async with agent.run_stream(_said(question)) as stream:
        return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]


def _structured(model: Any, question: Question) -> Any:
    got = Agent(model, output_type=Weather, retries=0).run_sync(_said(question))
    return got.output.model_dump()


def _image(model: Any, question: Question) -> Any:
    parts = [question.mark, BinaryContent(data=PICTURE, media_type="image/png")]
    return _result(Agent(model, retries=0).run_sync(parts))


async def _cancel(agent: Any, question: Question) -> Any:
    count = 0
    async with agent.run_stream(_said(question)) as stream:
        async for _ in stream.stream_text(delta=True, debounce_by=None):
            count += 1
            if count == CHUNKS_BEFORE_LEAVING:
                break
    return count
