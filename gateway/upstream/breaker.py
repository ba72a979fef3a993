"""A circuit breaker for one backend: after enough failures it is left alone for a while, then tried with one request.

closed ──(consecutive faults, or share of faults in the window)──► open ──(open_s over)──► half-open
   ▲                                                                 ▲                          │
   └──────────────────────(the probe succeeds)───────────────────────┼──(the probe fails)───────┘
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.config.schema import BreakerConfig

BreakerState = Literal["closed", "open", "half-open"]

MAX_OPEN_S = 300.0
SLICES = 20
"""The window is counted in so many parts: what is kept of it does not grow with its requests."""


@dataclass(slots=True)
class WindowSlice:
    """A part of the window. until: by the breaker's clock."""

    until: float
    requests: int = 0
    faults: int = 0


class Breaker:
    """One backend's. Every time it opens again without having closed, it stays open twice as long."""

    def __init__(self, config: BreakerConfig, clock: Callable[[], float]) -> None:
        """clock: seconds, monotonic."""
        self._config = config
        self._clock = clock
        self._slice_s = config.window_s / SLICES
        self._slices = deque([WindowSlice(-math.inf)])
        self._consecutive = 0
        self._open_s = config.open_s
        self._until: float | None = None
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """What it lets through: everything, nothing, one request."""
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    @property
    def retry_in_s(self) -> float:
        """Seconds until it lets something through again; 0 where it does now."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def allows_request(self) -> bool:
        """Whether a request may go to the backend now. Asking changes nothing."""
        if self._until is None:
            return True
        state = self.state
        return state == "closed" or (state == "half-open" and not self._is_probing)

    def on_start(self) -> None:
        """A request goes to the backend."""
        if self._until is not None and self.state == "half-open":
            self._is_probing = True

    def on_result(self, is_fault: bool | None) -> None:
        """It came back. is_fault: None where it tells nothing, as when the client left."""
        was_probe, self._is_probing = self._is_probing, False
        if is_fault is None:
            return
        self._remember(is_fault)
        if not is_fault:
            self._close()
        elif was_probe or self._should_open():
            self._open()

    def on_remote_open(self, for_s: float) -> None:
        """Another gateway has had enough of the backend."""
        if self._until is None:
            self._until = self._clock() + for_s

    def on_remote_close(self) -> None:
        """Another gateway has seen it well again."""
        self._until = None
        self._open_s = self._config.open_s
        self._forget()
        self._consecutive = 0

    def _remember(self, is_fault: bool) -> None:
        now, current = self._clock(), self._slices[-1]
        if now >= current.until:
            self._slices.append(current := WindowSlice(now + self._slice_s))
            while self._slices[0].until < now - self._config.window_s + self._slice_s:  # some of it is too old
                self._slices.popleft()
        current.requests += 1
        current.faults += is_fault
        self._consecutive = self._consecutive + 1 if is_fault else 0

    def _forget(self) -> None:
        self._slices = deque([WindowSlice(-math.inf)])

    def _should_open(self) -> bool:
        config, n = self._config, sum(one.requests for one in self._slices)
        too_many = n >= config.min_requests and sum(one.faults for one in self._slices) >= config.fault_share * n
        return self._until is None and (self._consecutive >= config.consecutive_faults or too_many)

    def _open(self) -> None:
        self._until = self._clock() + self._open_s
        self._open_s = min(2 * self._open_s, MAX_OPEN_S)

    def _close(self) -> None:
        if self._until is not None and self.state != "open":
            self._until = None
            self._open_s = self._config.open_s
            self._forget()
