"""Refusals, by the model's name: status, envelope of the requested API, and headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
WRONG_KEY = "sk-wrong"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal.

    Attributes:
        status: HTTP status.
        type: OpenAI's `type`.
        code: OpenAI's `code`.
        headers: of the response, beside the usual ones.
    """

    status: int
    type: str
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


RETRY = (("retry-after", "7"), ("retry-after-ms", "7000"))
SOON = (("retry-after", "1"), ("retry-after-ms", "50"))
INVALID = "invalid_request_error"
REFUSALS: Mapping[str, Refusal] = {
    "e400": Refusal(400, INVALID, "invalid_value"),
    "e401": Refusal(401, INVALID, "invalid_api_key"),
    "e403": Refusal(403, INVALID, "unsupported_country_region_territory"),
    "e404": Refusal(404, INVALID, "model_not_found"),
    "e429": Refusal(429, "rate_limit_error", "rate_limit_exceeded", RETRY),
    "e500": Refusal(500, "server_error"),
    "e503": Refusal(503, "server_error", "overloaded", RETRY),
    "e529": Refusal(529, "overloaded_error"),
    "no-quota": Refusal(429, "insufficient_quota", "insufficient_quota", (("x-should-retry", "false"),)),
    "no-retry": Refusal(500, "server_error", None, (("x-should-retry", "false"),)),
    "busy-once": Refusal(429, "rate_limit_error", "rate_limit_exceeded", SOON),
}
"""Model -> refusal. `busy-once` refuses a request only the first time."""

UNKNOWN_MODEL = Refusal(404, INVALID, "model_not_found")
WRONG = Refusal(401, INVALID, "invalid_api_key")
ANTHROPIC_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
"""https://docs.anthropic.com/en/api/errors; every other status is an `api_error`."""


def error_envelope(refusal: Refusal, path: str) -> Json:
    """Return the body of a refusal, in the schema of the API that the path belongs to."""
    message = f"the upstream says {refusal.status}"
    if is_anthropic(path):
        kind = ANTHROPIC_TYPES.get(refusal.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_conformance"}
    return {"error": {"message": message, "type": refusal.type, "param": "messages", "code": refusal.code}}


def is_anthropic(path: str) -> bool:
    """Return True for a path of Anthropic's API."""
    return path.startswith("messages")
