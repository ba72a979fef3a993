"""The client to backends against a real socket that answers well or badly, on the event loop that serves."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.headers import Headers
from gateway.upstream.connection import Connection
from gateway.upstream.errors import StaleConnection, TimedOut, Unreachable, UpstreamFault, UpstreamProtocolError
from gateway.upstream.interface import ResponseHandle
from gateway.upstream.pool import ConnectionPool, Origin, PendingConnection
from tests.gateway.waiting import Settled, eventually_async

HEAD, BODY = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n", b"{}"
FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GAP_S = 0.005

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def backend(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Its port. behave: is given every connection, and closes it by returning."""
    tasks = set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*pieces: bytes, keep: bool = True) -> Behaviour:
    """Answers every request with these pieces, GAP_S between them, so that each arrives by itself."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(BODY)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(GAP_S)
            if not keep:
                return

    return behave


class Reader:
    """A handler that collects the response."""

    def __init__(self) -> None:
        self.status = 0
        self.pieces: list[bytes] = []
        self.fault: UpstreamFault | None = None
        self.ended = asyncio.Event()

    def on_head(self, status: int, headers: Headers) -> None:
        self.status = status

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        self.pieces.append(data)

    def on_complete(self) -> None:
        self.ended.set()

    def on_error(self, fault: UpstreamFault) -> None:
        self.fault = fault
        self.ended.set()


async def answered(origin: Origin) -> tuple[int, bytes]:
    """One request, on a kept connection where there is one."""
    reader = Reader()
    (origin.take_idle() or await origin.open_connection(2)).send_request([HEAD, BODY], reader)
    async with asyncio.timeout(2):
        await reader.ended.wait()
    if reader.fault is not None:
        raise reader.fault
    return reader.status, b"".join(reader.pieces)


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        ([FINE], 200, b"ok"),
        ([bytes([byte]) for byte in FINE], 200, b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + FINE], 200, b"ok"),
        (
            [
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                b"1;x=y\r\no\r\n",
                b"1\r\nk\r\n0\r\na: b\r\n\r\n",
            ],
            200,
            b"ok",
        ),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], 200, b""),
    ],
    ids=["whole", "in single bytes", "after interim answers", "chunked", "no content", "empty"],
)
def test_an_answer_is_read_to_its_end_and_the_connection_kept(said: list[bytes], status: int, body: bytes) -> None:
    async def run() -> None:
        async with backend(saying(*said)) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}/v1")
            assert await answered(origin) == (status, body)
            kept = origin.take_idle()
            assert kept is not None
            kept.abort()

    uvloop.run(run())


@pytest.mark.parametrize(
    "said",
    [
        [b"HTTP/1.1 200 OK\r\n\r\no", b"k"],
        [b"HTTP/1.0 200 OK\r\n\r\no", b"k"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok"],
    ],
)
def test_a_body_without_a_length_ends_with_its_connection(said: list[bytes]) -> None:
    async def run() -> None:
        async with backend(saying(*said, keep=False)) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}")
            assert await answered(origin) == (200, b"ok")
            assert origin.take_idle() is None

    uvloop.run(run())


@pytest.mark.parametrize(
    "said",
    [
        FINE + FINE,
        FINE + b"garbage",
        FINE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        FINE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["two answers", "garbage behind", "close", "HTTP/1.0"],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(said: bytes) -> None:
    async def run() -> None:
        async with backend(saying(said)) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}")
            try:
                assert await answered(origin) == (200, b"ok")
            except UpstreamProtocolError:
                assert b"garbage" in said
            assert origin.take_idle() is None

    uvloop.run(run())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\x00 this is no HTTP\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", "lost the connection"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", "lost the connection"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, "no HTTP"),
        (b"", "closed the connection without an answer"),
    ],
)
def test_what_is_no_answer_is_a_fault(said: bytes, told: str) -> None:
    async def run() -> None:
        async with backend(saying(said, keep=False)) as port:
            with pytest.raises(UpstreamProtocolError, match=told) as raised:
                await answered(ConnectionPool().origin_of(f"http://127.0.0.1:{port}"))
            assert not isinstance(raised.value, StaleConnection)

    uvloop.run(run())


class Told:
    """A reader that remembers, and a transport to nowhere."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.end: str | None = None

    def on_head(self, status: int, headers: Headers) -> None: ...

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        assert chunk is None or chunk.lower().lstrip(b"0") == b"%x\r\n%b\r\n" % (len(data), data)
        self.pieces.append(data)

    def on_complete(self) -> None:
        self.end = "ended"

    def on_error(self, fault: UpstreamFault) -> None:
        self.end = str(fault)


