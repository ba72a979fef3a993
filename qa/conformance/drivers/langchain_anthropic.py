"""LangChain for Python: ChatAnthropic."""

from typing import Any

from langchain_anthropic import ChatAnthropic

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.langchain_chat import chat_operations


def _model(question: Question, **more: Any) -> Any:
    return ChatAnthropic(
        model=question.model,
        base_url=question.root_url,
        api_key=question.key,
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
        max_tokens=100,
        **more,
    )


if __name__ == "__main__":
    run(chat_operations(_model))
