"""litellm's exceptions as a provider's error: its status, its headers, and its words and code in OpenAI's envelope."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.http.headers import Headers

_DECODER = json.JSONDecoder()


def provider_error(error: Exception) -> Exception:
    """Return the provider's error where litellm has wrapped it, as it does in streams."""
    original = getattr(error, "original_exception", None)
    return original if isinstance(original, Exception) and hasattr(original, "status_code") else error


def error_headers(error: Exception) -> Headers:
    """Return the headers of the provider's response, names in lower case; none where litellm has not kept it."""
    response = getattr(error, "response", None)
    kept = (getattr(error, "litellm_response_headers", None), getattr(error, "headers", None))
    for headers in (*kept, getattr(response, "headers", None)):
        if isinstance(headers, Mapping) and headers:
            pairs = ((str(name).lower(), str(value)) for name, value in headers.items())
            return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in pairs]
    return ()


def error_body(error: Exception, status: int) -> bytes:
    """Return OpenAI's envelope with the provider's message, type, param and code; litellm's where it has none."""
    told = next(_own_words(error), {})
    type_ = told.get("type") or ("invalid_request_error" if status < 500 and status != 429 else "upstream_error")
    envelope = {
        "message": str(told.get("message") or getattr(error, "message", error)),
        "type": "rate_limit_error" if status == 429 and not told.get("type") else type_,
        "param": told.get("param") or getattr(error, "param", None),
        "code": told.get("code") or getattr(error, "code", None),
    }
    return json.dumps({"error": envelope}, default=str).encode()


def _own_words(error: Exception) -> Iterator[Mapping[str, Any]]:
    """Yield the provider's error object, wherever litellm has put it: parsed, as bytes, or within its message."""
    for found in (getattr(error, "body", None), _content(error), _within(str(getattr(error, "message", error)))):
        inner = found.get("error", found) if isinstance(found, Mapping) else None
        if isinstance(inner, Mapping) and inner.get("message"):
            yield inner


def _content(error: Exception) -> object:
    try:
        return json.loads(getattr(getattr(error, "response", None), "content", b"") or b"null")
    # httpx raises RuntimeErrors for a body that nobody has read.
    except (ValueError, TypeError, RuntimeError, RecursionError):
        return None


def _within(message: str) -> object:
    start = message.find("{")
    try:
        return _DECODER.raw_decode(message, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None
