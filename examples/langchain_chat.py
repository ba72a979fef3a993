"""Use the gateway from LangChain: the gateway is the model, and each chain sets its task in a header.

pip install langchain-openai
"""

import os

from langchain_openai import ChatOpenAI


def model_for(task: str) -> ChatOpenAI:
    """Return a chat model whose requests all belong to one task."""
    return ChatOpenAI(
        model="auto",
        base_url=os.environ.get("BENCHROUTE_URL", "http://127.0.0.1:8100") + "/v1",
        api_key=os.environ.get("BENCHROUTE_API_KEY", "none needed while the gateway has no keys"),
        default_headers={"x-task-id": task},
        include_response_headers=True,
    )


arithmetic = model_for("examples/arithmetic")
answer = arithmetic.invoke("What is 17 times 23?")
print("answer:", answer.content)
print("model:", answer.response_metadata["headers"]["x-benchroute-model"])
print("stream:", "".join(str(chunk.content) for chunk in arithmetic.stream("What is 1200 divided by 16?")))
