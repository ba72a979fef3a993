"""Requests that went as they should, counted together a few times a second: to look up every counter that one of them
moves costs more than to answer it.

Limits are not among them: a key's quota is charged at once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from gateway.http.token_usage import Usage
from gateway.proxy.request_record import Progress

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

    def add(self, progress: Progress) -> None:
        """One more."""
        self.times.append((progress.seconds, progress.overhead_s))
        usage, cost = progress.usage, progress.cost_usd
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            if cost is not None:
                self.usd += cost

    @property
    def usage(self) -> Usage:
        """What all of them took."""
        return Usage(self.input_tokens, self.output_tokens)


def is_plain(progress: Progress) -> bool:
    """Not so is one that has more to tell: of a failure, a decision in the shadow, an answer that was kept."""
    route, attempts = progress.route, progress.trail.attempts
    return (
        progress.is_complete
        and progress.status == OK
        and progress.kept is None
        and progress.task is not None
        and route is not None
        and route.would is None
        and len(attempts) == 1
        and attempts[0].fault is None
    )


def kind_of(progress: Progress) -> Kind:
    """Of a plain request."""
    assert progress.task is not None  # noqa: S101 - plain
    assert progress.route is not None  # noqa: S101 - plain
    answered = progress.trail.attempts[0]
    has_usage, has_cost = progress.usage is not None, progress.cost_usd is not None
    reason = progress.route.reason
    return Kind(progress.key, progress.task, answered.model, answered.backend, reason, has_usage, has_cost)


class Tally:
    """What has not been booked yet."""

    def __init__(self, book: Callable[[Kind, Pile], None]) -> None:
        """book: counts a pile."""
        self._book = book
        self._ended: list[Progress] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, progress: Progress) -> None:
        """One more plain request, which has ended."""
        self._ended.append(progress)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.settle)

    def settle(self) -> None:
        """Books everything now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended, self._ended = self._ended, []
        piles: dict[Kind, Pile] = {}
        for progress in ended:
            kind = kind_of(progress)
            pile = piles.get(kind)
            if pile is None:
                pile = piles[kind] = Pile()
            pile.add(progress)
        for kind, pile in piles.items():
            self._book(kind, pile)
