"""OpenAI's error envelope: {"error": {"message", "type", "param", "code"}}."""

import json
from typing import Any

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, Endpoint

JSON = b"application/json"


def to_dict(error: RequestError, operation: Endpoint | None = None) -> dict[str, Any]:
    """Return an error's envelope as a JSON document. Below /v1/messages it has Anthropic's `type` member too."""
    envelope = {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    # Anthropic's clients read {"type": "error", "error": {"type", "message"}} and ignore OpenAI's further members
    # (https://docs.anthropic.com/en/api/errors), so that one document serves both.
    return (
        {"type": "error", **envelope}
        if operation is not None and operation.path.startswith(MESSAGES.path)
        else envelope
    )


def encode_error(error: RequestError, operation: Endpoint | None = None) -> bytes:
    """Return an error's envelope as JSON bytes."""
    return json.dumps(to_dict(error, operation)).encode()


def is_envelope(body: bytes) -> bool:
    """Return True if a backend's body is an error envelope, which a client's library understands as it is."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("error"), dict)
