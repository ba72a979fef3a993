"""Operations of every chat model of LangChain's."""

from collections.abc import Callable
from typing import Any

from qa.conformance.drivers.harness import Operation, Question
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, IMAGE_URL, TEXT, TOOL, Weather

TOOLS = [{"type": "function", "function": TOOL}]


def chat_operations(model: Callable[..., Any]) -> dict[str, Operation]:
    """Return the operations. model: makes the chat model from a question."""
    return {
        "chat": lambda question: _message(model(question).invoke(_said(question))),
        "stream": lambda question: [_text(piece) for piece in model(question).stream(_said(question))],
        "stream_usage": lambda question: _joined(model(question, stream_usage=True).stream(_said(question))),
        "tools": lambda question: _message(model(question).bind_tools(TOOLS).invoke(_said(question))),
        "tool_stream": lambda question: _joined(model(question).bind_tools(TOOLS).stream(_said(question))),
        "structured": lambda question: _structured(model(question), question),
        "image": lambda question: _message(model(question).invoke([_picture(question)])),
        "cancel": lambda question: _cancel(model(question), question),
    }


def _said(question: Question) -> str:
    return f"{TEXT} {question.mark}"


def _text(piece: Any) -> Any:
    return piece.content


def _message(got: Any) -> Any:
    return {"content": got.content, "tool_calls": got.tool_calls, "usage": got.usage_metadata}


def _joined(pieces: Any) -> Any:
    whole: Any = None
    for piece in pieces:
        whole = piece if whole is None else whole + piece
    return _message(whole)


def _structured(model: Any, question: Question) -> Any:
    return model.with_structured_output(Weather).invoke(_said(question)).model_dump()


def _picture(question: Question) -> Any:
    parts = [{"type": "text", "text": question.mark}, {"type": "image_url", "image_url": {"url": IMAGE_URL}}]
    return {"role": "user", "content": parts}


def _cancel(model: Any, question: Question) -> Any:
    stream = model.stream(_said(question))
    for count, _ in enumerate(stream, 1):
        if count == CHUNKS_BEFORE_LEAVING:
            stream.close()
            return count
    return "the stream ended"
