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
from gateway.proxy.request_record import RequestRecord

FLUSH_INTERVAL_S = 0.1
OK = 200


class BatchKey(NamedTuple):
    """What requests that are counted together have in common."""

    key: str | None
    task: str
    model: str
    backend: str
    reason: str
    has_usage: bool
    has_cost: bool


@dataclass(slots=True)
class Batch:
    """Requests of one kind. times: of each, seconds from its first byte to its answer's last, and of these, ours."""

    times: list[tuple[float, float]] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)

    def add_request(self, progress: RequestRecord) -> None:
        """One more."""
        self.times.append((progress.seconds, progress.overhead_s))
        usage, cost = progress.usage, progress.cost_usd
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            if cost is not None:
                self.usd += cost

    @property
    def total_usage(self) -> Usage:
        """What all of them took."""
        return Usage(self.input_tokens, self.output_tokens)


def is_batchable(progress: RequestRecord) -> bool:
    """Not so is one that has more to tell: of a failure, a decision in the shadow, an answer that was kept."""
    route, attempts = progress.route, progress.trail.attempts
    return (
        progress.is_complete
        and progress.status == OK
        and progress.cached_model is None
        and progress.task is not None
        and route is not None
        and route.shadow_model is None
        and len(attempts) == 1
        and attempts[0].fault is None
    )


def batch_key(progress: RequestRecord) -> BatchKey:
    """Of a plain request."""
    assert progress.task is not None  # noqa: S101 - plain
    assert progress.route is not None  # noqa: S101 - plain
    answered = progress.trail.attempts[0]
    has_usage, has_cost = progress.usage is not None, progress.cost_usd is not None
    reason = progress.route.reason
    return BatchKey(progress.key, progress.task, answered.model, answered.backend, reason, has_usage, has_cost)


class CountBatcher:
    """What has not been booked yet."""

    def __init__(self, book: Callable[[BatchKey, Batch], None]) -> None:
        """book: counts a pile."""
        self._book = book
        self._ended: list[RequestRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def add_request(self, progress: RequestRecord) -> None:
        """One more plain request, which has ended."""
        self._ended.append(progress)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self.flush)

    def flush(self) -> None:
        """Books everything now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended, self._ended = self._ended, []
        piles: dict[BatchKey, Batch] = {}
        for progress in ended:
            kind = batch_key(progress)
            pile = piles.get(kind)
            if pile is None:
                pile = piles[kind] = Batch()
            pile.add_request(progress)
        for kind, pile in piles.items():
            self._book(kind, pile)
