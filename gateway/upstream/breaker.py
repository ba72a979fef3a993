"""Per-backend circuit breaker: after enough failures no request goes to the backend for a while, then one as a probe.

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
"""Parts that the window is counted in, so that its memory does not grow with its requests."""


@dataclass(slots=True)
class WindowSlice:
    """A part of the window.

    Attributes:
        until: Its end, by the breaker's clock.
    """

    until: float
    requests: int = 0
    faults: int = 0


class Breaker:
    """The breaker of one backend. Each time it opens again without having closed, it stays open twice as long."""

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
        """Return the state: closed lets all requests through, open none, half-open one."""
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    @property
    def retry_in_s(self) -> float:
        """Return the seconds until a request is let through; 0 where one is now."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def allows_request(self) -> bool:
        """Return whether a request may go to the backend now, without changing anything."""
        if self._until is None:
            return True
        state = self.state
        return state == "closed" or (state == "half-open" and not self._is_probing)

    def on_start(self) -> None:
        """Note that a request goes to the backend."""
        # One probe at a time: a backend that has just come back must not get all its traffic at once.
        if self._until is not None and self.state == "half-open":
            self._is_probing = True

    def on_result(self, is_fault: bool | None) -> None:
        """Note how it ended. is_fault: None where that says nothing about the backend: the client left."""
        current = self._slices[-1]
        if is_fault is False and self._until is None and self._clock() < current.until:
            # Nearly always: a success, with the breaker closed.
            current.requests += 1
            self._consecutive, self._is_probing = 0, False
            return
        was_probe, self._is_probing = self._is_probing, False
        # A probe that said nothing has freed its place, and the next request is the probe.
        if is_fault is None:
            return
        self._remember(is_fault)
        if not is_fault:
            self._close()
        elif was_probe or self._should_open():
            self._open()

    def on_remote_open(self, for_s: float) -> None:
        """Open: another gateway's breaker has opened."""
        if self._until is None:
            self._until = self._clock() + for_s

    def on_remote_close(self) -> None:
        """Close: another gateway's breaker has closed."""
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
        # Consecutive faults find an outage within a few requests, the share a backend that fails now and then.
        config, n = self._config, sum(one.requests for one in self._slices)
        too_many = n >= config.min_requests and sum(one.faults for one in self._slices) >= config.fault_share * n
        return self._until is None and (self._consecutive >= config.consecutive_faults or too_many)

    def _open(self) -> None:
        self._until = self._clock() + self._open_s
        self._open_s = min(2 * self._open_s, MAX_OPEN_S)

    def _close(self) -> None:
        # A success of a request that was sent before the breaker opened does not close it: only a probe's does.
        if self._until is not None and self.state != "open":
            self._until = None
            self._open_s = self._config.open_s
            self._forget()
