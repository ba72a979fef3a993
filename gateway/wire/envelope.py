"""OpenAI's error envelope: {"error": {"message", "type", "param", "code"}}."""

import json
from typing import Any

from gateway.errors import RequestError

JSON = b"application/json"


def document(error: RequestError) -> dict[str, Any]:
    """The envelope of an error, as a document."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def envelope(error: RequestError) -> bytes:
    """The envelope of an error, as JSON."""
    return json.dumps(document(error)).encode()


def is_envelope(body: bytes) -> bool:
    """Whether a backend's answer is such an envelope."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("error"), dict)
