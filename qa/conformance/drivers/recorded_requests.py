"""Requests as tools send them that are too large to install here, taken from their public source.

Open WebUI 0.12.4: `open_webui/routers/openai.py` (the request), `utils/headers.py` and `env.py` (its headers),
`routers/tasks.py` (titles), `retrieval/utils.py` (embeddings).
"""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from qa.conformance.drivers.harness import HINTS, Question, run

LIMIT_S = 20
USER = {
    "X-OpenWebUI-User-Name": "Ada",
    "X-OpenWebUI-User-Id": "0d7f1a52",
    "X-OpenWebUI-User-Email": "ada@client.example",
    "X-OpenWebUI-User-Role": "user",
    "X-OpenWebUI-Chat-Id": "5f2c9e10",
}
"""Sent while ENABLE_FORWARD_USER_INFO_HEADERS is on."""


def _asked(question: Question, path: str, body: Any = None) -> Any:
    address = urlsplit(question.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=LIMIT_S)
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {question.key}", "Accept": "*/*"}
    headers = {**sent, "User-Agent": "Python/3.11 aiohttp/3.14.5", **USER, **question.headers}
    try:
        connection.request("POST" if body else "GET", address.path + path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    hints = {name: response.headers[name] for name in HINTS if name in response.headers}
    kind = (response.headers["content-type"] or "").partition(";")[0]
    answer = json.loads(text) if kind == "application/json" else text
    return {"status": response.status, "hints": hints, "kind": kind, "answer": answer}


def _messages(question: Question) -> Any:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question.mark}]


def _chat(question: Question) -> Any:
    """Ask as a title or a list of tags is asked for."""
    body = {"model": question.model, "messages": _messages(question), "stream": False, "max_tokens": 1000}
    return _asked(question, "/chat/completions", body)


def _stream(question: Question) -> Any:
    body = {"stream": True, "model": question.model, "messages": _messages(question)}
    return _asked(question, "/chat/completions", body)


def _stream_usage(question: Question) -> Any:
    """Ask as for a model with the capability `usage`."""
    body = {"stream": True, "model": question.model, "messages": _messages(question)}
    return _asked(question, "/chat/completions", {**body, "stream_options": {"include_usage": True}})


def _models(question: Question) -> Any:
    found = _asked(question, "/models")
    return {"status": found["status"], "listed": question.model in {one["id"] for one in found["answer"]["data"]}}


def _embeddings(question: Question) -> Any:
    return _asked(question, "/embeddings", {"input": [question.mark, "zwei"], "model": question.model})


if __name__ == "__main__":
    run(
        {
            "recorded_chat": _chat,
            "recorded_stream": _stream,
            "recorded_usage": _stream_usage,
            "recorded_models": _models,
            "recorded_embeddings": _embeddings,
        }
    )
