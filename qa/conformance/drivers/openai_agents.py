"""OpenAI's Agents SDK, over Responses and over chat completions."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)

from qa.conformance.drivers.harness import Operation, Question, run
from qa.conformance.drivers.material import IMAGE_URL, TEXT, Weather

set_tracing_disabled(True)


def place_order(article: str, pieces: int) -> str:
    """Order articles."""
    return f"{pieces} {article}"


ORDER = function_tool(place_order)


def _agent(question: Question, kind: Any, **more: Any) -> Any:
    client = openai.AsyncOpenAI(
        base_url=question.base_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )
    settings = ModelSettings(include_usage=True)
    return Agent(name="conformance", model=kind(question.model, client), model_settings=settings, **more)


def _said(question: Question) -> str:
    return f"{TEXT} {question.mark}"


def _whole(agent: Any, given: Any) -> Any:
    got = Runner.run_sync(agent, given)
    usage = got.context_wrapper.usage
    return {"output": got.final_output, "tokens": [usage.requests, usage.input_tokens, usage.output_tokens]}


async def _events(agent: Any, given: Any) -> Any:
    stream = Runner.run_streamed(agent, given)
    kinds = [event.data.type async for event in stream.stream_events() if event.type == "raw_response_event"]
    return {"events": kinds, "output": stream.final_output}


def _picture(question: Question) -> Any:
    parts = [{"type": "input_text", "text": question.mark}, {"type": "input_image", "image_url": IMAGE_URL}]
    return [{"role": "user", "content": parts}]


def _over(kind: Any) -> dict[str, Callable[[Question], Any]]:
    return {
        "whole": lambda question: _whole(_agent(question, kind), _said(question)),
        "stream": lambda question: asyncio.run(_events(_agent(question, kind), _said(question))),
        "tools": lambda question: _whole(_agent(question, kind, tools=[ORDER]), _said(question)),
        "tool_stream": lambda question: asyncio.run(_events(_agent(question, kind, tools=[ORDER]), _said(question))),
        "structured": lambda question: _whole(_agent(question, kind, output_type=Weather), _said(question)),
        "image": lambda question: _whole(_agent(question, kind), _picture(question)),
    }


def _operations() -> dict[str, Operation]:
    chat, responses = _over(OpenAIChatCompletionsModel), _over(OpenAIResponsesModel)
    named = {"responses": "whole", "responses_stream": "stream", "responses_tools": "tool_stream"}
    return {**chat, "chat": chat["whole"], **{name: responses[of] for name, of in named.items()}}


if __name__ == "__main__":
    run(_operations())
