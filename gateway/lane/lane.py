"""One request, step by step: who, what, which task, where to, forward, relay. Bare ASGI, for it must be cheap."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.asgi import Receive, Scope, Send, response_body, response_start
from gateway.decisions import DecisionTable, Route
from gateway.errors import Internal, InvalidRequest, MethodNotAllowed, RateLimited, RequestError, UpstreamBusy
from gateway.keys import Keys, Principal
from gateway.lane.account import Accountant
from gateway.lane.eligible import Ability, eligible, needs_of
from gateway.lane.forward import Forwarder, Opened
from gateway.lane.leaving import while_connected
from gateway.lane.outcome import Progress
from gateway.lane.read import ClientGone, read_all
from gateway.lane.relay import relay_stream
from gateway.lane.sessions import Sessions
from gateway.lane.tag import route_of, session_of, task_of
from gateway.lane.timeouts import asked_for
from gateway.upstream.contract import Call
from gateway.wire import envelope
from gateway.wire.body import Body, read_body
from gateway.wire.headers import request_id, to_backend, to_client
from gateway.wire.operations import BY_PATH, Operation
from gateway.wire.usage import Tail, usage_in
from gateway.words import PINNED, REQUESTED, SESSION, asks_for_routing

log = logging.getLogger("benchroute.request")


@dataclass(frozen=True, slots=True)
class Lane:
    """The endpoints that go to backends. observe: takes a task and its input's JSON, and never waits."""

    keys: Keys
    abilities: Mapping[str, Ability]
    table: DecisionTable
    forwarder: Forwarder
    observe: Callable[[str, bytes], None]
    books: Accountant
    sessions: Sessions
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens."""
        progress = Progress(request_id(scope["headers"]))
        self.books.metrics.in_flight.inc()
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
            self.books.metrics.in_flight.dec()
            self.books.close(progress)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, progress: Progress) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here: POST")
        headers, operation = scope["headers"], BY_PATH[scope["path"]]
        principal = self.keys.principal(headers)
        progress.key = principal.name
        self.books.admit(progress)
        data = await read_all(scope, receive, self.max_body_bytes)
        progress.read_now()
        body = read_body(data, operation)
        tag = task_of(headers, body, principal)
        progress.task = tag.task
        session = session_of(headers, body)
        progress.route = self._route(body, tag.task, session, principal)
        if tag.is_explicit or asks_for_routing(body.model):
            self.observe(tag.task, body.content)
        call, asked = Call(body, to_backend(headers)), asked_for(headers)
        async with while_connected(receive):
            opened = await self.forwarder.open(progress.route.ranking, call, asked, progress.trail)
            if session is not None:
                self.sessions.answered(principal.name, tag.task, session, progress.model)
            await self._relay(opened, operation, send, progress)

    def _route(self, body: Body, task: str, session: str | None, principal: Principal) -> Route:
        """Where it goes. A model that the request names is asked whether it can or not: its backend will say."""
        route = route_of(body, task, principal, self.abilities, self.table.route)
        if route.reason == REQUESTED:
            return route
        route = replace(route, ranking=eligible(route.ranking, needs_of(body), self.abilities))
        if session is None or route.reason == PINNED:
            return route
        ranking, is_kept = self.sessions.ranking(principal.name, task, session, route.ranking)
        return replace(route, ranking=ranking, reason=SESSION) if is_kept else route

    async def _relay(self, opened: Opened, operation: Operation, send: Send, progress: Progress) -> None:
        is_fault: bool | None = None
        try:
            if opened.rest is None:
                is_fault = False
                self.books.priced(progress, usage_in(opened.first))
                await _whole(opened, send, progress)
            else:
                is_fault = await self._stream(opened, operation, send, progress)
        finally:
            opened.answer.close()
            opened.watched.finished(is_fault)

    async def _stream(self, opened: Opened, operation: Operation, send: Send, progress: Progress) -> bool:
        """Whether it broke off."""
        status, tail = opened.answer.status, Tail()
        headers = [*to_client(opened.answer.headers), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await send(response_start(status, [*headers, *progress.begin(status)]))
        try:
            fault = await relay_stream(opened, operation, tail, send)
        finally:
            self.books.priced(progress, tail.usage())
        progress.is_complete, progress.broke = fault is None, str(fault) if fault else None
        return fault is not None


async def _whole(opened: Opened, send: Send, progress: Progress) -> None:
    status, body, headers = opened.answer.status, opened.first, to_client(opened.answer.headers)
    if status >= 400 and not envelope.is_envelope(body):
        body = envelope.envelope(_foreign(status, body))
        headers = [(name, value) for name, value in headers if name != b"content-type"]
        headers.append((b"content-type", envelope.JSON))
    headers.append((b"content-length", str(len(body)).encode()))
    await send(response_start(status, [*headers, *progress.begin(status)]))
    progress.is_complete = True
    await send(response_body(body))


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
    if isinstance(error, UpstreamBusy | RateLimited) and error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST"))
    await send(response_start(error.status, headers))
    progress.is_complete = True
    await send(response_body(body))
