"""What orchestrators and Prometheus ask: /health/live, /health/ready, /metrics.

Plain ASGI in place of FastAPI: they are asked from the first second on, and the other endpoints are built when one of
them is. Health checks require no key, so that orchestrators need none; with admin keys configured, /metrics requires
one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.responses import log_internal_error, send_error, send_response
from gateway.api.services import Services
from gateway.errors import MethodNotAllowed, RequestError, ShuttingDown
from gateway.http.asgi import App, Receive, Scope, Send
from gateway.loop_share import LoopShare

JSON = "application/json"
ALLOW = (b"allow", b"GET, HEAD, OPTIONS")


@dataclass(frozen=True, slots=True)
class Probe:
    """An endpoint of this module.

    Attributes:
        name: operation, as in the OpenAPI document.
        description: first line and further paragraphs.
        access: who may call it, as in the endpoint reference.
        media_type: of its response.
        answer: returns the body. Raises RequestError.
    """

    path: str
    name: str
    description: str
    access: str
    media_type: str
    answer: Callable[[Services, Scope], Awaitable[bytes]]

    @property
    def is_json(self) -> bool:
        """True where the body is a JSON object."""
        return self.media_type == JSON


async def _answer_live(services: Services, scope: Scope) -> bytes:
    return msgspec.json.encode({"status": "ok"})


async def _answer_ready(services: Services, scope: Scope) -> bytes:
    if services.is_draining():
        raise ShuttingDown("draining: the gateway stops soon, and still serves requests", code="draining")
    return msgspec.json.encode({"status": "ok", **_scorer_status(services)})


async def _answer_metrics(services: Services, scope: Scope) -> bytes:
    if services.authenticator.has_admin:
        services.authenticator.authenticate_admin(scope["headers"])
    share, parts = LoopShare(), list[bytes]()
    for part in services.metrics.render_parts():
        parts.append(part)
        await share.give_way()
    return b"".join(parts)


def _scorer_status(services: Services) -> Mapping[str, Any]:
    if services.scorer is None:
        return {"scorer": "none", "message": "no pack is configured"}
    return {"scorer": services.scorer.status, "message": services.scorer.message}


PROBES = (
    Probe("/health/live", "check_live", "Liveness: the process responds.", "open", JSON, _answer_live),
    Probe(
        "/health/ready",
        "check_ready",
        "Readiness: requests can be served, also while the scorer starts or is down. Routing then uses known "
        "decisions.\n\n503 from SIGTERM on, while the gateway still serves (`server.drain_s`).",
        "open",
        JSON,
        _answer_ready,
    ),
    Probe(
        "/metrics",
        "get_metrics",
        "Return the metrics in Prometheus text format.",
        "scraper",
        CONTENT_TYPE_LATEST,
        _answer_metrics,
    ),
)


class ProbeEndpoints:
    """Answers the probes, and passes on all other requests."""

    def __init__(self, app: App, services: Callable[[], Services | None]) -> None:
        """app: for all other requests. services: the running gateway's."""
        self._app, self._services = app, services
        self._by_path = {probe.path: probe for probe in PROBES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        probe = self._by_path.get(scope["path"].removesuffix("/"))
        services = self._services()
        if probe is None or services is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            # RFC 9110, 9.3.7: what the path allows, without a key.
            await send_response(send, 204, [ALLOW])
        elif scope["method"] != "GET":
            message = f"Method {scope['method']} is not allowed at {scope['path']}."
            await send_error(MethodNotAllowed(message), send, [ALLOW])
        else:
            await _answer(probe, services, scope, send)


async def _answer(probe: Probe, services: Services, scope: Scope, send: Send) -> None:
    try:
        body = await probe.answer(services, scope)
    except RequestError as error:
        await send_error(error, send)
    except Exception as error:
        await send_error(log_internal_error(scope, error), send)
    else:
        await send_response(send, 200, [(b"content-type", probe.media_type.encode())], body)
