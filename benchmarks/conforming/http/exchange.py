"""Bytes out, answers back: sockets without an HTTP library in between."""

import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.conforming.target import KEY, Target

PATIENCE_S = 3.0
"""How long an answer, or the connection's end, is waited for."""

BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).encode()
AUTH = f"authorization: Bearer {KEY}".encode()
HOST = b"host: gateway"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Got:
    """What came on a connection. closed: whether the gateway closed it. reached: requests that the backend saw."""

    answers: list[Answer] = field(default_factory=list)
    closed: bool = False
    reached: int = 0
    took_s: float = 0.0

    @property
    def statuses(self) -> list[int]:
        """Of the answers, interim ones among them."""
        return [answer.status for answer in self.answers]


def request(
    body: bytes = BODY,
    *headers: bytes,
    line: bytes = b"POST /v1/chat/completions HTTP/1.1",
    length: bool = True,
    host: bytes | None = HOST,
) -> bytes:
    """A request: the usual headers, and those given."""
    lines = [line, *([host] if host else []), AUTH, b"content-type: application/json", *headers]
    if length:
        lines.append(b"content-length: " + str(len(body)).encode())
    return b"\r\n".join([*lines, b"", body])


def chunked(*pieces: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """A body in chunks."""
    framed = b"".join(f"{len(piece):x}".encode() + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return framed + b"0\r\n" + trailers + b"\r\n"


def exchange(
    target: Target,
    *pieces: bytes,
    answers: int = 1,
    pause_s: float = 0.0,
    half_close: bool = False,
    patience_s: float = PATIENCE_S,
) -> Got:
    """Sends pieces one after the other, and reads until so many final answers are there, or the connection ends."""
    before, begun, got = len(target.seen.requests), time.monotonic(), Got()
    with connected(target) as made:
        data = b""
        try:
            for piece in pieces:
                made.sendall(piece)
                if pause_s:
                    time.sleep(pause_s)
            if half_close:
                made.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed while we were still writing: what it said before is read below
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and not got.closed:
            got.answers = list(parse(data))
            if sum(status >= 200 for status in got.statuses) >= answers and not half_close:
                got.closed = _closes(made)
                break
            data, got.closed = _more(made, data, deadline)
        got.answers = list(parse(data))
    got.took_s, got.reached = time.monotonic() - begun, len(target.seen.requests) - before
    return got


@contextmanager
def connected(target: Target) -> Iterator[socket.socket]:
    """A connection to the gateway."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE_S) as made:
        yield made


def _more(made: socket.socket, data: bytes, deadline: float) -> tuple[bytes, bool]:
    made.settimeout(max(0.01, deadline - time.monotonic()))
    try:
        piece = made.recv(65_536)
    except TimeoutError:
        return data, False
    except OSError:
        return data, True
    return data + piece, piece == b""


def _closes(made: socket.socket) -> bool:
    """Whether the connection ends by itself just after an answer."""
    made.settimeout(0.2)
    try:
        return made.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def parse(data: bytes) -> Iterator[Answer]:
    """The complete answers in what came. Lenient: it is not our own parser that is tried here."""
    while (match := re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", data)) is not None:
        headers = _headers(match[2])
        status, rest = int(match[1]), data[match.end() :]
        body, data = _body(status, headers, rest)
        if body is None:
            return
        yield Answer(status, headers, body)


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in block.split(b"\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _body(status: int, headers: dict[str, str], rest: bytes) -> tuple[bytes | None, bytes]:
    if status < 200 or status in (204, 304):
        return b"", rest
    if headers.get("transfer-encoding") == "chunked":
        end = rest.find(b"0\r\n\r\n")
        return (None, rest) if end < 0 else (rest[:end], rest[end + 5 :])
    size = int(headers.get("content-length", 0))
    return (None, rest) if len(rest) < size else (rest[:size], rest[size:])


def statuses(got: Got, *allowed: Sequence[int]) -> None:
    """Fails unless the answers' statuses are one of those sequences."""
    if got.statuses not in [list(one) for one in allowed]:
        raise AssertionError(f"expected {' or '.join(map(str, allowed))}, got {got.statuses}, closed: {got.closed}")
