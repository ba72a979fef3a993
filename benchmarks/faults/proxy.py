"""A TCP proxy between one gateway and Redis that can stop passing anything on, in silence: a partition."""

import asyncio
import threading
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Runs in a thread of its own. While it is cut, bytes are swallowed and connections stay open: a cut cable."""

    port: int
    target: int
    is_cut: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def start(self) -> None:
        """Listens from now on."""
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), name="proxy", daemon=True).start()
        ready.wait(10)

    def stop(self) -> None:
        """Closes everything."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", self.port))
        ready.set()
        self._loop.run_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.is_cut:  # noqa: ASYNC110 - another thread says when it is over; a SYN that is never answered looks the same to who waits for the answer
            await asyncio.sleep(0.05)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if self.is_cut:
                    continue
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
