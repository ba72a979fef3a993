"""What a request's headers say to the gateway, read once.

A client on a kept connection says the same again and again, but for the length of its bodies: whoever serves the
connection may keep what it has read, and use it for as long as the headers stay the same.
"""

import hashlib

from gateway.http.headers import Headers, client_request_id, first_value, forwarded_headers, new_request_id
from gateway.vocabulary import is_task_id

BEARER = b"bearer "
GATEWAY_PREFIX = b"x-benchroute-"


class RequestHead:
    """headers: names in lower case, in their order. Of one that stands twice the first counts.

    digest: SHA-256 of the client's key, None where none is given. task, session: as they are named; names_task: whether
    the former is a task ID.
    own: the headers that are ours alone. onward: what a backend gets of them.
    """

    __slots__ = ("_id", "digest", "headers", "names_task", "onward", "own", "session", "task")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.digest = key_digest(headers)
        self.task = _text(headers, b"x-task-id")
        self.names_task = self.task is not None and is_task_id(self.task)
        self.session = _text(headers, b"x-session-id")
        self.own = [pair for pair in headers if pair[0].startswith(GATEWAY_PREFIX)]
        self.onward = forwarded_headers(headers)
        self._id = client_request_id(headers)

    @property
    def request_id(self) -> str:
        """The client's own where it is harmless, else a new one every time."""
        return self._id or new_request_id()


def key_digest(headers: Headers) -> bytes | None:
    """SHA-256 of the key that is given, None where none is. Anthropic's clients send it as x-api-key."""
    given = first_value(headers, b"authorization")
    if given is not None and given[: len(BEARER)].lower() == BEARER:
        return hashlib.sha256(given[len(BEARER) :].strip()).digest()
    given = first_value(headers, b"x-api-key")
    return None if given is None else hashlib.sha256(given.strip()).digest()


def _text(headers: Headers, name: bytes) -> str | None:
    value = first_value(headers, name)
    return None if value is None else value.decode("latin-1")
