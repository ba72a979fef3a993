"""Gateways that share limits, money, sessions and breakers, turn by turn: through Redis, and as workers."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from gateway.config import KeyConfig
from gateway.config.schema import BreakerConfig
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.shared_limits import RedisLimits
from gateway.distributed.store import RedisStore
from gateway.errors import BudgetExceeded, RateLimited
from gateway.http.token_usage import Usage
from gateway.hub.limits import ParentLimits
from gateway.hub.link import ParentLink
from gateway.hub.thread import HubThread
from gateway.keys.quotas import Quotas
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.proxy.session_affinity import SessionAffinity
from gateway.sharing.limits import LimitsBackend, LocalState, SharedLimits
from gateway.state.sqlite import SqliteStore, open_store
from gateway.state.store import Store
from gateway.upstream.breaker import Breaker
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger, UsageBatch
from gateway.usage.prices import Price
from tests.gateway.redis_servers import RedisServer

NOON = 1_795_694_400.0


@dataclass
class Named:
    """All that sharing asks of a backend."""

    name: str
    weight: float = 1.0


class Place(Protocol):
    """What gateways share."""

    def backend(self) -> LimitsBackend: ...

    def store(self) -> Store: ...

    def settle(self, backend: LimitsBackend) -> None:
        """Wait until what a gateway has sent is there, and what it is sent."""


@dataclass
class InRedis:
    url: str

    def backend(self) -> LimitsBackend:
        return RedisLimits(RedisClient(self.url))

    def store(self) -> Store:
        return RedisStore(RedisClient(self.url))

    def settle(self, backend: LimitsBackend) -> None:
        pass


class AtParent:
    """A parent of workers, whose ends of the connections are all in this process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._url = f"sqlite:///{folder}/state.db"
        self._stack = stack
        self._hub = HubThread()
        self._hub.start()
        stack.callback(self._hub.stop)
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        stack.callback(self._loop.close)
        stack.callback(thread.join, 10)
        stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)
        self._workers = 0

    def store(self) -> SqliteStore:
        store = open_store(self._url)
        self._stack.callback(store.close)
        return store

    def backend(self) -> LimitsBackend:
        self._workers += 1
        end, store = self._hub.connect(self._workers), self.store()

        async def connect() -> tuple[ParentLink, ParentLimits]:
            link = ParentLink(end.detach())
            limits = ParentLimits(link, store, lambda: "2026-11-01")
            await link.open()
            await asyncio.wait_for(limits.has_peers.wait(), 10)
            return link, limits

        link, limits = asyncio.run_coroutine_threadsafe(connect(), self._loop).result(20)
        self._stack.callback(lambda: asyncio.run_coroutine_threadsafe(link.close(), self._loop).result(20))
        return limits

    def settle(self, backend: LimitsBackend) -> None:
        # Messages of a connection come in their order: behind a reply is all that was sent before it.
        backend.active_keys(())


