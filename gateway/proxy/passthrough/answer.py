"""One request that is passed through, from its head to the last byte of its response."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.errors import RequestError, ShuttingDown, UnsupportedContentEncoding
from gateway.http import error_envelope
from gateway.http.asgi import RawHeaders, Receive, Scope, Send, header_pairs, response_body, response_start
from gateway.http.forwarding import response_headers
from gateway.http.headers import Headers, RequestHead, first_value
from gateway.http.read_body import ClientDisconnected, check_head, read_body
from gateway.http.request_body import RequestBody
from gateway.http.sse import is_event_stream
from gateway.keys.auth import Principal
from gateway.proxy.passthrough.asking import AnsweredAttempt, Asking
from gateway.proxy.passthrough.bodies import Body, FormBody, HeldBody, PieceReader
from gateway.proxy.passthrough.capture import ExchangeCapture
from gateway.proxy.passthrough.endpoints import ChosenBy, MatchedEndpoint, allowed_methods, match_endpoint
from gateway.proxy.passthrough.target import TargetResolver
from gateway.proxy.passthrough.upload import RelayedRequest
from gateway.proxy.passthrough.usage import ResponseInspector
from gateway.proxy.pipeline import Pipeline, internal_error
from gateway.proxy.request_record import RequestRecord
from gateway.proxy.response_affinity import MadeObject
from gateway.proxy.responses import UNBUFFERED_HEADERS, error_headers
from gateway.upstream.errors import UpstreamFault
from gateway.upstream.timeouts import parse_timeout_headers
from gateway.vocabulary import AUTO

log = logging.getLogger("benchroute.request")

FORM = b"multipart/form-data"
UPLOAD_BYTES_PER_S = 1024 * 1024
KEPT_HEADERS = frozenset({b"content-length", b"content-encoding", b"content-disposition"})
"""Headers of a body that is passed on byte for byte."""


@dataclass(frozen=True, slots=True)
class Passthrough:
    """The endpoints that are passed through, as an ASGI application.

    Attributes:
        max_upload_bytes: limit of a form.
        body_timeout_s: time for a body that is held whole.
        clock: seconds, monotonic.
    """

    pipeline: Pipeline
    resolver: TargetResolver
    max_upload_bytes: int
    body_timeout_s: float
    clock: Callable[[], float] = time.monotonic

    @property
    def upload_timeout_s(self) -> float:
        """Time for a form: as much longer than for another body as the largest takes at UPLOAD_BYTES_PER_S."""
        return self.body_timeout_s + self.max_upload_bytes / UPLOAD_BYTES_PER_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = RequestHead(scope["headers"])
        try:
            matched = match_endpoint(scope["method"], scope["path"])
        except RequestError as error:
            allow = (b"allow", ", ".join(allowed_methods(scope["path"])).encode())
            await send_error(send, error, [*error_headers(error)[:1], allow], error_envelope.encode_error(error))
            return
        record = self.pipeline.start_request(head, matched.endpoint.record_endpoint)
        exchange = PassthroughExchange(self, matched, head, record, send)
        try:
            await exchange.answer(scope, receive)
        except ClientDisconnected:
            pass  # counted as 499: the response has no end
        except RequestError as error:
            await exchange.fail(error)
        except asyncio.CancelledError:
            record.aborted_status = ShuttingDown.status
            raise
        except Exception:
            log.exception("%s failed inside the gateway", record.request_id)
            await exchange.fail(internal_error(record))
        finally:
            self.pipeline.finish_request(record)


async def send_error(send: Send, error: RequestError, headers: RawHeaders, body: bytes) -> None:
    """Send an error of the gateway's own."""
    length = (b"content-length", b"%d" % len(body))
    await send(response_start(error.status, [*headers, length]))
    await send(response_body(body))


