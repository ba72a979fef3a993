from dataclasses import dataclass

import pytest

from gateway.config.schema import BreakerConfig
from gateway.upstream.breaker import MAX_OPEN_S, SLICES, Breaker


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock) -> Breaker:
    return Breaker(BreakerConfig(consecutive_faults=3, fault_share=0.5, min_requests=10, window_s=30, open_s=10), clock)


def state(breaker: Breaker) -> str:
    """Its state, as a word that the type checker does not remember."""
    return breaker.state


def ask(breaker: Breaker, *faults: bool | None) -> None:
    for fault in faults:
        breaker.on_start()
        breaker.on_result(fault)


def test_faults_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = made(Clock())
    ask(breaker, True, True, False, True, True)
    assert state(breaker) == "closed"
    ask(breaker, True)
    assert (breaker.state, breaker.allows_request(), breaker.retry_in_s) == ("open", False, 10)


def test_half_of_enough_requests_failing_opens_it() -> None:
    breaker = made(Clock())
    ask(breaker, *(place % 2 == 0 for place in range(9)))
    assert state(breaker) == "closed"
    ask(breaker, False, True)
    assert state(breaker) == "open"


def test_faults_older_than_the_window_are_forgotten() -> None:
    clock = Clock()
    breaker = made(clock)
    ask(breaker, *(place % 2 == 0 for place in range(9)))
    clock.now = 31
    ask(breaker, False, True)
    assert state(breaker) == "closed"


def test_what_is_kept_does_not_grow_with_the_requests() -> None:
    clock = Clock()
    breaker = made(clock)
    for _ in range(5000):
        clock.now += 0.01
        ask(breaker, False, False)
    assert len(breaker._slices) <= SLICES + 1
    ask(breaker, *[True] * 2)
    assert state(breaker) == "closed"


def test_after_a_while_one_request_tries_it() -> None:
    clock = Clock()
    breaker = made(clock)
    ask(breaker, True, True, True)
    clock.now = 10
    assert (breaker.state, breaker.allows_request()) == ("half-open", True)
    breaker.on_start()
    assert not breaker.allows_request()
    breaker.on_result(False)
    assert (breaker.state, breaker.allows_request()) == ("closed", True)


def test_a_failed_try_keeps_it_open_twice_as_long_up_to_a_bound() -> None:
    clock = Clock()
    breaker = made(clock)
    ask(breaker, True, True, True)
    for wait in (20, 40, 80, 160, MAX_OPEN_S, MAX_OPEN_S):
        clock.now += breaker.retry_in_s
        ask(breaker, True)
        assert breaker.retry_in_s == pytest.approx(wait)
    clock.now += breaker.retry_in_s
    ask(breaker, False)
    ask(breaker, True, True, True)
    assert breaker.retry_in_s == 10


def test_a_try_whose_client_left_tells_nothing() -> None:
    clock = Clock()
    breaker = made(clock)
    ask(breaker, True, True, True)
    clock.now = 10
    ask(breaker, None)
    assert (breaker.state, breaker.allows_request()) == ("half-open", True)
