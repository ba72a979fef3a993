"""The request log of a running gateway: its store, its thread, and what of a body it takes."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.config import Config
from gateway.errors import StateError
from gateway.proxy.accounting import BatchObserver
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.log_rows import RowMaker
from gateway.proxy.record_columns import RecordColumns
from gateway.request_log.access import RequestLog, RequestLogAccess
from gateway.request_log.bodies import BodyEncoder
from gateway.request_log.sqlite import SqliteRequestStore, log_path
from gateway.request_log.storage import RequestStore
from gateway.request_log.writer import LogCounts, RequestLogWriter, RetentionLimits
from gateway.sharing.node import Node

log = logging.getLogger("benchroute.requests")

MB = 1_000_000
SWITCHED_OFF = "The request log is switched off: set `log.enabled: true` in config.yaml and restart the gateway."


class RequestLogging:
    """The request log, or why there is none."""

    def __init__(self, writer: RequestLogWriter[RecordColumns] | None, fault: str, store: RequestStore | None = None):
        self._writer = writer
        has_log = store is not None and writer is not None
        self.access = RequestLogAccess(RequestLog(store, writer) if has_log else None, fault)  # type: ignore[arg-type]

    @property
    def observers(self) -> Sequence[BatchObserver]:
        """Whatever has to see the records of all requests."""
        return () if self._writer is None else (self._writer.add_batch,)

    @property
    def counts(self) -> LogCounts:
        """Counts since the start."""
        return LogCounts() if self._writer is None else self._writer.counts


@asynccontextmanager
async def open_request_log(config: Config, node: Node | None) -> AsyncIterator[RequestLogging]:
    """Log requests during the block, if the configuration says so.

    A log that cannot be opened stops no gateway: requests are served, and the endpoints of the log say what is wrong.
    """
    if not config.log.enabled:
        yield RequestLogging(None, SWITCHED_OFF)
        return
    try:
        store = await asyncio.to_thread(_open_store, config, node)
    except StateError as error:
        log.error("requests are not logged: %s", error)
        yield RequestLogging(None, f"Requests are not logged: {error}")
        return
    limits = RetentionLimits(config.log.retention_days, config.log.max_mb * MB)
    writer = RequestLogWriter(store, RowMaker(_body_encoder(config)).make_columns, limits)
    writer.start()
    try:
        yield RequestLogging(writer, "", store)
    finally:
        await asyncio.to_thread(writer.close)
        store.close()


def _open_store(config: Config, node: Node | None) -> RequestStore:
    if node is not None:
        return node.open_request_store(config)
    return SqliteRequestStore(log_path(config.state.url.removeprefix("sqlite:///")))


def _body_encoder(config: Config) -> Callable[[BodyCapture], bytes | None] | None:
    """Return what makes the stored form of a body; None where bodies are not stored."""
    if not config.log.bodies:
        return None
    encoder = BodyEncoder([re.compile(one) for one in config.log.redact], config.log.max_body_kb * 1000)
    return lambda capture: encoder.encode(capture.request.members, b"".join(capture.pieces))
