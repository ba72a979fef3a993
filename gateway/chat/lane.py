"""One request, step by step: who, what, which task, where to, forward, relay. Bare ASGI, for it must be cheap."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.asgi import Receive, Scope, Send, response_body, response_start
from gateway.chat.forward import Forwarder, Opened
from gateway.chat.leaving import while_connected
from gateway.chat.outcome import Progress, account
from gateway.chat.read import ClientGone, read_all
from gateway.chat.relay import relay_stream
from gateway.chat.tag import route_of, task_of
from gateway.decisions import DecisionTable
from gateway.errors import Internal, InvalidRequest, MethodNotAllowed, RequestError, UpstreamBusy
from gateway.keys import Keys
from gateway.metrics import Metrics
from gateway.upstream.contract import Call
from gateway.wire import envelope
from gateway.wire.body import read_body
from gateway.wire.headers import request_id, to_backend, to_client
from gateway.words import asks_for_routing

PATH = "/v1/chat/completions"

log = logging.getLogger("benchroute.request")


@dataclass(frozen=True, slots=True)
class ChatLane:
    """POST /v1/chat/completions. observe: takes a task and the `messages` JSON, and never waits."""

    keys: Keys
    models: Collection[str]
    table: DecisionTable
    forwarder: Forwarder
    observe: Callable[[str, bytes], None]
    metrics: Metrics
    max_body_bytes: int
    between_chunks_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens."""
        progress = Progress(request_id(scope["headers"]))
        self.metrics.in_flight.inc()
        try:
            await self._answer(scope, receive, send, progress)
        except ClientGone:
            pass
        except RequestError as error:
            await _refuse(error, send, progress)
        except Exception:  # the edge of a request: whatever went wrong, the client gets an answer, the log the reason
            log.exception("%s failed inside the gateway", progress.request_id)
            if not progress.status:
                failed = Internal(f"the gateway failed; its log names request {progress.request_id}")
                await _refuse(failed, send, progress)
        finally:
            self.metrics.in_flight.dec()
            account(progress, self.metrics)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, progress: Progress) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here: POST")
        headers = scope["headers"]
        principal = self.keys.principal(headers)
        data = await read_all(scope, receive, self.max_body_bytes)
        progress.read_now()
        body = read_body(data)
        tag = task_of(headers, body, principal)
        progress.task = tag.task
        progress.route = route_of(body, tag.task, principal, self.models, self.table.route)
        if tag.is_explicit or asks_for_routing(body.model):
            self.observe(tag.task, body.messages)
        async with while_connected(receive):
            opened = await self.forwarder.open(progress.route.ranking, Call(body, to_backend(headers)), progress.trail)
            try:
                await self._relay(opened, send, progress)
            finally:
                opened.answer.close()

    async def _relay(self, opened: Opened, send: Send, progress: Progress) -> None:
        status, headers = opened.answer.status, to_client(opened.answer.headers)
        if opened.rest is None:
            body = opened.first
            if status >= 400 and not envelope.is_envelope(body):
                body = envelope.envelope(_foreign(status, body))
                headers = [(name, value) for name, value in headers if name != b"content-type"]
                headers.append((b"content-type", envelope.JSON))
            headers.append((b"content-length", str(len(body)).encode()))
            await send(response_start(status, [*headers, *progress.begin(status)]))
            progress.is_complete = True
            await send(response_body(body))
            return
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await send(response_start(status, [*headers, *progress.begin(status)]))
        fault = await relay_stream(opened, send, self.between_chunks_s)
        progress.is_complete, progress.broke = fault is None, str(fault) if fault else None


def _foreign(status: int, body: bytes) -> RequestError:
    """A backend's refusal that is not written as OpenAI writes one."""
    told = body[:500].decode("utf-8", "replace")
    return InvalidRequest(f"the backend refused the request with status {status}: {told}", code="upstream_refused")


async def _refuse(error: RequestError, send: Send, progress: Progress) -> None:
    body = envelope.envelope(error)
    headers = [
        (b"content-type", envelope.JSON),
        (b"content-length", str(len(body)).encode()),
        *progress.begin(error.status),
    ]
    if isinstance(error, UpstreamBusy) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST"))
    await send(response_start(error.status, headers))
    progress.is_complete = True
    await send(response_body(body))
