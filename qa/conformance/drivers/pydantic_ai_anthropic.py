"""Pydantic AI: AnthropicModel."""

from typing import Any

import anthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.pydantic_ai_chat import agent_operations


def _model(question: Question) -> Any:
    client = anthropic.AsyncAnthropic(
        base_url=question.root_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )
    return AnthropicModel(question.model, provider=AnthropicProvider(anthropic_client=client))


if __name__ == "__main__":
    run(agent_operations(_model))
