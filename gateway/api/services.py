"""What the endpoints work with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, Request

from gateway.config import Config
from gateway.decisions import DecisionTable
from gateway.keys import Keys, Principal
from gateway.metrics import Metrics
from gateway.spending import Ledger
from gateway.state import Store
from gateway.upstream.choose import Backends


class Scorer(Protocol):
    """The scorer as the endpoints see it. Its methods raise ScorerUnavailable or InvalidRequest."""

    @property
    def status(self) -> Literal["starting", "ready", "down"]:
        """Whether inputs are scored now."""

    @property
    def message(self) -> str:
        """Why not."""

    async def seed(self, task: str, texts: Sequence[str]) -> Mapping[str, Any]:
        """Adds inputs to a task."""

    async def dry_run(
        self, texts: Sequence[str], task: str | None = None, candidates: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        """Decides without storing anything."""

    async def forget(self, task: str) -> bool:
        """Removes all that is known of a task; False if nothing was."""


@dataclass(frozen=True, slots=True)
class Services:
    """scorer: None where no pack is configured."""

    config: Config
    keys: Keys
    table: DecisionTable
    store: Store
    scorer: Scorer | None
    metrics: Metrics
    backends: Backends
    ledger: Ledger


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    services: Services = request.app.state.services()
    return services


def principal_of(request: Request) -> Principal:
    """Whom the request is from. Raises Unauthenticated."""
    return services_of(request).keys.principal(request.scope["headers"])


Given = Annotated[Services, Depends(services_of)]
Client = Annotated[Principal, Depends(principal_of)]
