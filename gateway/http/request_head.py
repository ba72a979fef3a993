"""The gateway's reading of a request's headers.

A client on a persistent connection repeats its headers, but for the length of its bodies. A connection may therefore
keep a RequestHead and use it again while the headers stay the same.
"""

import hashlib

from gateway.http.headers import Headers, client_request_id, first_value, forwarded_headers, new_request_id
from gateway.vocabulary import is_task_id

BEARER = b"bearer "
GATEWAY_PREFIX = b"x-benchroute-"


class RequestHead:
    """Headers of a request, and the values that the gateway reads from them. Of a repeated header the first counts.

    Attributes:
        headers: all of them, names in lower case, in their order.
        digest: SHA-256 of the client's key, None without one.
        task: value of X-Task-Id, None without one.
        has_valid_task: true if `task` is a valid task ID.
        session: value of X-Session-Id, None without one.
        gateway_headers: the x-benchroute-* headers, which are not forwarded.
        forwarded: the headers that a backend gets.
    """

    # Built once for many requests: 3 us for nine headers, of which a repeated head needs nothing.
    __slots__ = ("_id", "digest", "forwarded", "gateway_headers", "has_valid_task", "headers", "session", "task")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.digest = key_digest(headers)
        self.task = _decode_value(headers, b"x-task-id")
        self.has_valid_task = self.task is not None and is_task_id(self.task)
        self.session = _decode_value(headers, b"x-session-id")
        self.gateway_headers = [pair for pair in headers if pair[0].startswith(GATEWAY_PREFIX)]
        self.forwarded = forwarded_headers(headers)
        self._id = client_request_id(headers)

    @property
    def request_id(self) -> str:
        """The client's own ID where it is valid, else a new one at every access."""
        return self._id or new_request_id()


def key_digest(headers: Headers) -> bytes | None:
    """Return the SHA-256 of the client's key, None without one. Anthropic's clients send it as x-api-key."""
    value = first_value(headers, b"authorization")
    # The scheme's name is case-insensitive (RFC 9110, 11.1), the token after it is not.
    if value is not None and value[: len(BEARER)].lower() == BEARER:
        return hashlib.sha256(value[len(BEARER) :].strip()).digest()
    value = first_value(headers, b"x-api-key")
    return None if value is None else hashlib.sha256(value.strip()).digest()


def _decode_value(headers: Headers, name: bytes) -> str | None:
    # Field values are bytes; ISO-8859-1 maps each of them to a character and cannot fail (RFC 9110, 5.5).
    value = first_value(headers, name)
    return None if value is None else value.decode("latin-1")
