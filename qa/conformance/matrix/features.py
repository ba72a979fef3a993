"""The features: which operation of a client, of which model, and what of the two results is compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from qa.conformance.upstream.agent_tools import TOLD, TOLD_AFTER
from qa.conformance.upstream.errors import WRONG_KEY
from qa.conformance.upstream.models import MODEL

Expected = Literal["answer", "error", "either"]
Compared = Literal["all", "class", "notice", "shape"]

SENT_HEADERS = {
    "openai-organization": "org-client",
    "openai-project": "proj-client",
    "http-referer": "https://client.example",
    "x-title": "conformance",
    "x-client-extra": "kept",
}
"""Headers that clients set for a provider, and that it must get."""

USER_HEADERS = {"x-openwebui-user-name": "Ada", "x-openwebui-chat-id": "5f2c9e10"}
"""Headers by which Open WebUI tells a provider about its user."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature.

    Attributes:
        name: row of the matrix.
        operation: name in the client's program.
        model: whose answer is asked for.
        expected: of the direct result; another one is a fault of the program, and the cell does not run.
        compared: "all"; "class": the exception's class, status and code, where the words are the gateway's own;
            "notice": that the client notices the fault; "shape": of requests their paths, members and names of headers,
            where an agent's prompts hold times and random names.
        retries: times that the client may try again.
        headers: to add to the request.
        key: API key, in place of the right one.
        tag: where the task is named while the model is `auto`: "header" or "metadata"; "model": the model is `task/ID`.
        says: what a coding agent must print when asked directly; "": any text of the upstream.
        compares_headers: True if the headers that reached the upstream are compared.
    """

    name: str
    operation: str
    model: str = MODEL
    expected: Expected = "answer"
    compared: Compared = "all"
    retries: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    tag: Literal["header", "metadata", "model"] | None = None
    says: str | None = None
    compares_headers: bool = False


def _error(name: str, operation: str = "chat", model: str | None = None) -> Feature:
    return Feature(name, operation, model or f"e{name}", "error")


FEATURES = (
    Feature("chat", "chat"),
    Feature("stream", "stream"),
    Feature("usage in stream", "stream_usage"),
    Feature("tools", "tools"),
    Feature("streamed tools", "tool_stream"),
    Feature("structured output", "structured"),
    Feature("image", "image"),
    Feature("embeddings", "embeddings"),
    Feature("models", "models"),
    Feature("count tokens", "count_tokens"),
    Feature("request headers", "chat", headers=SENT_HEADERS, compares_headers=True),
    Feature("response headers", "response_headers"),
    Feature("auto, task in a header", "chat", tag="header"),
    Feature("auto, task in metadata", "metadata", tag="metadata"),
    Feature("cancel", "cancel", "endless"),
    Feature("signs of life in silence", "stream", "pings"),
    Feature("silence", "stream", "silent"),
    Feature("silence before the first event", "stream", "late"),
    Feature("CR LF", "stream", "crlf"),
    Feature("no [DONE]", "stream", "no-done"),
    Feature("error event", "stream", "error-event", "either"),
    Feature("error event first", "stream", "error-first", "either"),
    Feature("broken stream", "stream", "broken", "either", "notice"),
    Feature("200 with an error", "chat", "error-body", "either"),
    Feature("200 without choices", "chat", "no-choices", "either"),
    *(_error(status) for status in ("400", "401", "403", "404", "429", "500", "503", "529")),
    _error("400 to a stream", "stream", "e400"),
    _error("429 to a stream", "stream", "e429"),
    _error("no quota", "chat", "no-quota"),
    Feature("429, then an answer", "chat", "busy-once", retries=2),
    Feature("x-should-retry: false", "chat", "no-retry", "error", retries=2),
    Feature("wrong key", "chat", expected="error", compared="class", key=WRONG_KEY),
    Feature("unknown model", "chat", "nobody", "error", "class"),
    Feature("responses", "responses"),
    Feature("responses: stream", "responses_stream"),
    Feature("responses: streamed tools", "responses_tools"),
    Feature("responses: data lines only", "responses_stream", "data-only"),
    Feature("responses: signs of life", "responses_stream", "pings"),
    Feature("responses: silence", "responses_stream", "silent"),
    Feature("responses: error event", "responses_stream", "error-event", "either"),
    Feature("responses: error event first", "responses_stream", "error-first", "either"),
    Feature("responses: broken stream", "responses_stream", "broken", "either", "notice"),
    _error("responses: 400", "responses", "e400"),
    _error("responses: 429", "responses", "e429"),
    Feature("responses: stored", "stored_response"),
    Feature("moderations", "moderation"),
    Feature("images", "generate_image"),
    Feature("speech", "speech"),
    Feature("transcriptions", "transcription"),
    Feature("recorded: models", "recorded_models"),
    Feature("recorded: chat", "recorded_chat", headers=USER_HEADERS, compares_headers=True),
    Feature("recorded: stream", "recorded_stream"),
    Feature("recorded: usage in stream", "recorded_usage"),
    Feature("recorded: embeddings", "recorded_embeddings"),
    Feature("recorded: auto, task in a header", "recorded_chat", tag="header"),
    *(Feature(f"recorded: {status}", "recorded_stream", f"e{status}") for status in ("400", "401", "429", "500")),
    Feature("recorded: error event", "recorded_stream", "error-event"),
    Feature("agent: answer", "agent", "agent", compared="shape", says=TOLD),
    Feature("agent: tool", "agent_tool", "agent-tool", compared="shape", says=TOLD_AFTER),
    Feature("agent: auto, task in a header", "agent_headers", tag="header", compared="shape", says=""),
    Feature("agent: auto, task in the model", "agent", tag="model", compared="shape", says=""),
    Feature("agent: 400", "agent", "e400", compared="shape", says="the upstream says 400"),
    Feature("agent: 401", "agent", "e401", compared="shape", says="the upstream says 401"),
    Feature("agent: 429, then an answer", "agent", "busy-once", compared="shape", says=""),
)
