"""Scripted upstreams on raw sockets: one port a row of the table, so that rows share neither connections nor breakers.

A script is a sequence of steps for one request: bytes are sent, a number is a pause in seconds, and an `End` says what
becomes of the connection. A script without an `End` keeps the connection open for the next request.
"""

import asyncio
import enum
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.loopback import running_servers


class End(enum.Enum):
    """CLOSE: the backend closes. STALL: it sends nothing more until the gateway closes."""

    CLOSE = "close"
    STALL = "stall"


Step = bytes | float | End
Script = tuple[Step, ...]


class ScriptedBackend:
    """One upstream.

    Attributes:
        asked: The requests received, head and body, `Host` left out.
        abandoned: How many of its stalled answers the gateway closed.
        port: Where it listens; for a backend without scripts, a port that refuses connections.
    """

    def __init__(self, scripts: Sequence[Script]) -> None:
        """scripts: one a request; the last one is repeated."""
        self.asked: list[bytes] = []
        self.abandoned = 0
        self.port = 0
        self._scripts = scripts

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. Returns whether the connection stays open."""
        self.asked.append(await _read_request(reader))
        for step in self._scripts[min(len(self.asked), len(self._scripts)) - 1]:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, End):
                if step is End.STALL and not await reader.read(1):
                    self.abandoned += 1
                return False
            else:
                await asyncio.sleep(step)
        return True


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:"))
    kept = b"\r\n".join(line for line in lines if not line.lower().startswith(b"host:"))
    return kept + await reader.readexactly(length)


@contextmanager
def scripted_backends(scripts: Mapping[str, Sequence[Script]]) -> Iterator[dict[str, ScriptedBackend]]:
    """Serve every row's scripts, by name, in a thread with an event loop of its own."""
    made = {name: ScriptedBackend(of_row) for name, of_row in scripts.items()}
    served = [one for one in made.values() if one._scripts]
    with socket.socket() as refusing:
        # Bound, but not listening: connections are refused, and nobody else gets the port.
        refusing.bind(("127.0.0.1", 0))
        for one in made.values():
            one.port = refusing.getsockname()[1]
        with running_servers([one.serve for one in served], limit=2**22) as ports:
            for one, port in zip(served, ports, strict=True):
                one.port = port
            yield made
