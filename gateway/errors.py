"""What can go wrong in the gateway, and how a client is told.

GatewayError
├── ConfigError              the configuration, every fault at once (exit code 2)
├── StateError               the state store cannot be opened, read or written
├── PackRejected              the scorer will not work with a pack
└── RequestError             a client's request cannot be answered; carries HTTP status, OpenAI `type`, `code`, `param`
    ├── InvalidRequest       400
    ├── RequestTimeout       408
    ├── PayloadTooLarge             413
    ├── UnsupportedContentEncoding    415
    ├── Unauthenticated      401
    ├── Forbidden            403
    ├── NotFound             404  (ModelNotFound: code model_not_found)
    ├── MethodNotAllowed     405
    ├── Conflict             409
    ├── ScorerUnavailable    503
    ├── ShuttingDown         503
    ├── UpstreamFailed       502
    │   ├── UpstreamTimeout  504
    │   └── UpstreamBusy     429  (every backend's own limit is reached; not the client's key)
    ├── RateLimited          429  (the key's own limit)
    │   └── BudgetExceeded      429
    └── Internal             500

Envelope: https://platform.openai.com/docs/guides/error-codes
"""

from collections.abc import Sequence
from typing import ClassVar


class GatewayError(Exception):
    """Base of all."""


class ConfigError(GatewayError):
    """A configuration that cannot be used. faults: (path, message) each, for instance ("models[0].price", "…")."""

    def __init__(self, source: str, faults: Sequence[tuple[str, str]]) -> None:
        lines = [f"  {path}: {message}" if path else f"  {message}" for path, message in faults]
        super().__init__("\n".join([f"{source}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", *lines]))
        self.source = source
        self.faults = tuple(faults)


class StateError(GatewayError):
    """The state store cannot be opened, or holds what this version cannot read."""


class PackRejected(GatewayError):
    """A pack that the scorer cannot use; the one before stays in use."""


class RequestError(GatewayError):
    """An answer that is no success. message: for the client; never holds a secret."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code


class InvalidRequest(RequestError):
    """The request itself is wrong."""

    status = 400
    type = "invalid_request_error"


class PayloadTooLarge(RequestError):
    """The body is over the size limit."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class RequestTimeout(RequestError):
    """The rest of the body does not come."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class UnsupportedContentEncoding(RequestError):
    """The body is compressed."""

    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_content_encoding"


class Unauthenticated(RequestError):
    """No key, or none that is configured."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class Forbidden(RequestError):
    """The key may not use this."""

    status = 403
    type = "invalid_request_error"
    default_code = "permission_denied"


class NotFound(RequestError):
    """No such path or thing."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class ModelNotFound(NotFound):
    """A `model` that is neither configured nor a way to ask for routing."""

    default_code = "model_not_found"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class Conflict(RequestError):
    """What is there already stands against it."""

    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class ScorerUnavailable(RequestError):
    """Something that only the scorer can answer was asked while it is not ready. Routing goes on without it."""

    status = 503
    default_code = "scorer_unavailable"


class ShuttingDown(RequestError):
    """The gateway stops, and the request took longer than it waits."""

    status = 503
    default_code = "shutting_down"


class UpstreamFailed(RequestError):
    """No backend could be made to answer."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_failed"


class UpstreamTimeout(UpstreamFailed):
    """No backend answered in time."""

    status = 504
    default_code = "upstream_timeout"


class UpstreamBusy(UpstreamFailed):
    """The backends' own rate limits are reached. retry_after: as the last one said it."""

    status = 429
    type = "rate_limit_error"
    default_code = "upstream_busy"

    def __init__(self, message: str, *, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(RequestError):
    """The key is over its limit. retry_after: seconds until it is not, for the header."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BudgetExceeded(RateLimited):
    """The key's budget is spent."""

    type = "insufficient_quota"
    default_code = "insufficient_quota"


class Internal(RequestError):
    """A fault of the gateway's own; the log has its traceback."""

    default_code = "internal_error"
