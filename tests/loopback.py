"""Servers on loopback, in a thread with an event loop of its own."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SETTLE_S = 0.01


@contextmanager
def running_servers(
    serves: Sequence[Serve], port: int = 0, tls: ssl.SSLContext | None = None, limit: int = 2**16
) -> Iterator[list[int]]:
    """Run a server for each of these during the block. Yields their ports.

    serves: each serves one connection. port: 0 for free ones. limit: bytes that a reader holds.
    """
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def main() -> None:
        servers = [await asyncio.start_server(one, "127.0.0.1", port, limit=limit, ssl=tls) for one in serves]
        ports.extend([server.sockets[0].getsockname()[1] for server in servers])
        started.set()
        await stop.wait()
        for server in servers:
            server.close()
        await asyncio.sleep(SETTLE_S)  # a connection that has just been accepted has no task yet
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(SETTLE_S)  # sockets that were just closed are closed by the loop, a turn later

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ports
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
