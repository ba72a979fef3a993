"""Error tree of the gateway, with the HTTP status of errors that clients get.

GatewayError
├── ConfigError              invalid configuration, every error at once (exit code 2)
├── StateError               the state store cannot be opened, read or written
├── PackRejected             the scorer cannot use a pack
└── RequestError             a request cannot be served; has HTTP status, OpenAI `type`, `code`, `param`
    ├── InvalidRequest       400
    ├── RequestTimeout       408
    ├── PayloadTooLarge      413
    ├── UnsupportedContentEncoding  415
    ├── UpgradeRefused       426
    ├── Unauthenticated      401
    ├── Forbidden            403
    ├── NotFound             404  (ModelNotFound: code model_not_found)
    ├── MethodNotAllowed     405
    ├── Conflict             409
    ├── ScorerUnavailable    503
    ├── RequestLogUnavailable  503
    ├── ShuttingDown         503
    ├── Overloaded           503
    ├── UpstreamFailed       502
    │   ├── UpstreamTimeout  504
    │   └── UpstreamBusy     429  (the rate limits of all backends)
    ├── RateLimited          429  (the rate limit of the key)
    │   └── BudgetExceeded   429
    └── Internal             500

Envelope: https://platform.openai.com/docs/guides/error-codes
"""

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

NO_LINES: Mapping[str, int] = MappingProxyType({})


class GatewayError(Exception):
    """Base class of the gateway's errors."""


class ConfigError(GatewayError):
    """Invalid configuration.

    faults: (path, message) each, for instance ("models[0].price", "…"). lines: from 1, by path; a path without a line
    has that of the nearest setting around it.
    """

    def __init__(self, source: str, faults: Sequence[tuple[str, str]], lines: Mapping[str, int] = NO_LINES) -> None:
        places = [(path, message, _line_of(path, lines)) for path, message in faults]
        told = [
            f"  {f'{source}:{line}: ' if line else ''}{f'{path}: ' if path else ''}{message}"
            for path, message, line in sorted(places, key=lambda place: place[2] or sys.maxsize)
        ]
        super().__init__("\n".join([f"{source}: {len(faults)} error{'s' if len(faults) > 1 else ''}", *told]))
        self.source = source
        self.faults = tuple(faults)


def _line_of(path: str, lines: Mapping[str, int]) -> int | None:
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


class StateError(GatewayError):
    """The state store cannot be opened, or contains data that this version cannot read."""


class PackRejected(GatewayError):
    """The scorer cannot use a pack. The active pack stays active."""


class RequestError(GatewayError):
    """An error response. message: for the client; never contains a secret."""

    # Class attributes, but of a backend's error, which has its own: gateway.proxy.backend_errors.
    status: int = 500
    type: str = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code


class InvalidRequest(RequestError):
    """Invalid request."""

    status = 400
    type = "invalid_request_error"


class PayloadTooLarge(RequestError):
    """The request body exceeds `server.max_body_bytes`."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class RequestTimeout(RequestError):
    """Timed out waiting for the request body."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class UnsupportedContentEncoding(RequestError):
    """The request body has a content coding other than gzip, deflate and zstd."""

    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_content_encoding"


class UpgradeRefused(RequestError):
    """The client asks for a WebSocket, which is not served."""

    status = 426
    type = "invalid_request_error"
    default_code = "websocket_not_supported"


class Unauthenticated(RequestError):
    """API key missing or unknown."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class Forbidden(RequestError):
    """The key lacks permission for this request."""

    status = 403
    type = "invalid_request_error"
    default_code = "permission_denied"


class NotFound(RequestError):
    """The path or the object does not exist."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class ModelNotFound(NotFound):
    """The `model` is neither configured nor a request for routing."""

    default_code = "model_not_found"


class MethodNotAllowed(RequestError):
    """The path does not allow this method."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class Conflict(RequestError):
    """The request conflicts with existing state, for example a key of that name."""

    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class ScorerUnavailable(RequestError):
    """The request needs the scorer, which is not ready. Routing continues without it."""

    status = 503
    default_code = "scorer_unavailable"


class RequestLogUnavailable(RequestError):
    """The request log is switched off, or cannot be opened. Requests are served without it."""

    status = 503
    default_code = "request_log_unavailable"


class ShuttingDown(RequestError):
    """The gateway is shutting down: the request exceeded `server.shutdown_grace_s`, or asked whether it is ready."""

    status = 503
    default_code = "shutting_down"


class Overloaded(RequestError):
    """The gateway lacks file descriptors for the request. No backend is blamed.

    retry_after: seconds, for the header.
    """

    status = 503
    default_code = "overloaded"
    retry_after = "1"


class UpstreamFailed(RequestError):
    """No backend responded successfully."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_failed"


class UpstreamTimeout(UpstreamFailed):
    """No backend responded within the timeouts."""

    status = 504
    default_code = "upstream_timeout"


class UpstreamBusy(UpstreamFailed):
    """The rate limits of all backends are exceeded, and none of them gave an error of its own.

    retry_after: the header of the last backend's response.
    """

    status = 429
    type = "rate_limit_error"
    default_code = "upstream_busy"

    def __init__(self, message: str, *, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(RequestError):
    """Rate limit of the key exceeded.

    retry_after: seconds until a retry can succeed, for the header. limits: other headers, with the key's limit.
    """

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"

    def __init__(
        self, message: str, *, retry_after: str | None = None, limits: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limits = dict(limits or {})


class BudgetExceeded(RateLimited):
    """Budget of the key exceeded."""

    type = "insufficient_quota"
    default_code = "insufficient_quota"


class Internal(RequestError):
    """Internal error of the gateway; the log has its traceback."""

    default_code = "internal_error"
