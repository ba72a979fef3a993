"""Requests that went as they should, counted together a few times a second: to look up every counter that one of them
moves costs more than to answer it.

Limits are not among them: a key's quota is charged at once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from gateway.lane.outcome import Progress
from gateway.wire.usage import Usage

EVERY_S = 0.1
OK = 200


class Kind(NamedTuple):
    """What requests that are counted together have in common."""

    key: str | None
    task: str
    model: str
    backend: str
    reason: str
    has_usage: bool
    has_cost: bool


@dataclass(slots=True)
class Pile:
    """Requests of one kind. times: of each, seconds from its first byte to its answer's last, and of these, ours."""

    times: list[tuple[float, float]] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)

    @property
    def usage(self) -> Usage:
        """What all of them took."""
        return Usage(self.input_tokens, self.output_tokens)


def kind_of(progress: Progress) -> Kind | None:
    """None for a request that has more to tell: of a failure, a decision in the shadow, an answer that was kept."""
    route, attempts = progress.route, progress.trail.attempts
    if (
        not progress.is_complete
        or progress.status != OK
        or progress.kept is not None
        or progress.task is None
        or route is None
        or route.would is not None
        or len(attempts) != 1
        or attempts[0].fault is not None
    ):
        return None
    answered = attempts[0]
    has_usage, has_cost = progress.usage is not None, progress.cost_usd is not None
    return Kind(progress.key, progress.task, answered.model, answered.backend, route.reason, has_usage, has_cost)


class Tally:
    """What has not been booked yet."""

    def __init__(self, book: Callable[[Kind, Pile], None]) -> None:
        """book: counts a pile."""
        self._book = book
        self._piles: dict[Kind, Pile] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: Kind, progress: Progress, seconds: float) -> None:
        """One more request. seconds: it took."""
        pile = self._piles.get(kind)
        if pile is None:
            pile = self._piles[kind] = Pile()
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.settle)
        pile.times.append((seconds, progress.overhead_s))
        usage, cost = progress.usage, progress.cost_usd
        if usage is not None:
            pile.input_tokens += usage.input_tokens
            pile.output_tokens += usage.output_tokens
            if cost is not None:
                pile.usd += cost

    def settle(self) -> None:
        """Books everything now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        piles, self._piles = self._piles, {}
        for kind, pile in piles.items():
            self._book(kind, pile)
