"""Capability matching: a request's needs against what each model supports.

A model is only ruled out by what is certain. Tokens are estimated at four characters of text each; images, recordings
and files take what nobody here knows, and count as nothing. Most bodies are not parsed for it: their bytes tell that
they need nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.config import ModelConfig
from gateway.errors import InvalidRequest
from gateway.http.endpoints import MESSAGES
from gateway.http.request_body import RequestBody
from gateway.proxy.content_size import CHARACTERS_PER_TOKEN, ContentSize

UNDERSCORE = ord("_")
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
        tokens: Estimate of its text's length.
    """

    capabilities: frozenset[str]
    tokens: int


def needs_no_check(body: RequestBody, known: CapabilityTable) -> bool:
    """Return whether every model can surely answer, which is so for most requests and cheap to find out."""
    members, content, window = body.members, body.content, known.least.context_window
    return (
        UNDERSCORE not in content  # every type of a medium that needs a capability has one in its name
        and (body.operation is not MESSAGES or b'"image"' not in content)  # but for this one
        and "tools" not in members
        and "response_format" not in members
        and (window is None or len(content) <= window * CHARACTERS_PER_TOKEN)
    )


def request_needs(body: RequestBody) -> RequestNeeds:
    """Return a request's needs."""
    tools, size = body.members.get("tools", b""), ContentSize()
    size.add_json(body.content)
    found = size.capabilities
    if tools not in NO_NEEDS:
        size.add_data_json(tools)
        found = found | {"tools"}
    if b'"json_schema"' in body.members.get("response_format", b""):
        found = found | {"json_schema"}
    return RequestNeeds(found, size.characters // CHARACTERS_PER_TOKEN)


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


def explain_barred(
    ranking: tuple[str, ...], needs: RequestNeeds, known: CapabilityTable
) -> tuple[tuple[str, str], ...]:
    """Return the models that cannot answer, and why."""
    reasons = [(model, _missing_capability(known.by_model[model], needs)) for model in ranking]
    return tuple([(model, reason) for model, reason in reasons if reason])


def _missing_capability(ability: ModelCapabilities, needs: RequestNeeds) -> str | None:
    if ability.supports is not None and not needs.capabilities <= ability.supports:
        return f"does not support {', '.join(sorted(needs.capabilities - ability.supports))}"
    if ability.context_window is not None and needs.tokens > ability.context_window:
        return f"has a context window of {ability.context_window} tokens, the request about {needs.tokens}"
    return None