class PassthroughExchange:
    """One request and its response."""

    def __init__(
        self, shared: Passthrough, matched: MatchedEndpoint, head: RequestHead, record: RequestRecord, send: Send
    ) -> None:
        self._shared, self._matched, self._endpoint = shared, matched, matched.endpoint
        self._head, self._record, self._send = head, record, send
        self._capture: ExchangeCapture | None = None

    async def answer(self, scope: Scope, receive: Receive) -> None:
        """Answer the request. Raises RequestError, ClientDisconnected."""
        principal = self._shared.pipeline.authenticate(self._head, self._record)
        body = await self._read_body(scope, receive)
        if self._shared.pipeline.captures_bodies:
            self._capture = ExchangeCapture(self._endpoint, body)
        try:
            await _while_connected(self._relay(scope, body, principal), body, receive)
        finally:
            body.close()
            if self._capture is not None:
                self._record.capture = self._capture.finish()

    async def fail(self, error: RequestError) -> None:
        """Send an error. A response that has begun is left without its end, so that its connection is closed."""
        record = self._record
        record.error = error.message
        if record.status:
            record.stream_error = error.message
            return
        lines = record.begin_response(error.status)
        record.is_complete = True
        body = error_envelope.encode_error(error, self._endpoint.record_endpoint)
        await send_error(self._send, error, [*error_headers(error), *header_pairs(lines)], body)

    async def _read_body(self, scope: Scope, receive: Receive) -> Body:
        """Return the body: whole where it is JSON; of a form as much as has to be read before it can go on."""
        content_type = first_value(self._head.headers, b"content-type") or b""
        has_model = self._endpoint.chosen_by is ChosenBy.MODEL
        if not content_type.lower().startswith(FORM):
            limit = self._shared.pipeline.max_body_bytes
            data = await read_body(scope, receive, limit, self._shared.body_timeout_s)
            return HeldBody(data, content_type or error_envelope.JSON, has_model)
        if check_head(scope, self._shared.max_upload_bytes, "server.max_upload_bytes") is not None:
            raise UnsupportedContentEncoding(
                "Compressed forms are not supported: send the form without Content-Encoding."
            )
        length = first_value(self._head.headers, b"content-length")
        reader = PieceReader(receive, self._shared.max_upload_bytes, self._shared.upload_timeout_s)
        body = FormBody(reader, content_type, None if length is None else int(length), has_model)
        try:
            await body.read_to_model()
        except BaseException:
            body.close()
            raise
        return body

    async def _relay(self, scope: Scope, body: Body, principal: Principal) -> None:
        shared, record, head = self._shared, self._record, self._head
        named = RequestBody(self._endpoint.record_endpoint, {}, body.model or AUTO)
        record.asked_model = body.model
        record.task = shared.pipeline.tasks.resolve_task(head, named, principal).task
        target = shared.resolver.resolve_target(self._matched, body.model, record.task, principal)
        record.route = target.route
        record.mark_read()
        # What was matched is in ASCII and has no percent sign: it is the path as the client sent it.
        path = b"?".join(part for part in (scope["path"].encode(), scope.get("query_string", b"")) if part)
        rules = shared.pipeline.forwarding
        forwarded = shared.pipeline.accounting.inject_trace_context(head, record, rules.request)
        request = RelayedRequest(self._endpoint.method, path, forwarded, body)
        asking = Asking(shared.pipeline.failover, self._endpoint, request, record, shared.clock)
        answered = await asking.ask_backends(target, parse_timeout_headers(head.gateway_headers))
        try:
            await self._deliver(answered)
        finally:
            answered.finish()

    async def _deliver(self, answered: AnsweredAttempt) -> None:
        """Send the response as it comes."""
        record, attempt, response = self._record, answered.attempt, answered.attempt.response
        inspector = ResponseInspector(response.headers)
        lines = record.begin_response(response.status)
        if (capture := self._capture) is not None:
            capture.begin_response(response.headers)
        try:
            await self._send(response_start(response.status, [*self._shown(response.headers), *header_pairs(lines)]))
            while piece := await response.read_piece(min(attempt.idle_s, attempt.left_s)):
                inspector.feed(piece)
                if capture is not None:
                    capture.add_piece(piece)
                if self._endpoint.makes is not None:
                    # Before the client has the ID: its next request may name it.
                    self._record_object(inspector)
                await self._send(response_body(piece, more=True))
            # Before the end: the key's next request must see what this one took.
            self._record_usage(inspector)
            record.is_complete = True
            await self._send(response_body(b""))
        except UpstreamFault as fault:
            record.stream_error = str(fault)
        finally:
            if not record.is_complete:
                self._record_usage(inspector)

    def _record_usage(self, inspector: ResponseInspector) -> None:
        record, endpoint = self._record, self._endpoint
        if not (200 <= record.status < 300 and (endpoint.is_billed or endpoint.settles)):
            return
        report = inspector.find_usage()
        # A response that is not complete reports none; of a complete one the first report counts.
        if endpoint.settles and (
            report is None
            or not self._shared.resolver.responses.close_object(record.key, self._matched.object_id or "")
        ):
            return
        self._shared.pipeline.accounting.record_report(record, report)

    def _record_object(self, inspector: ResponseInspector) -> None:
        record, made = self._record, inspector.find_id()
        if made is not None and 200 <= record.status < 300:
            found = MadeObject(record.key, made, record.model, record.backend)
            self._shared.resolver.responses.record_object(found)

    def _shown(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """Return the headers of a backend's response that a client gets."""
        kept = [pair for pair in headers if pair[0] in KEPT_HEADERS]
        allowed = response_headers(headers, self._shared.pipeline.forwarding.response)
        return [*allowed, *kept, *(UNBUFFERED_HEADERS if is_event_stream(headers) else ())]


async def _while_connected(work: Coroutine[None, None, None], body: Body, receive: Receive) -> None:
    """Do the work; cancel it when the client leaves, for nobody would read the response. Raises ClientDisconnected."""

    async def watch() -> None:
        # Until the body has come, whoever reads it sees the client leave.
        await body.completed.wait()
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(watch())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ClientDisconnected
        tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
