"""Which models can answer a request at all: what it needs against what each model has.

Judged from the body's bytes, without taking them apart: a model is only ruled out by what is certain. Tokens are
estimated at four characters each, and not at all where a request carries images or audio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.config import ModelConfig
from gateway.errors import InvalidRequest
from gateway.wire.body import Body

CHARACTERS_A_TOKEN = 4

MEDIA = {b'"image_url"': "vision", b'"input_image"': "vision", b'"input_audio"': "audio"}
SINGLY = 64
"""So many underscores are looked at one by one: a single character is found ten times as fast as a word."""

NOTHING = (b"null", b"[]")


@dataclass(frozen=True, slots=True)
class Ability:
    """What a model can do. supports: None for everything; context_window: tokens, None where unknown."""

    supports: frozenset[str] | None = None
    context_window: int | None = None


def abilities(models: Sequence[ModelConfig]) -> Mapping[str, Ability]:
    """Of every configured model."""
    return {
        model.name: Ability(None if model.supports is None else frozenset(model.supports), model.context_window)
        for model in models
    }


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request needs. tokens: an estimate of its prompt's length."""

    capabilities: frozenset[str]
    tokens: int


def needs_of(body: Body) -> Needs:
    """See the module."""
    content, found = body.content, set[str]()
    if body.members.get("tools", b"null") not in NOTHING:
        found.add("tools")
    if b'"json_schema"' in body.members.get("response_format", b""):
        found.add("json_schema")
    found |= media_in(content)
    has_media = "vision" in found or "audio" in found
    size = len(content) + len(body.members.get("tools", b""))
    return Needs(frozenset(found), 0 if has_media else size // CHARACTERS_A_TOKEN)


def media_in(content: bytes) -> set[str]:
    """Which capabilities the parts of a conversation need, whatever is written around them."""
    at, found = -1, set[str]()
    for _ in range(SINGLY):
        at = content.find(b"_", at + 1)
        if at < 0:
            return found
        start = at - len(b'"image')
        if start >= 0 and content.startswith((b'"image', b'"input'), start):
            found |= {needed for mark, needed in MEDIA.items() if content.startswith(mark, start)}
    rest = content[at:]
    return found | {needed for mark, needed in MEDIA.items() if mark in rest}


def eligible(ranking: tuple[str, ...], needs: Needs, known: Mapping[str, Ability]) -> tuple[str, ...]:
    """The models that can answer, in their order. Raises InvalidRequest, saying of each why it cannot, if none can."""
    for model in ranking:
        if _why_not(known[model], needs):
            break
    else:
        return ranking
    reasons = {model: _why_not(known[model], needs) for model in ranking}
    left = tuple(model for model, reason in reasons.items() if not reason)
    if not left:
        told = "; ".join(f"{model} {reason}" for model, reason in reasons.items())
        raise InvalidRequest(f"no model can answer this request: {told}", code="no_eligible_model")
    return left


def _why_not(ability: Ability, needs: Needs) -> str | None:
    missing = needs.capabilities - ability.supports if ability.supports is not None else ()
    if missing:
        return f"does not support {', '.join(sorted(missing))}"
    if ability.context_window is not None and needs.tokens > ability.context_window:
        return f"has a context window of {ability.context_window} tokens, the request about {needs.tokens}"
    return None
