"""Real servers on loopback: a backend that keeps what it was asked, and an HTTP proxy. TLS by a generated authority."""

import asyncio
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.fake_upstream import BODY, STREAM
from tests.loopback import Serve, running_servers


@dataclass(frozen=True)
class Request:
    """A request as it came. headers: names in lower case; of several with one name, all values, joined by a bar."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A running server. requests: what it was asked."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def last(self) -> Request:
        return self.requests[-1]


Respond = Callable[[Request], bytes]


def whole(body: bytes = BODY, status: str = "200 OK", *lines: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines, "", ""])
    return head.encode() + body


def answer(request: Request) -> bytes:
    """Answer as a good backend does."""
    if b'"stream": true' not in request.body and b'"stream":true' not in request.body:
        return whole(BODY, "200 OK", "content-type: application/json")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in STREAM)
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunks
        + b"0\r\n\r\n"
    )


@contextmanager
def running_server(respond: Respond = answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a backend during the block."""
    made = Server(scheme="https" if tls else "http")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        while request := await read_request(reader):
            made.requests.append(request)
            writer.write(respond(request))
            await writer.drain()

    with _running(serve, made, tls):
        yield made


@contextmanager
def running_proxy(credentials: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run an HTTP proxy during the block. credentials: user:password that it wants."""
    made = Server(scheme="https" if tls else "http")
    wanted = None if credentials is None else f"Basic {b64encode(credentials.encode()).decode()}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        while request := await read_request(reader):
            made.requests.append(request)
            if request.headers.get("proxy-authorization") != wanted:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            elif request.method == "CONNECT":
                await _tunnel(request.target, reader, writer)
                return
            else:
                writer.write(await _relay(request))
            await writer.drain()

    with _running(serve, made, tls):
        yield made


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read a request; None at the connection's end."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            headers[name.lower()] = f"{headers[name.lower()]}|{value}" if name.lower() in headers else value
    method, target, _ = lines[0].split(" ")
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _tunnel(target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = target.rpartition(":")
    try:
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n")
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _relay(request: Request) -> bytes:
    """Ask the server of an absolute target (RFC 9112, 3.2.2)."""
    place, _, path = request.target.removeprefix("http://").partition("/")
    reader, writer = await asyncio.open_connection(*place.split(":"))
    hop = ("proxy-authorization", "connection")
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items() if name not in hop)
    writer.write(f"{request.method} /{path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode() + request.body)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


@contextmanager
def _running(serve: Serve, made: Server, tls: ssl.SSLContext | None) -> Iterator[None]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    with running_servers([handle], tls=tls) as (made.port,):
        yield


@dataclass(frozen=True)
class Authority:
    """An authority in a folder: ca.pem, and certificates that it signed, as NAME.pem and NAME.key."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def server_context(self, wants_client: bool = False) -> ssl.SSLContext:
        """Return a server's context. wants_client: a certificate of this authority is required of clients."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        if wants_client:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(self.path("ca.pem"))
        return made


def make_authority(folder: Path) -> Authority:
    """Make an authority, and certificates for 127.0.0.1 (`server`) and for a client (`client`)."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30, cwd=folder)  # noqa: S607

    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *kind, "-subj", "/CN=test authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    for name, extra in (("server", "subjectAltName=IP:127.0.0.1,DNS:localhost"), ("client", "subjectAltName=DNS:me")):
        (folder / "ext").write_text(extra)
        openssl("req", *kind, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    openssl("ec", "-in", "client.key", "-aes256", "-passout", "pass:secret", "-out", "encrypted.key")
    return Authority(folder)
