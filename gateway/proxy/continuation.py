"""Responses that continue others: /v1/responses with `previous_response_id` or `conversation`.

Only the account that made what they refer to can answer them, so they go to its model and backend.
"""

import json
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from gateway.errors import InvalidRequest
from gateway.http.request_body import RequestBody
from gateway.keys.auth import Principal
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import Placement
from gateway.upstream.load_balancer import LoadBalancer
from gateway.vocabulary import SESSION, is_routed_model

Made = TypeVar("Made")

PREVIOUS, CONVERSATION = "previous_response_id", "conversation"


class _Named(msgspec.Struct, gc=False):
    id: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    conversation: _Named | None = None


class _Event(msgspec.Struct, gc=False):
    response: _Response | None = None


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def place_continuation(
    body: RequestBody, route: Route, principal: Principal, responses: ResponseAffinity, backends: LoadBalancer
) -> tuple[Route, Placement | None]:
    """Return the route and the backends of a request, changed where it continues something that is known.

    Raises InvalidRequest for what another key was given.
    """
    for param, name in _referred(body):
        if responses.is_of_others(principal.name, name):
            raise InvalidRequest(f"{param}: {name!r} does not exist", param=param, code="previous_response_not_found")
        made = responses.find_maker(principal.name, name)
        # A backend that is no longer configured: whoever the request goes to says that it does not know the ID.
        state = None if made is None else backends.find_backend(made.backend)
        if made is None or state is None:
            continue
        if is_routed_model(body.model) and principal.can_use_model(state.model):
            route = replace(route, ranking=(state.model,), reason=SESSION, propensity=None, exploration=0.0)
        placed = backends.backends_of_account(route.ranking[0], state.backend.account)
        return route, Placement(placed, is_required=True) if placed else None
    return route, None


def find_made_ids(data: bytes) -> Iterator[str]:
    """Yield the IDs of the response, and of its conversation, in a body or in the events of a stream."""
    if data.lstrip()[:1] == b"{":
        yield from _ids(_decoded(_decode_response, data))
        return
    for line in data.splitlines():
        if line.startswith(b"data:") and b'"response"' in line:
            event = _decoded(_decode_event, line[5:])
            if event is not None and event.response is not None:
                yield from _ids(event.response)
                return


def record_made(data: bytes, key: str | None, model: str, backend: str, responses: ResponseAffinity) -> bool:
    """Note who made what a body, or the events of a stream, name. Return True if there is anything."""
    found = list(find_made_ids(data))
    for name in found:
        responses.record_object(MadeObject(key, name, model, backend))
    return bool(found)


def _referred(body: RequestBody) -> Iterator[tuple[str, str]]:
    """Yield what a request refers to: parameter and ID. Values of other types are the backend's to refuse."""
    for param in (PREVIOUS, CONVERSATION):
        value = body.members.get(param)
        found = None if value is None else json.loads(value)
        if isinstance(found, dict):
            found = found.get("id")
        if isinstance(found, str):
            yield param, found


def _decoded(decode: Callable[[bytes], Made], data: bytes) -> Made | None:
    """Return what is decoded; None for an event that was cut off, and for other JSON."""
    try:
        return decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _ids(response: _Response | None) -> Iterator[str]:
    if response is not None and response.id:
        yield response.id
    if response is not None and response.conversation is not None and response.conversation.id:
        yield response.conversation.id
