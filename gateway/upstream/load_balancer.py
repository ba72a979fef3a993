"""Least-outstanding-requests load balancing over a model's backends, weighted; open breakers are left out."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.config.schema import BreakerConfig
from gateway.upstream.breaker import Breaker
from gateway.upstream.errors import (
    ErrorInBody,
    ErrorStatus,
    LocalShortage,
    StaleConnection,
    Unsupported,
    UpstreamFault,
)
from gateway.upstream.interface import Backend


@dataclass(slots=True)
class BackendState:
    """A backend with its breaker.

    Attributes:
        outstanding: Requests that it is answering.
    """

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


CLIENT_STATUSES = frozenset({403, 404, 409, 425})
"""Statuses that one client's request can cause at a healthy backend: a model it may not use, a response that is not
there. If they opened a breaker, it would close the backend for everybody."""


CLIENTS_OWN = CLIENT_STATUSES | {400, 413, 422}
"""The same, with those that end a request at once where they come as a status."""


def is_backend_fault(fault: UpstreamFault) -> bool | None:
    """Return what a breaker counts: True, or None for a fault that says nothing about the backend's health."""
    if isinstance(fault, ErrorStatus) and fault.status in CLIENT_STATUSES:
        return None
    # An error that came with status 200 has been sorted by nobody: only its own number tells whose fault it is.
    if isinstance(fault, ErrorInBody) and fault.status is not None and fault.status in CLIENTS_OWN:
        return None
    return None if isinstance(fault, StaleConnection | Unsupported | LocalShortage) else True


class LoadBalancer:
    """The backends of all models."""

    def __init__(
        self,
        backends: Mapping[str, Sequence[Backend]],
        breaker: BreakerConfig,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """draw: uniform in [0, 1); breaks ties, so that equal backends do not all get the same one first."""
        self._by_model = {
            model: [BackendState(model, backend, Breaker(breaker, clock)) for backend in served]
            for model, served in backends.items()
        }
        self._draw = draw

    def all_backends(self) -> Iterator[BackendState]:
        """Yield every backend."""
        for served in self._by_model.values():
            yield from served

    def find_backend(self, name: str) -> BackendState | None:
        """Return the backend of that name."""
        return next((state for state in self.all_backends() if state.backend.name == name), None)

    def backends_of_account(self, model: str, account: str) -> tuple[str, ...]:
        """Return the names of a model's backends that share an account."""
        return tuple(one.backend.name for one in self._by_model.get(model, ()) if one.backend.account == account)

    def candidates(self, model: str) -> list[BackendState]:
        """Return the model's backends whose breaker lets a request through, least busy for its weight first."""
        candidates = [state for state in self._by_model[model] if state.breaker.allows_request()]
        if len(candidates) < 2:
            return candidates
        # One more than are outstanding: of idle backends, the one with the greatest weight comes first.
        return sorted(candidates, key=lambda one: ((one.outstanding + 1) / one.backend.weight, self._draw()))

    def pick(self, model: str) -> BackendState | None:
        """Return the first of the candidates; None where there is none. No list is made where there is one backend."""
        # Most models have one backend, and every request asks.
        served = self._by_model[model]
        if len(served) == 1:
            return served[0] if served[0].breaker.allows_request() else None
        return next(iter(self.candidates(model)), None)

    def soonest_available(self, models: Sequence[str]) -> BackendState:
        """Return the backend whose breaker is the first to let a request through, where all breakers are open."""
        known = [state for model in models for state in self._by_model[model]]
        return min(known, key=lambda one: one.breaker.retry_in_s)
