"""Pydantic AI: OpenAIChatModel, OpenAIResponsesModel."""

from typing import Any

import openai
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.pydantic_ai_chat import agent_operations


def _provider(question: Question) -> Any:
    client = openai.AsyncOpenAI(
        base_url=question.base_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )
    return OpenAIProvider(openai_client=client)


def _model(question: Question) -> Any:
    return OpenAIChatModel(question.model, provider=_provider(question))


def _responses(question: Question) -> Any:
    model = OpenAIResponsesModel(question.model, provider=_provider(question))
    return Agent(model, retries=0).run_sync(question.mark).output


if __name__ == "__main__":
    run({**agent_operations(_model), "responses": _responses})