class ToldChunks(Told):
    """A reader that takes whole chunks as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[bytes] = []
        self.all: list[bytes] = []

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        super().on_data(data, chunk)
        self.all.append(data)

    def on_chunk(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.all.append(chunk[chunk.index(b"\r\n") + 2 : -2])

    def on_chunks(self, pieces: Sequence[bytes], chunks: bytes) -> None:
        assert len(pieces) > 1
        assert chunks == b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        self.chunks.append(chunks)
        self.all += pieces


class Nowhere(asyncio.Transport):
    def is_closing(self) -> bool:
        return False

    def writelines(self, list_of_data: Iterable[Any]) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None: ...


CHUNK = st.builds(
    lambda size, text, extension: (text, size % len(text) + extension + b"\r\n" + text + b"\r\n"),
    st.sampled_from([b"%x", b"%X", b"000%x"]),
    st.sampled_from([b"data: 1\n\n", b"\r\n", b"5\r\n", b"0\r\n\r\n", b"x" * 30]),
    st.sampled_from([b""] * 5 + [b";a=b"]),
)


def batched(chunks: list[tuple[bytes, bytes]]) -> list[list[tuple[bytes, bytes]]]:
    """Return the first by itself, then two, then all others."""
    return [some for some in (chunks[:1], chunks[1:3], chunks[3:]) if some]


@given(
    st.lists(CHUNK, min_size=1, max_size=8),
    st.sampled_from([b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n"]),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_chunks_are_the_same_however_they_are_cut(
    chunks: list[tuple[bytes, bytes]], end: bytes, cuts: list[int]
) -> None:
    """Whole ones, as they mostly come, do not go through the parser; nobody can tell."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    whole = head + b"".join(written for _, written in chunks) + end
    at_chunks = [head, *(written for _, written in chunks), end]
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    told = []
    for pieces in (
        [bytes([byte]) for byte in whole],
        at_chunks,
        [head, *(b"".join(written for _, written in some) for some in batched(chunks)), end],
        [whole[a:b] for a, b in pairwise(places)],
    ):
        connection, reader = Connection(lambda one: None), Told()
        connection.connection_made(Nowhere())
        connection.send_request([HEAD, BODY], reader)
        for piece in pieces:
            connection.data_received(piece)
        told.append((b"".join(reader.pieces), reader.end))
        connection, of_chunks = Connection(lambda one: None), ToldChunks()
        connection.connection_made(Nowhere())
        connection.send_request([HEAD, BODY], of_chunks)
        connection.set_handler(of_chunks)
        for piece in pieces:
            connection.data_received(piece)
        told.append((b"".join(of_chunks.all), of_chunks.end))
    assert told[0][0] == b"".join(text for text, _ in chunks)
    assert told[1:] == told[:1] * 7


def test_a_kept_connection_that_was_closed_says_so() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(FINE)
        await reader.readuntil(BODY)

    async def run() -> None:
        async with backend(once) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}")
            assert await answered(origin) == (200, b"ok")
            with pytest.raises(StaleConnection):
                await answered(origin)

    uvloop.run(run())


def test_a_closed_connection_is_not_given_out() -> None:
    async def run() -> None:
        async with backend(saying(FINE, keep=False)) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}")
            connection = await origin.open_connection(2)
            reader = Reader()
            connection.send_request([HEAD, BODY], reader)
            async with asyncio.timeout(5):
                await reader.ended.wait()
            assert b"".join(reader.pieces) == b"ok"
            await eventually_async(lambda: not connection.is_open)
            assert origin.take_idle() is None

    uvloop.run(run())


def test_a_handler_that_pauses_holds_the_backend_back() -> None:
    piece = 256 * 1024
    size = 200 * piece
    sent = 0

    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(BODY)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * piece)
            await writer.drain()
            sent += piece

    async def run() -> None:
        async with backend(much) as port:
            reader = Reader()
            connection = await ConnectionPool().origin_of(f"http://127.0.0.1:{port}").open_connection(2)
            connection.send_request([HEAD, BODY], reader)
            connection.pause_reading()
            await eventually_async(Settled(lambda: sent))
            assert sent < size / 2
            connection.resume_reading()
            async with asyncio.timeout(10):
                await reader.ended.wait()
            assert sum(map(len, reader.pieces)) == size

    uvloop.run(run())


