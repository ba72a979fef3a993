"""anthropic for Python."""

from collections.abc import Callable
from typing import Any

import anthropic

from qa.conformance.drivers.harness import Operation, Question, run
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, PARAMETERS, PIXEL, TEXT, Weather

TOOLS = [{"name": "place_order", "description": "Orders articles.", "input_schema": PARAMETERS}]
SEEN_HEADERS = ("anthropic-ratelimit-requests-remaining", "request-id", "x-provider-extra", "content-type")


def _with_client(ask: Callable[[Any, Question], Any]) -> Operation:
    def operation(question: Question) -> Any:
        client = anthropic.Anthropic(
            base_url=question.root_url,
            api_key=question.key,
            max_retries=question.retries,
            timeout=15,
            default_headers=question.headers,
        )
        with client:
            return ask(client, question)

    return operation


def _options(question: Question, content: Any = None, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content or f"{TEXT} {question.mark}"}]
    return {"model": question.model, "max_tokens": 100, "messages": messages, **more}


def _dump(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_unset=True)


def _chat(client: Any, question: Question) -> Any:
    got = client.messages.create(**_options(question, system="Be brief."))
    return {"message": _dump(got)}


def _response_headers(client: Any, question: Question) -> Any:
    raw = client.messages.with_raw_response.create(**_options(question))
    return {name: raw.headers.get(name) for name in SEEN_HEADERS}


def _stream(client: Any, question: Question) -> Any:
    return [_dump(event) for event in client.messages.create(**_options(question, stream=True))]


def _tools(client: Any, question: Question) -> Any:
    first = client.messages.create(**_options(question, tools=TOOLS))
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": question.mark} for call in first.content]
    options = _options(question, tools=TOOLS)
    options["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    return [_dump(first), _dump(client.messages.create(**options))]


def _tool_stream(client: Any, question: Question) -> Any:
    with client.messages.stream(**_options(question, tools=TOOLS)) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": _dump(stream.get_final_message())}


def _structured(client: Any, question: Question) -> Any:
    got = client.messages.parse(**_options(question), output_format=Weather)
    return _dump(got.parsed_output)


def _image(client: Any, question: Question) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "text", "text": question.mark}, {"type": "image", "source": source}]
    return _dump(client.messages.create(**_options(question, parts)))


def _count_tokens(client: Any, question: Question) -> Any:
    messages = _options(question)["messages"]
    return _dump(client.messages.count_tokens(model=question.model, messages=messages))


def _models(client: Any, question: Question) -> Any:
    return {"listed": question.model in {model.id for model in client.models.list()}}


def _cancel(client: Any, question: Question) -> Any:
    stream = client.messages.create(**_options(question, stream=True))
    for count, _ in enumerate(stream, 1):
        if count == CHUNKS_BEFORE_LEAVING:
            stream.close()
            return count
    return "the stream ended"


OPERATIONS = {
    "chat": _chat,
    "response_headers": _response_headers,
    "stream": _stream,
    "stream_usage": _stream,
    "tools": _tools,
    "tool_stream": _tool_stream,
    "structured": _structured,
    "image": _image,
    "count_tokens": _count_tokens,
    "models": _models,
    "cancel": _cancel,
}

if __name__ == "__main__":
    run({name: _with_client(ask) for name, ask in OPERATIONS.items()})
