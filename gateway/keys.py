"""Clients' keys: who a request is from. Only SHA-256 digests are kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.config import KeyConfig
from gateway.errors import Forbidden, Unauthenticated
from gateway.wire.headers import RawHeaders, first

BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is from. models: those it may use, None for all."""

    name: str | None = None
    default_task: str | None = None
    models: frozenset[str] | None = None

    def may_use(self, model: str) -> bool:
        """Whether this model is allowed."""
        return self.models is None or model in self.models


ANYBODY = Principal()


class Keys:
    """The configured keys. With none, whoever reaches the gateway may use it."""

    def __init__(self, configured: Sequence[KeyConfig]) -> None:
        # Looked up by digest: finding a key takes no longer the more of it a guess has right.
        self._by_digest = {
            bytes.fromhex(key.sha256): Principal(
                key.name, key.default_task, frozenset(key.models) if key.models else None
            )
            for key in configured
        }

    def principal(self, headers: RawHeaders) -> Principal:
        """Whom the Authorization header names. Raises Unauthenticated."""
        if not self._by_digest:
            return ANYBODY
        given = first(headers, b"authorization")
        if given is None or given[: len(BEARER)].lower() != BEARER:
            raise Unauthenticated("no API key: send it as Authorization: Bearer <key>", code="missing_api_key")
        found = self._by_digest.get(hashlib.sha256(given[len(BEARER) :].strip()).digest())
        if found is None:
            raise Unauthenticated("the API key is not known")
        return found


def allowed(principal: Principal, ranking: Sequence[str], task: str) -> tuple[str, ...]:
    """The models of a ranking that the key may use. Raises Forbidden where that leaves none."""
    left = tuple(model for model in ranking if principal.may_use(model))
    if not left:
        raise Forbidden(f"the key {principal.name!r} may use none of the candidates of task {task!r}")
    return left
