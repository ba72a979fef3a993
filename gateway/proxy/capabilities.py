"""Capability matching: a request's needs against what each model supports.

Read from the body's bytes, without parsing them: a model is only ruled out by what is certain. Tokens are
estimated at four characters each, and not at all where a request carries images or audio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.config import ModelConfig
from gateway.errors import InvalidRequest
from gateway.http.request_body import RequestBody

CHARACTERS_PER_TOKEN = 4

MEDIA = {b'"image_url"': "vision", b'"input_image"': "vision", b'"input_audio"': "audio"}
SINGLE_MODEL_ENDPOINTS = 64
"""Underscores that are checked one by one: a single character is found ten times as fast as a word."""

NO_NEEDS = (b"", b"null", b"[]")


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """Capabilities of a model.

    Attributes:
        supports: None for all.
        context_window: Tokens, None where unknown.
    """

    supports: frozenset[str] | None = None
    context_window: int | None = None


@dataclass(frozen=True, slots=True)
class CapabilityTable:
    """Capabilities of every model that answers chat.

    Attributes:
        least: Those that all models of kind chat have; most requests need no more.
        other_kinds: Kind of each model that answers no chat.
    """

    by_model: Mapping[str, ModelCapabilities]
    least: ModelCapabilities
    other_kinds: Mapping[str, str]


def build_capability_table(models: Sequence[ModelConfig]) -> CapabilityTable:
    """Return the table of the configured models."""
    by_model = {
        model.name: ModelCapabilities(
            None if model.supports is None else frozenset(model.supports), model.context_window
        )
        for model in models
        if model.kind == "chat"
    }
    lists = [one.supports for one in by_model.values() if one.supports is not None]
    windows = [one.context_window for one in by_model.values() if one.context_window is not None]
    least = ModelCapabilities(lists[0].intersection(*lists) if lists else None, min(windows) if windows else None)
    return CapabilityTable(by_model, least, {model.name: model.kind for model in models if model.kind != "chat"})


class RequestNeeds(msgspec.Struct, frozen=True, gc=False):
    """Needs of a request.

    Attributes:
        tokens: Estimate of its prompt's length.
    """

    capabilities: frozenset[str]
    tokens: int


def needs_no_check(body: RequestBody, known: CapabilityTable) -> bool:
    """Return whether every model can surely answer, which is so for most requests and cheap to find out."""
    members, content, window = body.members, body.content, known.least.context_window
    return (
        b"_" not in content  # every type of a medium has one in its name
        and "tools" not in members
        and "response_format" not in members
        and (window is None or len(content) <= window * CHARACTERS_PER_TOKEN)
    )


def request_needs(body: RequestBody) -> RequestNeeds:
    """Return a request's needs."""
    content, members = body.content, body.members
    tools, media = members.get("tools", b""), detect_media(content)
    found = media
    if tools not in NO_NEEDS:
        found = found | {"tools"}
    if b'"json_schema"' in members.get("response_format", b""):
        found = found | {"json_schema"}
    # Base64 would count as text, so nothing is estimated where there is media.
    return RequestNeeds(found, 0 if media else (len(content) + len(tools)) // CHARACTERS_PER_TOKEN)


def detect_media(content: bytes) -> frozenset[str]:
    """Return the capabilities that a conversation's parts need, whatever is written around them."""
    # Every marker has an underscore behind "image" or "input", and prose has few of them: look there alone.
    at, found = -1, frozenset[str]()
    for _ in range(SINGLE_MODEL_ENDPOINTS):
        at = content.find(b"_", at + 1)
        if at < 0:
            return found
        start = at - len(b'"image')
        if start >= 0 and content.startswith((b'"image', b'"input'), start):
            found |= {needed for mark, needed in MEDIA.items() if content.startswith(mark, start)}
    rest = content[at:]
    return found | {needed for mark, needed in MEDIA.items() if mark in rest}


def filter_capable(ranking: tuple[str, ...], needs: RequestNeeds, known: CapabilityTable) -> tuple[str, ...]:
    """Return the models that can answer, in their order. Raises InvalidRequest, with reasons, if none can."""
    if not _missing_capability(known.least, needs):
        return ranking
    reasons = {model: _missing_capability(known.by_model[model], needs) for model in ranking}
    left = tuple(model for model, reason in reasons.items() if not reason)
    if not left:
        listed = "; ".join(f"{model} {reason}" for model, reason in reasons.items())
        raise InvalidRequest(f"no model can answer this request: {listed}", code="no_eligible_model")
    return left


def _missing_capability(ability: ModelCapabilities, needs: RequestNeeds) -> str | None:
    if ability.supports is not None and not needs.capabilities <= ability.supports:
        return f"does not support {', '.join(sorted(needs.capabilities - ability.supports))}"
    if ability.context_window is not None and needs.tokens > ability.context_window:
        return f"has a context window of {ability.context_window} tokens, the request about {needs.tokens}"
    return None
