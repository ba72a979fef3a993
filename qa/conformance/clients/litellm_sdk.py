"""litellm's SDK, with the gateway as its api_base."""

import asyncio
import os
from typing import Any

from qa.conformance.checks import Check, Mismatch, NotRun, expect_equal, expect_true
from qa.conformance.clients.material import MODEL, TOOLS, chat_messages, sent_text
from qa.conformance.servers import Target

SUITE = "litellm"


def _litellm() -> Any:
    """Import the library, without the download of its price list. Raises NotRun where it is not installed."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError as error:
        raise NotRun(f"{error}; install the extra `conformance`") from error
    litellm.suppress_debug_info = True
    return litellm


def _options(target: Target, mark: str, model: str = MODEL) -> dict[str, Any]:
    to = {"model": f"openai/{model}", "api_base": target.base_url, "api_key": target.key}
    return {**to, "messages": chat_messages(mark), "max_retries": 0, "num_retries": 0, "timeout": 20}


def _completion(target: Target) -> str:
    mark = "litellm-completion"
    got = _litellm().completion(**_options(target, mark))
    expect_equal(got.choices[0].message.content, sent_text(mark), "content")
    return f"{got.choices[0].message.content!r}, {got.usage.total_tokens} tokens"


def _stream(target: Target) -> str:
    mark = "litellm-stream"
    chunks = list(_litellm().completion(**_options(target, mark), stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    expect_equal(text, sent_text(mark), "content")
    return f"{len(chunks)} chunks"


def _acompletion(target: Target) -> str:
    mark = "litellm-acompletion"

    async def ask() -> tuple[str, str]:
        whole = await _litellm().acompletion(**_options(target, mark))
        stream = await _litellm().acompletion(**_options(target, mark), stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    expect_equal(asyncio.run(ask()), (sent_text(mark), sent_text(mark)), "content, whole and streamed")
    return "whole and streamed"


def _tools(target: Target) -> str:
    got = _litellm().completion(**_options(target, "litellm-tools"), tools=TOOLS)
    names = [call.function.name for call in got.choices[0].message.tool_calls]
    expect_equal(names, [tool["function"]["name"] for tool in TOOLS], "tool calls")
    return ", ".join(names)


def _errors(target: Target) -> str:
    litellm = _litellm()
    expected = {"e400": litellm.BadRequestError, "e429": litellm.RateLimitError, "nobody": litellm.NotFoundError}
    for model, kind in expected.items():
        try:
            litellm.completion(**_options(target, "litellm-errors", model))
        except kind:
            continue
        raise Mismatch(f"a response from {model} in place of an exception")
    return ", ".join(kind.__name__ for kind in expected.values())


def _embedding(target: Target) -> str:
    options = {"model": f"openai/{MODEL}", "api_base": target.base_url, "api_key": target.key}
    got = _litellm().embedding(**options, input=["eins", "zwei"])
    expect_true(len(got.data) == 2 and len(got.data[0]["embedding"]) == 8, f"{got.data!r}")
    return "2 vectors"


CHECKS = (
    Check(SUITE, "completion", "litellm.completion(api_base)", "the text, usage", _completion),
    Check(SUITE, "stream", "litellm.completion(stream=True)", "the text in pieces", _stream),
    Check(SUITE, "acompletion", "litellm.acompletion, whole and streamed", "the text twice", _acompletion),
    Check(SUITE, "tools", "litellm.completion(tools)", "both calls", _tools),
    Check(SUITE, "errors", "models e400, e429, nobody", "litellm's own exceptions", _errors),
    Check(SUITE, "embedding", "litellm.embedding", "two vectors", _embedding),
)