@pytest.mark.parametrize("is_open", [True, False], ids=["pooled", "new"])
def test_who_aborts_ends_the_backends_work(is_open: bool) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        asked.set()
        await reader.read(1)
        left.set()

    async def run() -> None:
        async with backend(silent) as port:
            origin, reader = ConnectionPool().origin_of(f"http://127.0.0.1:{port}"), Reader()
            handle: ResponseHandle
            if is_open:
                handle = connection = await origin.open_connection(2)
                connection.send_request([HEAD, BODY], reader)
            else:
                handle = PendingConnection(origin, 2, [HEAD, BODY], reader)
            async with asyncio.timeout(1):
                await asked.wait()
            handle.abort()
            async with asyncio.timeout(1):
                await left.wait()
            assert not reader.ended.is_set()
            assert origin.take_idle() is None

    uvloop.run(run())


def test_who_aborts_while_connecting_is_told_nothing() -> None:
    async def run() -> None:
        reader = Reader()
        origin = ConnectionPool().origin_of("http://127.0.0.1:1")
        PendingConnection(origin, 2, [HEAD, BODY], reader).abort()
        with pytest.raises(Unreachable):
            await origin.open_connection(2)  # refused, as the aborted one would have been before it
        assert not reader.ended.is_set()

    uvloop.run(run())


def test_a_new_handler_receives_the_rest() -> None:
    first, second = Told(), Told()
    connection = Connection(lambda one: None)
    connection.connection_made(Nowhere())
    connection.send_request([HEAD, BODY], first)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
    connection.set_handler(second)
    connection.data_received(b"cd")
    assert (first.pieces, first.end, second.pieces, second.end) == ([b"ab"], None, [b"cd"], "ended")


def test_a_handler_of_chunks_receives_whole_ones_as_they_came() -> None:
    first, second = Told(), ToldChunks()
    connection = Connection(lambda one: None)
    connection.connection_made(Nowhere())
    connection.send_request([HEAD, BODY], first)
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
    connection.set_handler(second)
    # A whole one; one with an extension; two at once, of which the second is cut; its rest.
    for data in (b"3\r\ncde\r\n", b"1;x\r\nf\r\n", b"1\r\ng\r\n2\r\nh", b"i\r\n", b"A\r\n0123456789\r\n", b"0\r\n\r\n"):
        connection.data_received(data)
    assert (first.pieces, second.chunks, second.end) == ([b"ab"], [b"3\r\ncde\r\n"], "ended")
    assert second.pieces == [b"f", b"g", b"h", b"i", b"0123456789"]


def test_chunks_that_come_together_go_on_together() -> None:
    reader = ToldChunks()
    connection = Connection(lambda one: None)
    connection.connection_made(Nowhere())
    connection.send_request([HEAD, BODY], reader)
    connection.set_handler(reader)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for data in (head + b"2\r\nab\r\n", b"3\r\ncde\r\n1\r\nf\r\n", b"1\r\ng\r\n", b"1\r\nh\r\n0\r\n\r\n"):
        connection.data_received(data)
    assert (reader.chunks, reader.end) == ([b"3\r\ncde\r\n1\r\nf\r\n", b"1\r\ng\r\n"], "ended")
    assert reader.all == [b"ab", b"cde", b"f", b"g", b"h"]


