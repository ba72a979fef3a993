"""Which of a model's backends is asked next: the one with the least to do for its weight, broken ones left out."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.config.schema import BreakerConfig
from gateway.upstream.breaker import Breaker
from gateway.upstream.errors import StaleConnection, Unsupported, UpstreamFault
from gateway.upstream.interface import Backend


@dataclass(slots=True)
class BackendState:
    """A backend, its breaker, and how many requests it is answering."""

    model: str
    backend: Backend
    breaker: Breaker
    outstanding: int = 0

    def on_start(self) -> None:
        """Note that a request is sent; on_finish follows."""
        self.breaker.on_start()
        self.outstanding += 1

    def on_finish(self, is_fault: bool | None) -> None:
        """Note how the request ended. is_fault: None where that says nothing about the backend's health."""
        self.outstanding -= 1
        self.breaker.on_result(is_fault)


def is_backend_fault(fault: UpstreamFault) -> bool | None:
    """Return what a breaker counts: True, or None for a fault that says nothing about the backend's health."""
    return None if isinstance(fault, StaleConnection | Unsupported) else True


class LoadBalancer:
    """All backends of all models."""

    def __init__(
        self,
        backends: Mapping[str, Sequence[Backend]],
        breaker: BreakerConfig,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """draw: in [0, 1), settles which of equals comes first."""
        self._by_model = {
            model: [BackendState(model, backend, Breaker(breaker, clock)) for backend in served]
            for model, served in backends.items()
        }
        self._draw = draw

    def all_backends(self) -> Iterator[BackendState]:
        """Every backend."""
        for served in self._by_model.values():
            yield from served

    def candidates(self, model: str) -> list[BackendState]:
        """The model's backends whose breaker lets a request through, least busy for its weight first."""
        open_to_all = [watched for watched in self._by_model[model] if watched.breaker.allows_request()]
        if len(open_to_all) < 2:
            return open_to_all
        return sorted(open_to_all, key=lambda one: ((one.outstanding + 1) / one.backend.weight, self._draw()))

    def pick(self, model: str) -> BackendState | None:
        """The first of these; None where none lets a request through."""
        served = self._by_model[model]
        if len(served) == 1:
            return served[0] if served[0].breaker.allows_request() else None
        return next(iter(self.candidates(model)), None)

    def soonest_available(self, models: Sequence[str]) -> BackendState:
        """Of the backends of these models, all of whose breakers are open, the one that closes soonest."""
        known = [watched for model in models for watched in self._by_model[model]]
        return min(known, key=lambda one: one.breaker.retry_in_s)
