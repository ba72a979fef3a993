"""uvicorn's server with the gateway's shutdown: drain, then stop to listen, then end what is in flight.

SIGTERM ──► draining (server.drain_s): not ready, still serving ──► requests in flight finish (server.shutdown_grace_s)
   └── again, at any time ──► everything in flight is ended at once; usage is saved
"""

import asyncio
import gc
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Protocol, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from gateway.config import Config
from gateway.http.strict_protocol import StrictHttpProtocol
from gateway.loop_share import LoopShare
from gateway.processes.service_manager import READY, STOPPING, notify_service_manager
from gateway.proxy.protocol import ProxyProtocol
from gateway.server.app import Gateway
from gateway.server.listener import Listener, bind_addresses

log = logging.getLogger("benchroute")

IDLE_S = 1.0
"""Connections that were idle for less are not closed for others: their client is about to send something."""

SHUTDOWN_WRITE_S = 5
"""Time for clients to read the error that ends their request at shutdown."""

SAME_SIGNAL_S = 1.0
"""A service manager signals all processes of a service, and so a worker twice: directly, and through its parent."""

CHECK_S = 0.05


class Server(uvicorn.Server):
    """uvicorn's server with the gateway's shutdown.

    After the drain it accepts no more connections and waits `server.shutdown_grace_s` for requests in flight; longer
    ones get an error. Observations and usage are written after the last of them.
    """

    def __init__(
        self, gateway: Gateway, config: Config, is_worker: bool = False, listening: Callable[[int], None] | None = None
    ) -> None:
        """is_worker: its parent forwards the signals that it gets. listening: called once with the port."""
        self._listening = listening
        self._gateway = gateway
        self._grace_s, self._drain_s = config.server.shutdown_grace_s, config.server.drain_s
        self._same_signal_s = SAME_SIGNAL_S if is_worker else 0.0
        self._signalled_at: float | None = None
        self._drain_ends: float | None = None
        super().__init__(
            uvicorn.Config(
                gateway,
                host=config.server.host,
                port=config.server.port,
                http=ProxyProtocol if config.server.lane == "express" else StrictHttpProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=config.server.keep_alive_s,  # type: ignore[arg-type]  # uvicorn takes any number
                timeout_graceful_shutdown=math.ceil(self._grace_s) + SHUTDOWN_WRITE_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen."""
        if sys.platform == "win32":  # its event loop cannot watch a listening socket
            await super().startup(sockets)
            if self._listening is not None:
                self._listening(self.config.port)
            return
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        try:
            bound = sockets or bind_addresses(self.config.host, self.config.port)
        except OSError as error:
            log.error("%s:%d cannot be bound: %s", self.config.host, self.config.port, error.strerror or error)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        descriptors = self._gateway.descriptors
        descriptors.add_release(lambda count: close_idle(self._connections(), count, asyncio.get_running_loop().time()))
        listeners = [Listener(one, self.config.backlog, self._connect, descriptors) for one in bound]
        self.servers = cast("list[asyncio.base_events.Server]", listeners)
        if self._listening is not None:
            self._listening(bound[0].getsockname()[1])
        # What lives as long as the process is left out of collections from now on: to walk over modules, settings and
        # 100,000 decisions takes 50 ms, in which no request is served.
        gc.freeze()
        gc.enable()
        self.started = True
        notify_service_manager(READY)

    def _connect(self) -> asyncio.Protocol:
        """Make the protocol of a client's connection."""
        kind = cast("type[StrictHttpProtocol]", self.config.http_protocol_class)
        return kind(self.config, self.server_state, self.lifespan.state)

    def _connections(self) -> "Iterable[ClientConnection]":
        return cast("Iterable[ClientConnection]", self.server_state.connections)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain or to shut down; at a second signal end at once. No logging: this is a signal handler."""
        self._captured_signals.append(sig)
        now = time.monotonic()
        if self._signalled_at is None:
            self._signalled_at = now
            # Ctrl-C is somebody at a terminal, who waits: no load balancer has to learn of it.
            if sig == signal.SIGTERM and self._drain_s:
                self._drain_ends = now + self._drain_s
            else:
                self.should_exit = True
        elif now - self._signalled_at >= self._same_signal_s:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Begin to drain, and stop at the end of the drain. uvicorn calls this ten times a second."""
        if self._drain_ends is not None:
            if not self._gateway.is_draining:
                self._gateway.begin_drain()
                notify_service_manager(STOPPING)
                log.info("draining for %g s: not ready, still serving", self._drain_s)
            if time.monotonic() >= self._drain_ends:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down, with an error to requests that exceed the grace period, or to all after a second signal."""
        notify_service_manager(STOPPING)
        abort = asyncio.get_running_loop().call_later(self._grace_s, self._gateway.abort_requests)
        forced = asyncio.create_task(self._abort_when_forced())
        for listener in self.servers:
            listener.close()
        await self._close_idle_connections()
        await super().shutdown(sockets)
        abort.cancel()
        if not self.force_exit:
            forced.cancel()
            return
        await forced
        # uvicorn leaves this out: what was spent must be saved, however great the hurry.
        await self.lifespan.shutdown()

    async def _close_idle_connections(self) -> None:
        """Close connections without a request while requests go on. uvicorn does it in one piece: 10,000 take 0.2 s."""
        share = LoopShare()
        for connection in list(self.server_state.connections):
            connection.shutdown()
            await share.give_way()

    async def _abort_when_forced(self) -> None:
        while not self.force_exit:  # noqa: ASYNC110 - set by a signal handler, which must not touch the loop
            await asyncio.sleep(CHECK_S)
        self._gateway.skip_observations()
        self._gateway.abort_requests()
        # A turn of the loop for the errors to be sent.
        await asyncio.sleep(CHECK_S)


class ClientConnection(Protocol):
    """A client's connection, as far as it is used here.

    Attributes:
        idle_since: By the event loop's clock; None while a request is read or answered.
    """

    transport: asyncio.Transport

    @property
    def idle_since(self) -> float | None:
        """The time."""


def close_idle(connections: Iterable[ClientConnection], count: int, now: float) -> int:
    """Close connections that are idle, the longest first. Return how many. count: at most so many."""
    idle = [(since, one) for one in connections if (since := one.idle_since) is not None and since <= now - IDLE_S]
    idle.sort(key=lambda pair: pair[0])
    for _, one in idle[:count]:
        one.transport.close()
    return len(idle[:count])