def test_a_handler_of_chunks_is_not_called_for_the_next_response() -> None:
    chunked, plain = ToldChunks(), Told()
    connection = Connection(lambda one: None)
    connection.connection_made(Nowhere())
    connection.send_request([HEAD, BODY], Told())
    connection.set_handler(chunked)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for data in (head, b"0\r\n\r\n"):
        connection.data_received(data)
    connection.send_request([HEAD, BODY], plain)
    for data in (head + b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"):
        connection.data_received(data)
    assert (chunked.chunks, plain.pieces, plain.end) == ([], [b"a", b"b"], "ended")


def test_no_connection_is_a_fault() -> None:
    async def run() -> None:
        with pytest.raises(Unreachable, match="refused"):
            await ConnectionPool().origin_of("http://127.0.0.1:1").open_connection(2)
        with pytest.raises(Unreachable, match="resolved"):
            await ConnectionPool().origin_of("http://no-such-name.invalid").open_connection(5)
        with pytest.raises(TimedOut):
            await ConnectionPool().origin_of("http://127.0.0.1:1").open_connection(0)

    uvloop.run(run())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself; its key lies beside it."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = ["openssl", "req", *kind, *subject, "-keyout", str(folder / "key.pem"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made


def test_tls_is_spoken_with_those_whose_certificate_is_known(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, certificate.with_name("key.pem"))
    left = asyncio.Event()

    async def fine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await saying(FINE)(reader, writer)
        finally:
            left.set()

    async def run() -> None:
        async with backend(fine, serving) as port:
            with pytest.raises(Unreachable, match="TLS"):
                await ConnectionPool().origin_of(f"https://127.0.0.1:{port}").open_connection(2)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            pool = ConnectionPool()
            origin = pool.origin_of(f"https://127.0.0.1:{port}")
            for _ in range(2):
                assert await answered(origin) == (200, b"ok")
            pool.close()
            async with asyncio.timeout(5):
                await left.wait()

    uvloop.run(run())


def test_connections_are_kept_alive_by_the_system() -> None:
    async def run() -> None:
        async with backend(saying(FINE)) as port:
            origin = ConnectionPool().origin_of(f"http://127.0.0.1:{port}")
            assert await answered(origin) == (200, b"ok")
            connection = origin.take_idle()
            assert connection is not None
            assert connection._transport is not None
            made = connection._transport.get_extra_info("socket")
            assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            connection.abort()

    uvloop.run(run())


def spoken(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A whole response. length: announced, where it is not the body's."""
    announced = b"content-length: %d" % (len(body) if length is None else length)
    return b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, b"\r\n".join([*headers, announced]), body)


JSON_TYPE, CHUNKED = b"Content-Type: application/json", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
AFTER_ANOTHER = {
    "the same": spoken(b'{"b":1234567890}', JSON_TYPE),
    "the same, empty": spoken(b"", JSON_TYPE),
    "other headers": spoken(b"{}", JSON_TYPE, b"x-request-id: 2"),
    "headers in another order": spoken(b"{}", b"x: 1", JSON_TYPE),
    "another status": spoken(b"{}", JSON_TYPE, status=b"429 Too Many Requests"),
    "another version": spoken(b"{}", JSON_TYPE).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "closing": spoken(b"{}", JSON_TYPE, b"connection: close"),
    "chunked": CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + spoken(b"{}", JSON_TYPE),
    "length with a sign": spoken(b"{}", JSON_TYPE).replace(b"length: 2", b"length: +2"),
    "two lengths": spoken(b"{}", JSON_TYPE, b"content-length: 2"),
    "two": spoken(b"{}", JSON_TYPE) * 2,
    "more than its length": spoken(b"{}more", JSON_TYPE, length=2),
    "nonsense": b"HTTP/1.1 200 OK\r\n" + JSON_TYPE + b"\r\ncontent-length: 2 \r\n\x00\r\n{}",
}


class HeadReader(Reader):
    """Collects the headers too."""

    headers: Headers = ()

    def on_head(self, status: int, headers: Headers) -> None:
        super().on_head(status, headers)
        self.headers = list(headers)

    @property
    def told(self) -> tuple[object, ...]:
        return self.status, self.headers, b"".join(self.pieces), None if self.fault is None else str(self.fault)


@pytest.mark.parametrize("cut", [None, 1, 20, -1], ids=["whole", "cut at 1", "cut at 20", "cut before the end"])
@pytest.mark.parametrize("name", AFTER_ANOTHER)
def test_a_response_reads_the_same_whatever_came_before_it(name: str, cut: int | None) -> None:
    second = AFTER_ANOTHER[name]
    first, third = spoken(b'{"a":1}', JSON_TYPE), spoken(b'{"c":[]}', JSON_TYPE)

    async def told(before: list[bytes]) -> list[tuple[object, ...]]:
        """What the handlers of the last two requests are told, after others on the same connection."""
        answers = iter([*before, second, third])

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await reader.readuntil(BODY)
                answer = next(answers)
                for piece in (answer[:cut], answer[cut:]) if cut is not None and answer is second else (answer,):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(GAP_S)

        found = []
        async with backend(behave) as port:
            pool = ConnectionPool()
            origin = pool.origin_of(f"http://127.0.0.1:{port}")
            for _ in range(len(before) + 2):
                reader = HeadReader()
                connection = origin.take_idle() or await origin.open_connection(2)
                connection.send_request([HEAD, BODY], reader)
                async with asyncio.timeout(2):
                    await reader.ended.wait()
                await asyncio.sleep(2 * GAP_S)  # what follows a response is seen before the next request
                found.append(reader.told)
            pool.close()
        return found[-2:]

    async def run() -> None:
        assert await told([first, first]) == await told([])

    uvloop.run(run())
