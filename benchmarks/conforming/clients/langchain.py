"""LangChain (langchain-openai's ChatOpenAI)."""

import asyncio
from importlib.metadata import version
from typing import Any

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from benchmarks.conforming.checks import same
from benchmarks.conforming.target import KEY, Target
from benchmarks.conforming.upstream import PIECES

NAME = f"LangChain {version('langchain-openai')}"
TEXT = "".join(PIECES)


def model(target: Target, name: str = "auto", **more: Any) -> ChatOpenAI:
    """As its users make one."""
    return ChatOpenAI(base_url=target.url, api_key=SecretStr(KEY), model=name, max_retries=0, **more)


class Weather(BaseModel):
    """Tells the weather of a place."""

    place: dict[str, Any]
    unit: str


class City(BaseModel):
    """A city."""

    city: str
    people: int


def invoke(target: Target) -> None:
    """invoke, tagged by a header"""
    made = model(target, default_headers={"X-Task-Id": "langchain"}, include_response_headers=True).invoke("hi")
    same(made.content, TEXT)
    same(made.response_metadata["headers"]["x-benchroute-task"], "langchain")
    same(made.usage_metadata and made.usage_metadata["total_tokens"], 10)


def stream(target: Target) -> None:
    """stream and astream"""

    async def streamed() -> str:
        return "".join([str(chunk.content) async for chunk in model(target).astream("hi")])

    same("".join(str(chunk.content) for chunk in model(target).stream("hi")), TEXT)
    same(asyncio.run(streamed()), TEXT)


def bind_tools(target: Target) -> None:
    """bind_tools, whole and streamed"""
    bound = model(target, "tools").bind_tools([Weather])
    same(bound.invoke("hi").tool_calls[0]["args"]["place"]["city"], "Zürich")
    chunks = list(bound.stream("hi"))
    whole: Any = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    same(whole.tool_calls[0]["args"]["unit"], "C")


def structured(target: Target) -> None:
    """with_structured_output"""
    same(model(target, "json").with_structured_output(City).invoke("hi"), City(city="Zürich", people=443000))


def embeddings(target: Target) -> None:
    """OpenAIEmbeddings"""
    made = OpenAIEmbeddings(
        base_url=target.url, api_key=SecretStr(KEY), model="chat", check_embedding_ctx_length=False
    ).embed_documents(["a", "b"])
    same(made, [[0.25, -0.5]] * 2)


CHECKS = (invoke, stream, bind_tools, structured, embeddings)
