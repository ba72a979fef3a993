"""A client of bytes, and a strict reader of what comes back: it never repairs an answer."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

LIMIT_S = 10.0
HEX = frozenset(b"0123456789abcdefABCDEF")


class Garbled(Exception):
    """What came is no HTTP."""


class Silent(Exception):
    """Nothing more came in time."""


class Ended(Exception):
    """The gateway closed the connection. cut: what had come of an unfinished answer."""

    def __init__(self, cut: bytes) -> None:
        super().__init__(f"the connection was closed after {cut!r}" if cut else "the connection was closed")
        self.cut = cut


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. interim: the 1xx statuses before it. raw: its body as it stood on the wire, chunks and all."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes
    interim: tuple[int, ...] = ()

    def header(self, name: str) -> str | None:
        """The one value of a header. Raises Garbled where there are several."""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise Garbled(f"{name} stands {len(found)} times")
        return found[0] if found else None


class Connection:
    """One socket. Every wait ends after limit_s."""

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
        """All of it. A gateway that has closed already takes no more: what it said counts, not this."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return
        except TimeoutError as error:
            raise Silent("the gateway stopped reading") from error

    def half_close(self) -> None:
        """No more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leaves without a word."""
        self._socket.close()

    def answer(self, to_head: bool = False) -> Answer:
        """The next final answer. Raises Garbled, Silent, Ended."""
        interim: list[int] = []
        while True:
            status, headers = self._head()
            if status >= 200:
                break
            interim.append(status)
        body, raw = (b"", b"") if to_head or status in (204, 304) else self._body(dict(headers))
        return Answer(status, headers, body, raw, tuple(interim))

    def interim(self) -> int:
        """The next status line's status, its headers read too."""
        return self._head()[0]

    def closes(self, within_s: float) -> bool:
        """Whether the gateway closes without another byte. Raises Garbled if something comes."""
        if self._read:
            raise Garbled(f"{self._read[:200]!r} came after the answer")
        with self._waiting(within_s):
            try:
                more = self._socket.recv(65536)
            except (TimeoutError, Silent):
                return False
            except ConnectionResetError:
                return True
        if more:
            raise Garbled(f"{more[:200]!r} came after the answer")
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
            raise Garbled(f"{lines[0]!r} is no status line")
        return int(rest[:3]), tuple(_field(line) for line in lines[1:])

    def _body(self, headers: dict[str, str]) -> tuple[bytes, bytes]:
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and length is not None:
            raise Garbled("both Content-Length and Transfer-Encoding")
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
                raise Garbled(f"{line!r} is no chunk size")
            size = int(line, 16)
            data = self._exactly(size + 2)
            raw += [line, data]
            if not data.endswith(b"\r\n"):
                raise Garbled("a chunk does not end where it says")
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
        except Ended:
            found, self._read = self._read, b""
            return found

    def _more(self) -> None:
        begun = time.monotonic()
        try:
            more = self._socket.recv(65536)
        except TimeoutError as error:
            waited = time.monotonic() - begun
            raise Silent(f"nothing came for {waited:.1f} s after {self._read[-200:]!r}") from error
        except ConnectionResetError as error:
            raise Ended(self._read) from error
        if not more:
            raise Ended(self._read)
        self._read += more


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise Garbled(f"{line!r} is no header")
    return name.lower(), value.strip()
