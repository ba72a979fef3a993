"""instructor: structured output by tools and by JSON Schema, whole and streamed."""

from collections.abc import Iterable
from typing import Any

import instructor
import openai

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.material import TEXT, Weather


def _client(question: Question, mode: Any) -> Any:
    client = openai.OpenAI(
        base_url=question.base_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )
    return instructor.from_openai(client, mode=mode)


def _options(question: Question) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"{TEXT} {question.mark}"}]
    return {"model": question.model, "messages": messages, "max_retries": 0}


def _created(question: Question, mode: Any) -> Any:
    asking = _client(question, mode).chat.completions
    return asking.create(response_model=Weather, **_options(question)).model_dump()


def _tool_stream(question: Question) -> Any:
    asking = _client(question, instructor.Mode.TOOLS).chat.completions
    return [piece.model_dump() for piece in asking.create_partial(response_model=Weather, **_options(question))]


def _several(question: Question) -> Any:
    asking = _client(question, instructor.Mode.PARALLEL_TOOLS).chat.completions
    return [one.model_dump() for one in asking.create(response_model=Iterable[Weather], **_options(question))]


if __name__ == "__main__":
    run(
        {
            "tools": lambda question: _created(question, instructor.Mode.TOOLS),
            "structured": lambda question: _created(question, instructor.Mode.JSON_SCHEMA),
            "chat": _several,
            "tool_stream": _tool_stream,
        }
    )
