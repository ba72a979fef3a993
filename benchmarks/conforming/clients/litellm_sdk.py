"""litellm's own SDK as a client."""

import asyncio
import os
from importlib.metadata import version
from typing import Any

from benchmarks.conforming.checks import holds, raises, same
from benchmarks.conforming.clients.openai_python import TOOL
from benchmarks.conforming.target import KEY, Target
from benchmarks.conforming.upstream import ARGUMENTS, PIECES

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing it fetches a price list
import litellm

NAME = f"litellm's SDK {version('litellm')}"
TEXT = "".join(PIECES)
litellm.suppress_debug_info = True


def options(target: Target, model: str = "auto") -> dict[str, Any]:
    """As its users write them."""
    return {
        "model": f"openai/{model}",
        "api_base": target.url,
        "api_key": KEY,
        "messages": [{"role": "user", "content": "hi"}],
        "num_retries": 0,
    }


def answer(target: Target) -> None:
    """completion and acompletion"""
    same(litellm.completion(**options(target)).choices[0].message.content, TEXT)
    made = asyncio.run(litellm.acompletion(**options(target)))
    same(made.choices[0].message.content, TEXT)


def stream(target: Target) -> None:
    """stream"""
    chunks = litellm.completion(**options(target), stream=True)
    same("".join(chunk.choices[0].delta.content or "" for chunk in chunks), TEXT)


def tools(target: Target) -> None:
    """tools"""
    made = litellm.completion(**options(target, "tools"), tools=[TOOL])
    same(made.choices[0].message.tool_calls[0].function.arguments, ARGUMENTS)


def errors(target: Target) -> None:
    """errors become litellm's own"""
    error = raises(litellm.exceptions.NotFoundError, lambda: litellm.completion(**options(target, "no-such-model")))
    holds("no-such-model" in str(error), str(error))


CHECKS = (answer, stream, tools, errors)
