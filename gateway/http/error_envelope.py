"""OpenAI's error envelope: {"error": {"message", "type", "param", "code"}}."""

import json
from typing import Any

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, Endpoint

JSON = b"application/json"


def to_dict(error: RequestError, operation: Endpoint | None = None) -> dict[str, Any]:
    """The envelope of an error, as a document. Anthropic's clients look for one more member and find the others too."""
    told = {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    return {"type": "error", **told} if operation is MESSAGES else told


def encode_error(error: RequestError, operation: Endpoint | None = None) -> bytes:
    """The envelope of an error, as JSON."""
    return json.dumps(to_dict(error, operation)).encode()


def is_envelope(body: bytes) -> bool:
    """Whether a backend's answer is such an envelope."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("error"), dict)
