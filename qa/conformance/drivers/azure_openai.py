"""openai for Python, AzureOpenAI: paths with deployments, `api-version`, `api-key`."""

from typing import Any

import openai

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.openai_sdk import operations


def connect(question: Question) -> Any:
    """Return a client for Azure's paths."""
    return openai.AzureOpenAI(
        azure_endpoint=question.root_url,
        api_key=question.key,
        api_version="2024-10-21",
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
    )


NAMES = ("chat", "stream", "stream_usage", "tools", "tool_stream", "structured", "image", "embeddings", "cancel")

if __name__ == "__main__":
    run({name: operation for name, operation in operations(connect).items() if name in NAMES})
