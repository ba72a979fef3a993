"""Responses that continue others: /v1/responses with `previous_response_id` or `conversation`.

Only the account that made what they refer to can answer them, so they go to its model and backend.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace as replace_fields
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

OPEN = ("queued", "in_progress")
"""Statuses of a response that is still being made."""

PREVIOUS, CONVERSATION = "previous_response_id", "conversation"


class _Named(msgspec.Struct, gc=False):
    id: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    status: str | None = None
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


def record_made(data: bytes, maker: MadeObject, responses: ResponseAffinity) -> None:
    """Note who made the response, and its conversation, that a body or the events of a stream name.

    maker: with the key, model and backend.
    """
    for response in _find_responses(data):
        if response.id:
            responses.record_object(replace_fields(maker, object_id=response.id, is_open=response.status in OPEN))
        if response.conversation is not None and response.conversation.id:
            responses.record_object(replace_fields(maker, object_id=response.conversation.id))


def _find_responses(data: bytes) -> Iterator[_Response]:
    """Yield the response that a body is, or that the last event of a stream names."""
    if data.lstrip()[:1] == b"{":
        found = _decoded(_decode_response, data)
        yield from () if found is None else (found,)
        return
    # The last event that names it knows whether it is complete.
    for line in reversed(data.splitlines()):
        if line.startswith(b"data:") and b'"response"' in line:
            event = _decoded(_decode_event, line[5:])
            if event is not None and event.response is not None:
                yield event.response
                return


def _referred(body: RequestBody) -> Iterator[tuple[str, str]]:
    """Yield what a request refers to: parameter and ID. Values of other types are the backend's to refuse."""
    for param in (PREVIOUS, CONVERSATION):
        found = _decoded(msgspec.json.decode, body.members.get(param, b"null"))
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
