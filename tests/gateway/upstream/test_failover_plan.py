"""The plan of a request through its backends: laws that hold whatever fails, and what it says in plain cases.

Time is a number here, and backends are names: a plan asks nobody and waits for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import BreakerConfig, UpstreamConfig
from gateway.errors import Overloaded, RequestError, UpstreamBusy, UpstreamFailed, UpstreamTimeout
from gateway.upstream.errors import (
    ErrorStatus,
    LocalShortage,
    StaleConnection,
    TimedOut,
    Unreachable,
    Unsupported,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
)
from gateway.upstream.failover import (
    Attempt,
    AttemptLog,
    Failover,
    FailoverPlan,
    GiveUp,
    Placement,
    Try,
    Wait,
    describe_faults,
    give_up,
)
from gateway.upstream.load_balancer import BackendState, LoadBalancer, is_backend_fault
from gateway.upstream.retry import RetryPolicy
from gateway.upstream.timeouts import Timeouts
from tests.gateway.upstream.named import Named

BROKEN = UpstreamProtocolError("lost the connection")
FAULTS: list[UpstreamFault] = [
    BROKEN,
    TimedOut("did not answer in time"),
    Unreachable("refused the connection"),
    Unsupported("does not answer /messages"),
    ErrorStatus(500),
    ErrorStatus(401),
    ErrorStatus(429, "2"),
    ErrorStatus(503, "3600"),
    StaleConnection("closed the connection without an answer"),
]
STEPS = 200
"""More than any plan here may take."""


@dataclass
class World:
    """Backends of models, and a clock.

    Attributes:
        models: The number of backends of each model, which are named a, b, c and so on.
    """

    models: Sequence[int]
    settings: dict[str, Any] = field(default_factory=dict)
    breaker: dict[str, Any] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=Timeouts)
    now: float = 1000.0
    log: AttemptLog = field(default_factory=AttemptLog)
    placement: Placement | None = None

    def __post_init__(self) -> None:
        self.ranking = [chr(ord("a") + place) for place in range(len(self.models))]
        served = {
            model: [Named(f"{model}/{n}") for n in range(1, count + 1)]
            for model, count in zip(self.ranking, self.models, strict=True)
        }
        config = UpstreamConfig(**self.settings)
        self.max_attempts = config.max_attempts
        self.backends = LoadBalancer(served, BreakerConfig(**self.breaker), lambda: self.now, lambda: 0.0)
        retry = RetryPolicy(config, lambda: 1.0)
        self.failover = Failover(self.backends, dict.fromkeys(self.ranking, self.timeouts), retry, config.max_attempts)

    def plan(self) -> FailoverPlan:
        self.log = AttemptLog()
        return self.failover.start_plan(self.ranking, {}, self.log, self.now, self.placement)

    def break_open(self, *names: str) -> None:
        for one in self.backends.all_backends():
            if one.backend.name in names:
                one.breaker.on_remote_open(60)

    def asked(self, faults: Sequence[UpstreamFault], attempt_s: float = 0.1) -> list[str | float]:
        """The backends asked and the pauses between them, until one answers or none is left. faults: in their order."""
        plan, left, told, fault = self.plan(), iter(faults), list[str | float](), None
        for _ in range(STEPS):
            step = plan.next(fault, self.now)
            fault = None
            if isinstance(step, GiveUp):
                self.error = step.error
                return told
            if isinstance(step, Wait):
                told.append(step.seconds)
                self.now += step.seconds
                continue
            told.append(step.target.backend.name)
            fault = next(left, None)
            self.now += attempt_s
            if fault is None:
                plan.record_answer(self.now)
                return told
        raise AssertionError("the plan does not end")

    error: RequestError | None = None


def test_a_models_backends_come_before_the_next_model() -> None:
    world = World([2, 1], {"retries": 0})
    assert world.asked([BROKEN, BROKEN]) == ["a/1", "a/2", "b/1"]
    assert world.log.attempts == [Attempt("a", "a/1", BROKEN), Attempt("a", "a/2", BROKEN), Attempt("b", "b/1")]


def test_the_times_of_every_attempt_are_noted() -> None:
    world = World([2, 1], {"retries": 0}, now=10.0)
    world.asked([BROKEN, BROKEN], attempt_s=0.5)
    assert world.log.times == (10.0, 10.5, 10.5, 11.0, 11.0, 11.5)


def test_a_models_backends_are_asked_again_after_a_pause_that_doubles() -> None:
    world = World([1, 1], {"retries": 2, "retry_pause_s": 0.5, "max_attempts": 9})
    assert world.asked([BROKEN] * 3) == ["a/1", 0.5, "a/1", 1.0, "a/1", "b/1"]


def test_the_next_models_backends_are_asked_again_too() -> None:
    world = World([1, 1], {"retries": 1, "retry_pause_s": 0.5, "max_attempts": 9})
    assert world.asked([BROKEN] * 4) == ["a/1", 0.5, "a/1", "b/1", 0.5, "b/1"]


def test_retry_after_is_kept_where_it_is_not_too_long() -> None:
    assert World([1, 1]).asked([ErrorStatus(429, "2")]) == ["a/1", 2.0, "a/1"]
    assert World([1, 1]).asked([ErrorStatus(429, "3600")]) == ["a/1", "b/1"]
    assert World([1, 1]).asked([ErrorStatus(401)]) == ["a/1", "b/1"]


def test_retries_are_a_share_of_a_backends_requests() -> None:
    world = World([1], {"retry_budget": 0, "retries": 1})
    retried = []
    for _ in range(12):
        # No time passes: the floor of a retry per second earns nothing.
        world.now = 1000.0
        retried.append(len(world.asked([BROKEN], attempt_s=0.0)) == 3)
    assert retried == [True] * 10 + [False] * 2
    world.now = 1002.0
    assert len(world.asked([BROKEN])) == 3


def test_a_stale_connection_is_replaced_once_and_is_no_attempt() -> None:
    world = World([1, 1], {"retries": 0})
    plan = world.plan()
    first = plan.next(None, world.now)
    assert isinstance(first, Try)
    again = plan.next(FAULTS[-1], world.now)
    assert isinstance(again, Try)
    assert (again.target, first.is_fresh, again.is_fresh) == (first.target, False, True)
    assert world.log.attempts == []
    other = plan.next(FAULTS[-1], world.now)
    assert isinstance(other, Try)
    assert (other.target.backend.name, other.is_fresh, len(world.log.attempts)) == ("b/1", False, 1)


def test_a_shortage_of_our_own_ends_the_plan_and_is_no_attempt() -> None:
    world = World([2, 1], {"retries": 3})
    assert world.asked([LocalShortage("no descriptor")] * 3) == ["a/1"]
    assert isinstance(world.error, Overloaded)
    assert world.log.attempts == []


def test_no_pause_goes_beyond_the_total_time_and_nobody_is_asked_after_it() -> None:
    world = World([1, 1], {"retries": 5, "retry_pause_s": 8, "max_attempts": 9}, timeouts=Timeouts(total_s=10))
    assert world.asked([BROKEN] * 9) == ["a/1", 8.0, "a/1", "b/1"]
    slow = World([2, 1], {"retries": 0}, timeouts=Timeouts(total_s=10))
    assert slow.asked([TimedOut("did not answer in time")] * 3, attempt_s=10) == ["a/1"]
    assert isinstance(slow.error, UpstreamTimeout)


@given(st.lists(st.sampled_from(FAULTS[:-1]), max_size=12), st.sets(st.sampled_from(["a/1", "a/2", "a/3", "b/1"])))
def test_nobody_is_asked_but_those_that_hold_what_the_request_continues(
    faults: list[UpstreamFault], broken: set[str]
) -> None:
    world = World([3, 1], {"retries": 2, "max_attempts": 9}, placement=Placement(("a/2", "a/3"), is_required=True))
    world.break_open(*broken)
    asked = [step for step in world.asked(faults) if isinstance(step, str)]
    assert asked
    assert set(asked) <= {"a/2", "a/3"}
    assert world.log.is_degraded == ({"a/2", "a/3"} <= broken)


@given(st.lists(st.sampled_from(FAULTS[:-1]), max_size=12), st.sampled_from(["a/1", "a/2", "a/3"]))
def test_a_preferred_backend_is_asked_first_and_the_others_as_ever(faults: list[UpstreamFault], first: str) -> None:
    settings = {"retries": 0, "max_attempts": 9}
    plain, world = World([3, 1], settings), World([3, 1], settings, placement=Placement((first,), is_required=False))
    told, expected = world.asked(faults), plain.asked(faults)
    assert told[0] == first
    assert len(told) == len(expected)
    # All of the model's backends come before the next model's.
    assert set(told[:3]) == {"a/1", "a/2", "a/3"} or len(told) < 3
    ill = World([3, 1], settings, placement=Placement((first,), is_required=False))
    ill.break_open(first)
    assert first not in ill.asked(faults)


def test_open_breakers_are_passed_over() -> None:
    world = World([2, 1], {"retries": 0})
    world.break_open("a/1")
    assert world.asked([BROKEN]) == ["a/2", "b/1"]
    assert not world.log.is_degraded


def test_where_every_breaker_is_open_one_backend_is_asked_all_the_same() -> None:
    world = World([1, 1], {"retries": 3})
    world.break_open("a/1", "b/1")
    assert world.asked([BROKEN] * 3) == ["a/1"]
    assert world.log.is_degraded


def test_a_breaker_that_opens_meanwhile_is_heeded() -> None:
    world = World([3], {"retries": 0})
    plan = world.plan()
    first = plan.next(None, world.now)
    world.break_open("a/2")
    second = plan.next(BROKEN, world.now)
    assert isinstance(first, Try)
    assert isinstance(second, Try)
    assert (first.target.backend.name, second.target.backend.name) == ("a/1", "a/3")


@pytest.mark.parametrize(
    ("fault", "error"),
    [(BROKEN, UpstreamFailed), (TimedOut("did not answer in time"), UpstreamTimeout), (FAULTS[6], UpstreamBusy)],
)
def test_the_last_failure_gives_the_error_and_all_are_named(fault: UpstreamFault, error: type[RequestError]) -> None:
    world = World([1, 1], {"retries": 0})
    world.asked([ErrorStatus(500), fault])
    assert type(world.error) is error
    assert "a/1 answered 500; b/1 " in world.error.message
    assert getattr(world.error, "retry_after", None) == ("2" if error is UpstreamBusy else None)


@dataclass(frozen=True)
class Asked:
    """A backend as it was asked."""

    at: float
    target: BackendState
    is_allowed: bool
    is_fresh: bool
    round: int


worlds = st.builds(
    World,
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.fixed_dictionaries(
        {
            "max_attempts": st.integers(1, 6),
            "retries": st.integers(0, 3),
            "retry_pause_s": st.sampled_from([0.1, 2.0]),
            "retry_budget": st.sampled_from([0.0, 1.0]),
        }
    ),
    st.fixed_dictionaries({"consecutive_faults": st.integers(1, 3), "open_s": st.sampled_from([0.5, 60.0])}),
    st.builds(Timeouts, total_s=st.sampled_from([1.0, 5.0, 3600.0])),
)


def walk(world: World, events: Iterator[tuple[UpstreamFault | None, float, int]]) -> Iterator[Asked | Wait]:
    """Drive a plan by events: how an attempt ends, how long it takes, and which breaker opens meanwhile."""
    plan, fault, pauses = world.plan(), None, 0
    everyone = list(world.backends.all_backends())
    for _ in range(STEPS):
        step = plan.next(fault, world.now)
        fault = None
        if isinstance(step, GiveUp):
            assert world.log.attempts
            return
        if isinstance(step, Wait):
            pauses += 1
            yield step
            world.now += step.seconds
            continue
        yield Asked(world.now, step.target, step.target.breaker.allows_request(), step.is_fresh, pauses)
        fault, took_s, opening = next(events, (None, 0.0, 0))
        step.target.on_start()
        world.now += took_s
        step.target.on_finish(False if fault is None else is_backend_fault(fault))
        if opening < len(everyone):
            everyone[opening].breaker.on_remote_open(30)
        if fault is None:
            plan.record_answer(world.now)
            return
    raise AssertionError("the plan does not end")


@given(
    worlds,
    st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from([0.0, 0.3, 2.0]), st.integers(0, 40)), max_size=40),
    st.sets(st.integers(0, 11)),
)
def test_laws_of_a_plan(world: World, events: list[tuple[UpstreamFault, float, int]], opened: set[int]) -> None:
    for place, one in enumerate(world.backends.all_backends()):
        if place in opened:
            one.breaker.on_remote_open(60)
    started, deadline = world.now, world.now + world.timeouts.total_s
    asked: list[Asked] = []
    for step in walk(world, iter(events)):
        if isinstance(step, Wait):
            assert world.now + step.seconds < deadline, "no pause goes beyond the deadline"
        else:
            asked.append(step)
    counted = [one for one in asked if not one.is_fresh]
    assert len(world.log.attempts) <= world.max_attempts
    assert len(counted) == len(world.log.attempts), "a stale connection is no attempt of its own"
    assert all(one.at < deadline for one in counted[1:]), "nobody is asked after the deadline"
    assert counted[0].at == started
    if world.log.is_degraded:
        assert len(counted) == 1, "one request goes through open breakers"
        return
    assert all(one.is_allowed for one in counted), "no open breaker is asked"
    places = [world.ranking.index(one.target.model) for one in counted]
    assert places == sorted(places), "the ranking's order is kept"
    in_rounds = [(one.round, one.target.backend.name) for one in counted]
    assert len(set(in_rounds)) == len(in_rounds), "nobody is asked twice without a pause"


def spoken(status: int) -> ErrorStatus:
    return error_status(status, [(b"retry-after", b"7")], b"{}")


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ([spoken(429), spoken(500)], 500),
        ([spoken(429), TimedOut("late")], 429),
        ([spoken(404), ErrorStatus(503)], 404),
        ([spoken(429), spoken(401)], 429),
        ([TimedOut("late"), Unreachable("gone")], None),
    ],
)
def test_the_last_backend_that_said_anything_has_the_last_word(faults: list[UpstreamFault], status: int | None) -> None:
    attempts = [Attempt("m", f"m/{place}", fault) for place, fault in enumerate(faults, 1)]
    end = give_up(attempts)
    assert (None if end.response is None else end.response.status) == status
    assert "m/1" in end.error.message
    assert "m/2" in describe_faults(attempts)