@pytest.fixture(params=["redis", "parent"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "redis":
        yield InRedis(request.getfixturevalue("redis_server").url)
        return
    with ExitStack() as stack:
        yield AtParent(tmp_path, stack)


@dataclass
class Gateway:
    """One gateway's own. now: seconds, of its clock."""

    place: Place
    name: str
    keys: Sequence[KeyConfig]
    count: int = 2
    now: float = 0.0
    sharing: SharedLimits = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger({"m": Price(Decimal(1_000_000), Decimal(0))}, lambda: NOON)
        self.quotas = Quotas(self.keys, self.ledger, lambda: self.now)
        self.sessions = SessionAffinity(100.0, lambda: self.now)
        self.responses = ResponseAffinity(200.0, lambda: self.now)
        self.sessions.are_shared = self.responses.are_shared = True
        self.breaker = Breaker(BreakerConfig(consecutive_faults=1), lambda: self.now)
        self.watched = [BackendState("m", Named("m/1"), self.breaker)]  # type: ignore[arg-type]  # has a name
        self.store, self.backend = self.place.store(), self.place.backend()
        common = LocalState(
            self.name,
            self.quotas,
            self.ledger,
            self.sessions,
            self.responses,
            lambda: self.watched,
            lambda: self.count,
        )
        self.sharing = SharedLimits(self.backend, common, lambda what: what())

    def sync(self) -> None:
        self.place.settle(self.backend)
        self.sharing.sync()
        self.place.settle(self.backend)

    def admits(self, key: str = "k") -> bool:
        try:
            self.quotas.admit_request(key)
        except (RateLimited, BudgetExceeded):
            return False
        return True

    def begins(self, key: str = "k") -> bool:
        try:
            return self.quotas.begin_request(key)
        except RateLimited:
            return False

    def spends(self, usd: int, key: str = "k") -> None:
        usage = Usage(usd, 0)
        batch = UsageBatch()
        batch.add_usage(usage, Decimal(usd))
        self.ledger.charge_usage(key, "t", batch, "m")
        self.quotas.charge_usage(key, usage.total_tokens, Decimal(usd))
        self.store.add_usage(self.ledger.drain_unsaved())


def two(place: Place, **limits: float | Decimal) -> tuple[Gateway, Gateway]:
    key = KeyConfig.model_validate({"name": "k", "sha256": "ab" * 32, **limits})
    a, b = Gateway(place, "a", [key]), Gateway(place, "b", [key])
    for gateway in (a, b):
        gateway.sync()
    return a, b


def test_together_they_admit_what_the_limit_allows(place: Place) -> None:
    a, b = two(place, requests_per_minute=60)
    admitted = 0
    for _ in range(20):
        admitted += sum(a.admits() for _ in range(10)) + sum(b.admits() for _ in range(10))
        a.sync()
        b.sync()
    assert 55 <= admitted <= 62  # a second or two of the machine's own clock may have filled the bucket a little


def test_one_of_them_alone_comes_near_the_whole_limit(place: Place) -> None:
    a, b = two(place, requests_per_minute=60)
    admitted = 0
    for _ in range(12):
        admitted += sum(a.admits() for _ in range(60))
        a.sync()
        b.sync()
    assert 55 <= admitted <= 62


def test_a_limit_smaller_than_the_number_of_gateways_still_lets_one_through(place: Place) -> None:
    a, b = two(place, requests_per_minute=1)
    a.sync()
    admitted = 0
    for _ in range(5):
        admitted += a.admits() + b.admits()
        a.sync()
        b.sync()
    assert 1 <= admitted <= 2


def test_what_one_has_spent_counts_for_all(place: Place) -> None:
    a, b = two(place, budget_usd_per_day=Decimal(10))
    assert a.admits()
    assert b.admits()
    a.spends(9)
    b.sharing._budgets_at = a.sharing._budgets_at = float("-inf")
    b.sync()
    assert b.admits()
    assert b.ledger.usage_on("key", "k").usd == 9
    b.spends(1)
    a.sync()
    assert not a.admits()
    assert not b.admits()


def test_a_key_without_rate_limits_has_a_part_of_its_budget_and_of_its_slots_at_each(place: Place) -> None:
    a, _ = two(place, budget_usd_per_day=Decimal(10), max_concurrent_requests=4)
    assert a.admits()
    a.spends(5)
    assert not a.admits()
    b, _ = two(place, max_concurrent_requests=4)
    assert [b.begins() for _ in range(3)] == [True, True, False]


def test_a_session_stays_on_its_model_at_another_gateway_and_one_that_comes_later(place: Place) -> None:
    a, b = two(place)
    a.sessions.pin_model("k", "t", "s", "second")
    a.sync()
    b.sync()
    assert b.sessions.reorder_ranking("k", "t", "s", ("first", "second")) == (("second", "first"), True)
    late = Gateway(place, "c", [])
    late.sync()
    assert late.sessions.reorder_ranking("k", "t", "s", ("first", "second"))[1]


def test_a_session_stays_on_its_backend_at_another_gateway(place: Place) -> None:
    a, b = two(place)
    a.sessions.pin_model("k", "t", "s", "m", "m/2")
    a.sessions.pin_model("k", "t", "s2", "m", "m/1")
    a.sync()
    b.sync()
    assert [b.sessions.find_backend("k", "t", name, "m") for name in ("s", "s2", "s3")] == ["m/2", "m/1", None]
    a.sessions.pin_model("k", "t", "s", "m", "m/1")
    a.sync()
    b.sync()
    assert b.sessions.find_backend("k", "t", "s", "m") == "m/1"


def test_who_made_a_response_is_known_at_another_gateway_and_one_that_comes_later(place: Place) -> None:
    a, b = two(place)
    made = MadeObject("k", "resp_1", "m", "m/2")
    a.responses.record_object(made)
    a.sync()
    b.sync()
    late = Gateway(place, "c", [])
    late.sync()
    for gateway in (a, b, late):
        assert gateway.responses.find_maker("k", "resp_1") == made
        assert gateway.responses.find_maker("other", "resp_1") is None
    a.responses.record_object(made)
    assert a.responses.drain_updates() == []


def test_events_of_an_earlier_version_are_read(redis_server: RedisServer) -> None:
    a, _ = two(InRedis(redis_server.url))
    event = msgspec.msgpack.encode(["old", [["k", "t", "s", "m"]], [], []])
    client = RedisClient(redis_server.url)
    client.execute("XADD", client.keys.events, "*", "e", event)
    a.sync()
    assert a.sessions.reorder_ranking("k", "t", "s", ("x", "m"))[1]
    assert a.sessions.find_backend("k", "t", "s", "m") is None


def test_a_breaker_that_opens_is_open_everywhere_and_closes_everywhere(place: Place) -> None:
    a, b = two(place)
    a.breaker.on_start()
    a.breaker.on_result(is_fault=True)
    a.sync()
    b.sync()
    assert not b.breaker.allows_request()
    assert b.breaker.retry_in_s == pytest.approx(BreakerConfig().open_s, abs=1.0)
    a.now = 60.0
    a.breaker.on_start()
    a.breaker.on_result(is_fault=False)
    a.sync()
    b.sync()
    assert b.breaker.retry_in_s == 0
    assert b.breaker.allows_request()
