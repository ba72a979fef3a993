"""The thread of the parent in which its hub runs; the main thread has the signals."""

import asyncio
import socket
import threading

from gateway.hub.server import Hub

STOP_S = 20.0
"""Longer than the scorer takes for what is left, and to end."""


class HubThread:
    """A hub in an event loop of its own. Methods may be called from any thread."""

    def __init__(self, nice: int = 0) -> None:
        """nice: niceness of the scorer, see gateway.processes.priority."""
        self._nice = nice
        self._hub: Hub | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="hub", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._is_ready.wait()

    def connect(self, worker: int) -> socket.socket:
        """Return a worker's end of a connection, to be inherited and then closed here. worker: its number, from 1."""
        hub, loop = self._started()
        own, inherited = socket.socketpair()
        asyncio.run_coroutine_threadsafe(hub.serve_worker(worker, own), loop)
        return inherited

    def skip_pending(self) -> None:
        """Let `stop` drop what has not been scored."""
        hub, loop = self._started()
        loop.call_soon_threadsafe(hub.skip_pending)

    def stop(self) -> None:
        """Score what is left, and end the scorer and the thread. Called once the workers have ended."""
        _, loop = self._started()
        loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(STOP_S)

    async def _run(self) -> None:
        self._loop, self._hub = asyncio.get_running_loop(), Hub(self._nice)
        self._is_ready.set()
        telling = asyncio.create_task(self._hub.run())
        await self._ended.wait()
        telling.cancel()
        await self._hub.stop()

    def _started(self) -> tuple[Hub, asyncio.AbstractEventLoop]:
        assert self._hub is not None  # noqa: S101 - started before anything else
        assert self._loop is not None  # noqa: S101
        return self._hub, self._loop
