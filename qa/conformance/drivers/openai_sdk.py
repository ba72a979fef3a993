"""openai for Python, synchronous."""

from collections.abc import Callable
from typing import Any

import openai

from qa.conformance.drivers.harness import Operation, Question, run
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, IMAGE_URL, TEXT, TOOL, Weather

Connect = Callable[[Question], Any]
SEEN_HEADERS = (
    "openai-processing-ms",
    "openai-organization",
    "x-ratelimit-limit-requests",
    "x-provider-extra",
    "request-id",
    "content-type",
)
SEARCH = {"type": "function", "function": TOOL}


def connect(question: Question) -> Any:
    """Return a client for OpenAI's own paths."""
    return openai.OpenAI(
        base_url=question.base_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )


def operations(connect: Connect) -> dict[str, Operation]:
    """Return the operations of a client. connect: makes the client."""
    found = {
        "chat": _chat,
        "response_headers": _response_headers,
        "stream": _stream,
        "stream_usage": _stream_usage,
        "tools": _tools,
        "tool_stream": _tool_stream,
        "structured": _structured,
        "image": _image,
        "embeddings": _embeddings,
        "responses": _responses,
        "responses_stream": _responses_stream,
        "responses_tools": _responses_tools,
        "stored_response": _stored_response,
        "models": _models,
        "cancel": _cancel,
        "metadata": _metadata,
        "moderation": _moderation,
        "generate_image": _generate_image,
        "speech": _speech,
        "transcription": _transcription,
    }
    return {name: _with_client(connect, ask) for name, ask in found.items()}


def _with_client(connect: Connect, ask: Callable[[Any, Question], Any]) -> Operation:
    def operation(question: Question) -> Any:
        with connect(question) as client:
            return ask(client, question)

    return operation


def _said(question: Question) -> Any:
    return [{"role": "user", "content": f"{TEXT} {question.mark}"}]


def _dump(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_unset=True)


def _create(client: Any, question: Question, **more: Any) -> Any:
    return client.chat.completions.create(model=question.model, messages=_said(question), **more)


def _chat(client: Any, question: Question) -> Any:
    return _dump(_create(client, question, seed=7, logprobs=True))


def _response_headers(client: Any, question: Question) -> Any:
    raw = client.chat.completions.with_raw_response.create(model=question.model, messages=_said(question))
    return {name: raw.headers.get(name) for name in SEEN_HEADERS}


def _stream(client: Any, question: Question) -> Any:
    return [_dump(chunk) for chunk in _create(client, question, stream=True)]


def _stream_usage(client: Any, question: Question) -> Any:
    options = {"include_usage": True}
    return [_dump(chunk) for chunk in _create(client, question, stream=True, stream_options=options)]


def _tools(client: Any, question: Question) -> Any:
    first = _create(client, question, tools=[SEARCH])
    calls = first.choices[0].message.tool_calls
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"done {question.mark}"} for call in calls]
    turn = [*_said(question), first.choices[0].message, *results]
    second = client.chat.completions.create(model=question.model, messages=turn, tools=[SEARCH])
    return [_dump(first), _dump(second)]


def _tool_stream(client: Any, question: Question) -> Any:
    with client.chat.completions.stream(model=question.model, messages=_said(question), tools=[SEARCH]) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": _dump(stream.get_final_completion())}


def _structured(client: Any, question: Question) -> Any:
    got = client.chat.completions.parse(model=question.model, messages=_said(question), response_format=Weather)
    return _dump(got.choices[0].message.parsed)


def _image(client: Any, question: Question) -> Any:
    parts = [{"type": "text", "text": question.mark}, {"type": "image_url", "image_url": {"url": IMAGE_URL}}]
    got = client.chat.completions.create(model=question.model, messages=[{"role": "user", "content": parts}])
    return _dump(got)


def _embeddings(client: Any, question: Question) -> Any:
    return _dump(client.embeddings.create(model=question.model, input=[question.mark, "zwei"]))


def _responses(client: Any, question: Question) -> Any:
    got = client.responses.create(model=question.model, input=question.mark, metadata={"kept": "yes"})
    return {"text": got.output_text, "response": _dump(got)}


def _responses_stream(client: Any, question: Question) -> Any:
    return [_dump(event) for event in client.responses.create(model=question.model, input=question.mark, stream=True)]


def _responses_tools(client: Any, question: Question) -> Any:
    tool = {"type": "function", "strict": False, **TOOL}
    with client.responses.stream(model=question.model, input=question.mark, tools=[tool]) as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "final": _dump(stream.get_final_response())}


def _stored_response(client: Any, question: Question) -> Any:
    made = client.responses.create(model=question.model, input=question.mark)
    return _dump(client.responses.retrieve(made.id))


def _models(client: Any, question: Question) -> Any:
    names = {model.id for model in client.models.list()}
    return {"listed": question.model in names, "one": client.models.retrieve(question.model).id}


def _cancel(client: Any, question: Question) -> Any:
    stream = _create(client, question, stream=True)
    for count, _ in enumerate(stream, 1):
        if count == CHUNKS_BEFORE_LEAVING:
            stream.close()
            return count
    return "the stream ended"


def _metadata(client: Any, question: Question) -> Any:
    return _dump(_create(client, question, metadata={"task_id": question.mark, "kept": "yes"}))


def _moderation(client: Any, question: Question) -> Any:
    return _dump(client.moderations.create(model=question.model, input=question.mark))


def _generate_image(client: Any, question: Question) -> Any:
    return _dump(client.images.generate(model=question.model, prompt=question.mark))


def _speech(client: Any, question: Question) -> Any:
    got = client.audio.speech.create(model=question.model, input=question.mark, voice="alloy")
    return {"bytes": len(got.content), "start": got.content[:8].hex()}


def _transcription(client: Any, question: Question) -> Any:
    file = ("speech.mp3", bytes(range(256)) * 40)
    return _dump(client.audio.transcriptions.create(model=question.model, file=file, prompt=question.mark))


if __name__ == "__main__":
    run(operations(connect))
