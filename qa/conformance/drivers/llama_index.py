"""LlamaIndex: OpenAILike and OpenAILikeEmbedding."""

import json
from typing import Any

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.material import CHUNKS_BEFORE_LEAVING, IMAGE_URL, TEXT, Weather


def _model(question: Question, **more: Any) -> Any:
    return OpenAILike(
        model=question.model,
        api_base=question.base_url,
        api_key=question.key,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
        **more,
    )


def _said(question: Question) -> Any:
    return [ChatMessage(role="user", content=f"{TEXT} {question.mark}")]


def place_order(article: str, pieces: int) -> str:
    """Order articles."""
    return f"{pieces} {article}"


TOOL = FunctionTool.from_defaults(place_order)


def _message(got: Any) -> Any:
    return json.loads(got.message.model_dump_json())


def _chat(question: Question) -> Any:
    return _message(_model(question).chat(_said(question)))


def _stream(question: Question) -> Any:
    return [piece.delta for piece in _model(question).stream_chat(_said(question))]


def _stream_usage(question: Question) -> Any:
    options = {"stream_options": {"include_usage": True}}
    pieces = list(_model(question, additional_kwargs=options).stream_chat(_said(question)))
    return [str(getattr(piece.raw, "usage", None)) for piece in pieces]


def _tools(question: Question) -> Any:
    got = _model(question).chat_with_tools([TOOL], user_msg=_said(question)[0])
    return [call.tool_kwargs for call in _model(question).get_tool_calls_from_response(got)]


def _tool_stream(question: Question) -> Any:
    pieces = list(_model(question).stream_chat_with_tools([TOOL], user_msg=_said(question)[0]))
    return [call.tool_kwargs for call in _model(question).get_tool_calls_from_response(pieces[-1])]


def _structured(question: Question) -> Any:
    return json.loads(_model(question).as_structured_llm(Weather).chat(_said(question)).raw.model_dump_json())


def _image(question: Question) -> Any:
    blocks = [TextBlock(text=question.mark), ImageBlock(url=IMAGE_URL)]
    return _message(_model(question).chat([ChatMessage(role="user", blocks=blocks)]))


def _embeddings(question: Question) -> Any:
    asking = OpenAILikeEmbedding(
        model_name=question.model, api_base=question.base_url, api_key=question.key, default_headers=question.headers
    )
    return asking.get_text_embedding_batch([question.mark, "zwei"])


def _cancel(question: Question) -> Any:
    stream = _model(question).stream_chat(_said(question))
    for count, _ in enumerate(stream, 1):
        if count == CHUNKS_BEFORE_LEAVING:
            stream.close()
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
            "structured": _structured,
            "image": _image,
            "embeddings": _embeddings,
            "cancel": _cancel,
        }
    )
