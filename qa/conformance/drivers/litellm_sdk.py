"""litellm's SDK: OpenAI's API with api_base."""

import os
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no download of its price list

import litellm

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, IMAGE_URL, TEXT, TOOL

litellm.suppress_debug_info = True


def _options(question: Question, content: Any = None) -> dict[str, Any]:
    return {
        "model": f"openai/{question.model}",
        "api_base": question.base_url,
        "api_key": question.key,
        "messages": [{"role": "user", "content": content or f"{TEXT} {question.mark}"}],
        "max_retries": question.retries,
        "timeout": 15,
        "extra_headers": question.headers,
    }


def _choices(value: Any) -> Any:
    return value.model_dump(mode="json")["choices"]  # litellm makes IDs and times of its own


def _chat(question: Question) -> Any:
    got = litellm.completion(**_options(question))
    return {"choices": _choices(got), "total": got.usage.total_tokens}


def _stream(question: Question) -> Any:
    return [_choices(chunk) for chunk in litellm.completion(**_options(question), stream=True)]


def _stream_usage(question: Question) -> Any:
    chunks = list(litellm.completion(**_options(question), stream=True, stream_options={"include_usage": True}))
    return [chunks[-1].usage.total_tokens, len(chunks)]


def _tools(question: Question) -> Any:
    return _choices(litellm.completion(**_options(question), tools=[{"type": "function", "function": TOOL}]))


def _tool_stream(question: Question) -> Any:
    tools = [{"type": "function", "function": TOOL}]
    chunks = list(litellm.completion(**_options(question), tools=tools, stream=True))
    return _choices(litellm.stream_chunk_builder(chunks))


def _image(question: Question) -> Any:
    parts = [{"type": "text", "text": question.mark}, {"type": "image_url", "image_url": {"url": IMAGE_URL}}]
    return _choices(litellm.completion(**_options(question, parts)))


def _embeddings(question: Question) -> Any:
    options = {name: value for name, value in _options(question).items() if name != "messages"}
    return [one["embedding"] for one in litellm.embedding(**options, input=[question.mark, "zwei"]).data]


def _cancel(question: Question) -> Any:
    stream = litellm.completion(**_options(question), stream=True)
    for count, _ in enumerate(stream, 1):
        if count == CHUNKS_BEFORE_LEAVING:
            stream.completion_stream.close()
            return count
    return "the stream ended"


if __name__ == "__main__":
    run(
        {
            "chat": _chat,
            "stream": _stream,
            "stream_usage": _stream_usage,
            "tools": _tools,
            "tool_stream": _tool_stream,
            "image": _image,
            "embeddings": _embeddings,
            "cancel": _cancel,
        }
    )
