"""Error envelopes: OpenAI's, {"error": {"message", "type", "param", "code"}}, and Anthropic's."""

import json
from typing import Any

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, Endpoint

JSON = b"application/json"

_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status -> type of an error (https://docs.anthropic.com/en/api/errors); the clients choose exceptions by it."""


def to_dict(error: RequestError, operation: Endpoint | None = None) -> dict[str, Any]:
    """Return an error's envelope as a JSON document; on /v1/messages with Anthropic's `type` members."""
    told = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    # Anthropic's clients read {"type": "error", "error": {"type", "message"}} and ignore OpenAI's further members, so
    # that one document serves both.
    if operation is not None and operation.path.startswith(MESSAGES.path):
        return {"type": "error", "error": {**told, "type": _anthropic_type(error.status)}}
    return {"error": told}


def encode_error(error: RequestError, operation: Endpoint | None = None) -> bytes:
    """Return an error's envelope as JSON bytes."""
    return json.dumps(to_dict(error, operation)).encode()


def is_envelope(body: bytes) -> bool:
    """Return True if a backend's body is an error in a form that clients' libraries understand as it is.

    OpenAI's and Anthropic's envelope; Ollama's and TGI's, whose `error` is a text; vLLM's, which is flat.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict):
        return False
    return bool(document.get("error")) or (document.get("object") == "error" and "message" in document)


def read_envelope(body: bytes) -> dict[str, Any]:
    """Return the members of a backend's error: message, type, param, code; {} where it is in no form that is known."""
    if not is_envelope(body):
        return {}
    document = json.loads(body)
    error = document.get("error") or document
    return error if isinstance(error, dict) else {"message": str(error)}


def _anthropic_type(status: int) -> str:
    return _ANTHROPIC_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
