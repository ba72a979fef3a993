"""LangChain for Python: ChatOpenAI and OpenAIEmbeddings."""

from typing import Any

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from qa.conformance.drivers.harness import Question, run
from qa.conformance.drivers.langchain_chat import chat_operations


def _model(question: Question, **more: Any) -> Any:
    return ChatOpenAI(
        model=question.model,
        base_url=question.base_url,
        api_key=SecretStr(question.key),
        max_retries=question.retries,
        timeout=15,
        default_headers=question.headers,
        **more,
    )


def _embeddings(question: Question) -> Any:
    asking = OpenAIEmbeddings(
        model=question.model,
        base_url=question.base_url,
        api_key=SecretStr(question.key),
        default_headers=question.headers,
        check_embedding_ctx_length=False,
        max_retries=question.retries,
    )
    return asking.embed_documents([question.mark, "zwei"])


def _responses(question: Question) -> Any:
    got = _model(question, use_responses_api=True).invoke(question.mark)
    return {"content": got.content, "usage": got.usage_metadata}


if __name__ == "__main__":
    run({**chat_operations(_model), "embeddings": _embeddings, "responses": _responses})
