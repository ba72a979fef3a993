"""A client that sends bytes, and a strict reader of responses: it never repairs one."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

LIMIT_S = 10.0
HEX = frozenset(b"0123456789abcdefABCDEF")


class MalformedResponse(Exception):
    """The response is no valid HTTP."""


class ResponseTimeout(Exception):
    """No byte came within the limit."""


class ConnectionClosed(Exception):
    """The gateway closed the connection. cut: the bytes of an unfinished response."""

    def __init__(self, cut: bytes) -> None:
        super().__init__(f"the connection was closed after {cut!r}" if cut else "the connection was closed")
        self.cut = cut


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes:
        status: of the final response.
        headers: (lower-case name, value), in order.
        body: decoded.
        raw: the body as on the wire, chunk sizes included.
        interim: the 1xx statuses before it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes
    interim: tuple[int, ...] = ()

    def header(self, name: str) -> str | None:
        """Return the value of a header, None without it. Raises MalformedResponse if it occurs twice."""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise MalformedResponse(f"{name} occurs {len(found)} times")
        return found[0] if found else None


class Connection:
    """One socket. Every wait ends after limit_s seconds."""

    def __init__(self, port: int, limit_s: float = LIMIT_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=limit_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._limit_s = limit_s
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it. Data that a closed connection refuses is ignored: the response counts."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return
        except TimeoutError as error:
            raise ResponseTimeout("the gateway stopped reading") from error

    def half_close(self) -> None:
        """Close the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read_response(self, to_head: bool = False) -> Response:
        """Read the next final response. Raises MalformedResponse, ResponseTimeout, ConnectionClosed."""
        interim: list[int] = []
        while True:
            status, headers = self._head()
            if status >= 200:
                break
            interim.append(status)
        body, raw = (b"", b"") if to_head or status in (204, 304) else self._body(dict(headers))
        return Response(status, headers, body, raw, tuple(interim))

    def read_interim(self) -> int:
        """Read the next response head and return its status."""
        return self._head()[0]

    def is_closed_within(self, within_s: float) -> bool:
        """Return True if the gateway closes within so many seconds. Raises MalformedResponse if a byte comes."""
        if self._read:
            raise MalformedResponse(f"{self._read[:200]!r} after the end of the response")
        with self._waiting(within_s):
            try:
                more = self._socket.recv(65536)
            except (TimeoutError, ResponseTimeout):
                return False
            except ConnectionResetError:
                return True
        if more:
            raise MalformedResponse(f"{more[:200]!r} after the end of the response")
        return True

    @contextmanager
    def _waiting(self, limit_s: float) -> Iterator[None]:
        self._socket.settimeout(limit_s)
        try:
            yield
        finally:
            self._socket.settimeout(self._limit_s)

    def _head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, _, rest = lines[0].partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit() or rest[3:4] not in (" ", ""):
            raise MalformedResponse(f"{lines[0]!r} is no status line")
        return int(rest[:3]), tuple(_field(line) for line in lines[1:])

    def _body(self, headers: dict[str, str]) -> tuple[bytes, bytes]:
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and length is not None:
            raise MalformedResponse("both Content-Length and Transfer-Encoding")
        if coding is not None:
            return self._chunks()
        if length is None:
            body = self._to_end()
            return body, body
        body = self._exactly(int(length))
        return body, body

    def _chunks(self) -> tuple[bytes, bytes]:
        parts: list[bytes] = []
        raw: list[bytes] = []
        while True:
            line = self._until(b"\r\n")
            if not line[:-2] or not HEX.issuperset(line[:-2]):
                raise MalformedResponse(f"{line!r} is no chunk size")
            size = int(line, 16)
            data = self._exactly(size + 2)
            raw += [line, data]
            if not data.endswith(b"\r\n"):
                raise MalformedResponse("a chunk does not end where it says")
            if not size:
                return b"".join(parts), b"".join(raw)
            parts.append(data[:-2])

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        found, _, self._read = self._read.partition(mark)
        return found + mark

    def _exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            self._more()
        found, self._read = self._read[:count], self._read[count:]
        return found

    def _to_end(self) -> bytes:
        try:
            while True:
                self._more()
        except ConnectionClosed:
            found, self._read = self._read, b""
            return found

    def _more(self) -> None:
        started = time.monotonic()
        try:
            more = self._socket.recv(65536)
        except TimeoutError as error:
            waited = time.monotonic() - started
            raise ResponseTimeout(f"no byte for {waited:.1f} s after {self._read[-200:]!r}") from error
        except ConnectionResetError as error:
            raise ConnectionClosed(self._read) from error
        if not more:
            raise ConnectionClosed(self._read)
        self._read += more


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise MalformedResponse(f"{line!r} is no header")
    return name.lower(), value.strip()
