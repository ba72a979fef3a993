"""Faults of backends, and the one place where foreign exceptions are translated to them.

UpstreamFault
├── Unreachable    no connection: refused, no such name, TLS
├── TimedOut       nothing came in time
├── LocalShortage  the gateway lacks file descriptors for a connection
├── Unsupported    it does not answer this endpoint
├── UpstreamProtocolError   the connection was lost, or what came is no HTTP, no JSON, no complete stream
│   └── StaleConnection     a pooled connection was closed before anything came: a new one may do better
├── ErrorStatus    an HTTP status that another backend may well not give
└── ErrorInBody    status 200, and an error in its body or as its stream's first event
"""

import errno
import json
import socket
import ssl

import msgspec

from gateway.http.headers import Headers, first_value

SHORTAGES = (errno.EMFILE, errno.ENFILE)

FAILOVER_STATUSES = frozenset({401, 403, 404, 407, 408, 409, 425, 429})
"""Client errors that concern this backend alone: its key, its name for the model, its proxy, its limits. All others
would be the same everywhere, and go back to the client."""


HIDDEN_STATUSES = frozenset({401, 407})
"""Refusals of the gateway's own credentials: none of the client's business, and their text may quote a key."""


class ErrorResponse(msgspec.Struct, frozen=True, gc=False):
    """A backend's error as it came.

    Attributes:
        body: As far as it was read.
    """

    status: int
    headers: Headers
    body: bytes


class UpstreamFault(Exception):
    """A backend did not answer as it should. str(): a few words, without addresses or secrets.

    Attributes:
        response: What it said, for the client that nobody else can answer; None where that is nothing.
    """

    kind = "broken"
    response: ErrorResponse | None = None

    def forget_frames(self) -> None:
        """Let go of the calls that it and its causes were raised in, and so of the request and its body."""
        seen, waiting = set[int](), [self.__cause__, self.__context__]
        self.__traceback__ = None
        while waiting:
            error = waiting.pop()
            if error is not None and id(error) not in seen:
                seen.add(id(error))
                error.__traceback__ = None
                waiting += error.__cause__, error.__context__


class Unreachable(UpstreamFault):
    """No connection could be made."""

    kind = "unreachable"


class LocalShortage(UpstreamFault):
    """The gateway could not open a connection for want of file descriptors: no backend's fault."""

    kind = "local"


class TimedOut(UpstreamFault):
    """Nothing came in time."""

    kind = "timeout"


class Unsupported(UpstreamFault):
    """This kind of backend does not answer the endpoint that was asked."""

    kind = "unsupported"


class UpstreamProtocolError(UpstreamFault):
    """The response is invalid or incomplete."""


class StaleConnection(UpstreamProtocolError):
    """The backend had closed a pooled connection (RFC 9112, 9.3.1: a race that every client has to expect)."""


class ErrorStatus(UpstreamFault):
    """An error status.

    Attributes:
        retry_after: The backend's header, if any.
    """

    kind = "status"

    def __init__(self, status: int, retry_after: str | None = None, response: ErrorResponse | None = None) -> None:
        super().__init__(f"answered {status}")
        self.status = status
        self.retry_after = retry_after
        self.response = response


class ErrorInBody(UpstreamFault):
    """An error in a response with status 200.

    Attributes:
        status: The HTTP status that the error itself names, None without one.
    """

    kind = "error"

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status

    @classmethod
    def from_data(cls, data: bytes) -> "ErrorInBody":
        """Return the fault of an error event or body. data: its JSON."""
        status = named_status(data)
        return cls("answered with an error" if status is None else f"answered with an error, {status}", status)


def is_failover_status(status: int) -> bool:
    """Return whether a status is a reason to try another backend."""
    return status >= 500 or status in FAILOVER_STATUSES or status < 200 or 300 <= status < 400


def response_too_large(limit: int) -> UpstreamProtocolError:
    """Return the fault of a response that is larger than the limit, in bytes."""
    return UpstreamProtocolError(f"answered more than {limit} bytes (upstream.max_response_bytes)")


def error_status(status: int, headers: Headers, body: bytes | None = None) -> ErrorStatus:
    """Return the fault of an error status. body: None where it is not to be shown."""
    retry_after = first_value(headers, b"retry-after")
    is_shown = body is not None and 400 <= status < 600 and status not in HIDDEN_STATUSES
    response = ErrorResponse(status, headers, body or b"") if is_shown else None
    return ErrorStatus(status, None if retry_after is None else retry_after.decode("latin-1"), response)


def named_status(data: bytes) -> int | None:
    """Return the HTTP status that an error names as its `code` or `status`, as OpenRouter and vLLM do; None without."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    error = document.get("error") if isinstance(document, dict) else None
    fields = error if isinstance(error, dict) else document if isinstance(document, dict) else {}
    for value in (fields.get("code"), fields.get("status"), fields.get("status_code")):
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    return None


def is_shortage(error: BaseException | None) -> bool:
    """Return whether an exception, or what has caused it, is for want of file descriptors."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            return True
        error = error.__cause__ or error.__context__
    return False


def local_shortage() -> LocalShortage:
    """Return the fault of a connection that there is no file descriptor for."""
    return LocalShortage("could not be asked: the gateway is out of file descriptors")


def from_os_error(error: OSError | UnicodeError, through_proxy: bool = False) -> UpstreamFault:
    """Return the fault for an exception that prevented a connection, most specific first."""
    if is_shortage(error):
        return local_shortage()
    if through_proxy and not isinstance(error, TimeoutError | ssl.SSLError):
        return Unreachable("its proxy cannot be reached")
    if isinstance(error, TimeoutError):
        return TimedOut("did not answer in time")
    # SSLError, gaierror and TimeoutError are all OSErrors.
    if isinstance(error, ssl.SSLError):
        return Unreachable("TLS failed")
    if isinstance(error, socket.gaierror | UnicodeError):
        return Unreachable("its host name cannot be resolved")
    return Unreachable("refused the connection")
