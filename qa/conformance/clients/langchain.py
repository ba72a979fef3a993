"""LangChain's ChatOpenAI (the extra `conformance`)."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from qa.conformance.checks import Check, NotRun, expect_equal, expect_true
from qa.conformance.clients.material import MODEL, TEXT, sent_text
from qa.conformance.servers import Target

SUITE = "langchain-openai"


class Weather(BaseModel):
    """The weather somewhere."""

    city: str = Field(description="where")
    degrees: int


def _model(target: Target, **options: Any) -> Any:
    """Return a ChatOpenAI. Raises NotRun where it is not installed."""
    try:
        from langchain_openai import ChatOpenAI
    except ImportError as error:
        raise NotRun(f"{error}; install the extra `conformance`") from error
    return ChatOpenAI(
        model=MODEL, base_url=target.base_url, api_key=SecretStr(target.key), max_retries=0, timeout=20, **options
    )


def _invoke(target: Target) -> str:
    mark = "langchain-invoke"
    got = _model(target).invoke(f"{TEXT} {mark}")
    expect_equal(got.content, sent_text(mark), "content")
    expect_true(got.usage_metadata["output_tokens"] == 11, f"usage: {got.usage_metadata}")
    return f"{got.content!r}, {got.usage_metadata['total_tokens']} tokens"


def _stream(target: Target) -> str:
    mark = "langchain-stream"
    pieces = [piece.content for piece in _model(target).stream(f"{TEXT} {mark}")]
    expect_equal("".join(pieces), sent_text(mark), "content")
    return f"{len(pieces)} pieces"


def _astream(target: Target) -> str:
    mark = "langchain-astream"

    async def ask() -> list[str]:
        return [piece.content async for piece in _model(target, stream_usage=True).astream(f"{TEXT} {mark}")]

    pieces = asyncio.run(ask())
    expect_equal("".join(pieces), sent_text(mark), "content")
    return f"{len(pieces)} pieces"


def _tools(target: Target) -> str:
    got = _model(target).bind_tools([Weather]).invoke("tools langchain")
    expect_equal([call["name"] for call in got.tool_calls], ["Weather"], "tool calls")
    expect_equal(sorted(got.tool_calls[0]["args"]), ["city", "degrees"], "arguments")
    return str(got.tool_calls[0]["args"])


def _tool_stream(target: Target) -> str:
    whole: Any = None
    for piece in _model(target).bind_tools([Weather]).stream("tools langchain, streamed"):
        whole = piece if whole is None else whole + piece
    expect_equal([call["name"] for call in whole.tool_calls], ["Weather"], "tool calls")
    expect_equal(whole.tool_calls[0]["args"]["degrees"], 7, "an argument")
    return f"{len(whole.tool_call_chunks)} call put together: {whole.tool_calls[0]['args']}"


def _structured(method: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        got = _model(target).with_structured_output(Weather, method=method).invoke("structured langchain")
        expect_true(isinstance(got, Weather), f"{got!r} is no Weather")
        return repr(got)

    return run


CHECKS = (
    Check(SUITE, "invoke", "ChatOpenAI.invoke", "the text, usage", _invoke),
    Check(SUITE, "stream", "ChatOpenAI.stream", "the text in pieces", _stream),
    Check(SUITE, "astream", "ChatOpenAI.astream(stream_usage)", "the text in pieces", _astream),
    Check(SUITE, "tools", "bind_tools([Weather]).invoke", "a call with its arguments", _tools),
    Check(SUITE, "streamed tools", "bind_tools([Weather]).stream", "the same, put together", _tool_stream),
    Check(SUITE, "json_schema", "with_structured_output(json_schema)", "a Weather", _structured("json_schema")),
    Check(
        SUITE,
        "function_calling",
        "with_structured_output(function_calling)",
        "a Weather",
        _structured("function_calling"),
    ),
)
