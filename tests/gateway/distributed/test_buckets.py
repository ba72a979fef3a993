"""The rules of the common buckets in Python and in Lua: the same exchanges, at the same times, give the same shares."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from gateway.distributed.shared_limits import ACTIVE_KEYS, MINUTE_MS, SYNC_QUOTA
from gateway.keys.quotas import QuotaShare, QuotaUsage
from gateway.sharing.buckets import CommonBuckets
from tests.gateway.redis_servers import RedisServer

AMOUNTS = st.sampled_from([0.0, 0.5, 1.0, 3.0, 50.0])
LIMITS = st.sampled_from([None, 0.5, 1.0, 2.0, 7.0, 600.0])
EXCHANGES = st.lists(st.tuples(st.sampled_from("abc"), AMOUNTS, AMOUNTS, st.integers(1, 4)), min_size=1, max_size=12)


def by_redis(client: Redis, gateway: str, count: int, usage: QuotaUsage) -> tuple[float, QuotaShare]:
    """Exchange in Redis. Return the time there, in ms, and the share."""
    limits = usage.requests, usage.requests_per_minute or 0, usage.tokens, usage.tokens_per_minute or 0
    with client.pipeline(transaction=True) as both:
        both.eval(SYNC_QUOTA.text, 1, "quota", *map(str, limits), gateway, str(count))
        # The script's own time: by a millisecond more, an empty bucket is one that has begun to fill.
        both.hget("quota", "at")
        (requests, tokens), at = both.execute()
    return float(at), QuotaShare(float(requests), float(tokens))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=LIMITS, tokens=LIMITS, exchanges=EXCHANGES)
def test_exchanges_give_the_shares_that_redis_gives(
    redis_server: RedisServer,
    requests: float | None,
    tokens: float | None,
    exchanges: list[tuple[str, float, float, int]],
) -> None:
    buckets = CommonBuckets()
    with redis_server.client() as client:
        client.delete("quota")
        for gateway, asked, spent, count in exchanges:
            usage = QuotaUsage(requests, tokens, asked, spent)
            now_ms, expected = by_redis(client, gateway, count, usage)
            (found,) = buckets.exchange_quotas(gateway, count, {"k": usage}, now_ms).values()
            # What Redis stores has six decimals.
            assert found.requests == pytest.approx(expected.requests, abs=1e-4)
            assert found.tokens == pytest.approx(expected.tokens, abs=1e-4)


def test_active_keys_are_those_of_redis(redis_server: RedisServer) -> None:
    buckets = CommonBuckets()
    with redis_server.client() as client:
        for used in (["a"], [], ["b", "a"]):
            found = client.execute_command("EVAL", ACTIVE_KEYS.text, 1, "active", MINUTE_MS, *used)
            assert sorted(buckets.active_keys(used, 5.0)) == sorted(name.decode() for name in found)


def test_a_key_that_is_not_used_is_no_longer_active_and_its_buckets_are_forgotten_full() -> None:
    buckets = CommonBuckets()
    usage = QuotaUsage(60.0, None, 60.0)
    assert buckets.active_keys(["k"], 0.0) == ["k"]
    assert buckets.exchange_quotas("a", 1, {"k": usage}, 0.0)["k"].requests == 0.0
    assert buckets.active_keys([], 59_000.0) == ["k"]
    assert buckets.active_keys([], 60_000.0) == []
    buckets.active_keys([], 4_000_000.0)
    assert buckets.exchange_quotas("a", 1, {"k": QuotaUsage(60.0)}, 4_000_000.0)["k"].requests == 60.0


@given(
    limit=st.floats(1.0, 600.0),
    turns=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 80.0)), max_size=60),
)
def test_together_the_shares_never_exceed_what_is_left(limit: float, turns: list[tuple[str, float]]) -> None:
    buckets, held, now_ms, given_out = CommonBuckets(), dict.fromkeys("abc", 0.0), 0.0, 0.0
    for gateway, passed_ms in turns:
        now_ms += passed_ms
        # All of it within five seconds, after which a share is free again. Who asks has used up its whole share.
        used, held[gateway] = max(0.0, held[gateway]), 0.0
        given_out += used
        share = buckets.exchange_quotas(gateway, 3, {"k": QuotaUsage(limit, None, used)}, now_ms)["k"]
        held[gateway] = share.requests
        left = limit + limit * now_ms / 60_000 - given_out
        assert sum(max(0.0, one) for one in held.values()) <= left + 1e-6


def test_shares_travel_as_they_are() -> None:
    share = QuotaShare(1.5, -2.0)
    assert msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(share)), QuotaShare) == share
