"""Gateways that share limits, money, sessions and breakers through a real Redis, turn by turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pytest

from gateway.config import KeyConfig
from gateway.config.schema import BreakerConfig
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.shared_limits import LocalState, SharedLimits
from gateway.distributed.store import RedisStore
from gateway.errors import BudgetExceeded, RateLimited
from gateway.http.token_usage import Usage
from gateway.keys.quotas import Quotas
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.proxy.session_affinity import SessionAffinity
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


@dataclass
class Gateway:
    """One gateway's own. now: seconds, of its clock."""

    url: str
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
        client = RedisClient(self.url)
        self.store = RedisStore(client)
        common = LocalState(
            self.name,
            self.quotas,
            self.ledger,
            self.sessions,
            self.responses,
            lambda: self.watched,
            lambda: self.count,
        )
        self.sharing = SharedLimits(client, common, lambda what: what())

    def admits(self, key: str = "k") -> bool:
        try:
            self.quotas.admit_request(key)
        except (RateLimited, BudgetExceeded):
            return False
        return True

    def spends(self, usd: int, key: str = "k") -> None:
        usage = Usage(usd, 0)
        batch = UsageBatch()
        batch.add_usage(usage, Decimal(usd))
        self.ledger.charge_usage(key, "t", batch, "m")
        self.quotas.charge_usage(key, usage.total_tokens, Decimal(usd))
        self.store.add_usage(self.ledger.drain_unsaved())


def two(redis: RedisServer, **limits: float | Decimal) -> tuple[Gateway, Gateway]:
    key = KeyConfig.model_validate({"name": "k", "sha256": "ab" * 32, **limits})
    a, b = Gateway(redis.url, "a", [key]), Gateway(redis.url, "b", [key])
    for gateway in (a, b):
        gateway.sharing.sync()
    return a, b


def test_together_they_admit_what_the_limit_allows(redis_server: RedisServer) -> None:
    a, b = two(redis_server, requests_per_minute=60)
    admitted = 0
    for _ in range(20):
        admitted += sum(a.admits() for _ in range(10)) + sum(b.admits() for _ in range(10))
        a.sharing.sync()
        b.sharing.sync()
    assert 55 <= admitted <= 62  # a second or two of the machine's own clock may have filled the bucket a little


def test_one_of_them_alone_comes_near_the_whole_limit(redis_server: RedisServer) -> None:
    a, b = two(redis_server, requests_per_minute=60)
    admitted = 0
    for _ in range(12):
        admitted += sum(a.admits() for _ in range(60))
        a.sharing.sync()
        b.sharing.sync()
    assert 55 <= admitted <= 62


def test_a_limit_smaller_than_the_number_of_gateways_still_lets_one_through(redis_server: RedisServer) -> None:
    a, b = two(redis_server, requests_per_minute=1)
    a.sharing.sync()
    admitted = 0
    for _ in range(5):
        admitted += a.admits() + b.admits()
        a.sharing.sync()
        b.sharing.sync()
    assert 1 <= admitted <= 2


def test_what_one_has_spent_counts_for_all(redis_server: RedisServer) -> None:
    a, b = two(redis_server, budget_usd_per_day=Decimal(10))
    assert a.admits()
    assert b.admits()
    a.spends(9)
    b.sharing._budgets_at = a.sharing._budgets_at = float("-inf")
    b.sharing.sync()
    assert b.admits()
    assert b.ledger.usage_on("key", "k").usd == 9
    b.spends(1)
    a.sharing.sync()
    assert not a.admits()
    assert not b.admits()


def test_a_session_stays_on_its_model_at_another_gateway_and_one_that_comes_later(redis_server: RedisServer) -> None:
    a, b = two(redis_server)
    a.sessions.pin_model("k", "t", "s", "second")
    a.sharing.sync()
    b.sharing.sync()
    assert b.sessions.reorder_ranking("k", "t", "s", ("first", "second")) == (("second", "first"), True)
    late = Gateway(redis_server.url, "c", [])
    late.sharing.sync()
    assert late.sessions.reorder_ranking("k", "t", "s", ("first", "second"))[1]


def test_a_session_stays_on_its_backend_at_another_gateway(redis_server: RedisServer) -> None:
    a, b = two(redis_server)
    a.sessions.pin_model("k", "t", "s", "m", "m/2")
    a.sessions.pin_model("k", "t", "s2", "m", "m/1")
    a.sharing.sync()
    b.sharing.sync()
    assert [b.sessions.find_backend("k", "t", name, "m") for name in ("s", "s2", "s3")] == ["m/2", "m/1", None]
    a.sessions.pin_model("k", "t", "s", "m", "m/1")
    a.sharing.sync()
    b.sharing.sync()
    assert b.sessions.find_backend("k", "t", "s", "m") == "m/1"


def test_who_made_a_response_is_known_at_another_gateway_and_one_that_comes_later(redis_server: RedisServer) -> None:
    a, b = two(redis_server)
    made = MadeObject("k", "resp_1", "m", "m/2")
    a.responses.record_object(made)
    a.sharing.sync()
    b.sharing.sync()
    late = Gateway(redis_server.url, "c", [])
    late.sharing.sync()
    for gateway in (a, b, late):
        assert gateway.responses.find_maker("k", "resp_1") == made
        assert gateway.responses.find_maker("other", "resp_1") is None
    a.responses.record_object(made)
    assert a.responses.drain_updates() == []


def test_events_of_an_earlier_version_are_read(redis_server: RedisServer) -> None:
    a, _ = two(redis_server)
    event = msgspec.msgpack.encode(["old", [["k", "t", "s", "m"]], [], []])
    client = RedisClient(redis_server.url)
    client.execute("XADD", client.keys.events, "*", "e", event)
    a.sharing.sync()
    assert a.sessions.reorder_ranking("k", "t", "s", ("x", "m"))[1]
    assert a.sessions.find_backend("k", "t", "s", "m") is None


def test_a_breaker_that_opens_is_open_everywhere_and_closes_everywhere(redis_server: RedisServer) -> None:
    a, b = two(redis_server)
    a.breaker.on_start()
    a.breaker.on_result(is_fault=True)
    a.sharing.sync()
    b.sharing.sync()
    assert not b.breaker.allows_request()
    assert b.breaker.retry_in_s == pytest.approx(BreakerConfig().open_s, abs=1.0)
    a.now = 60.0
    a.breaker.on_start()
    a.breaker.on_result(is_fault=False)
    a.sharing.sync()
    b.sharing.sync()
    assert b.breaker.retry_in_s == 0
    assert b.breaker.allows_request()
