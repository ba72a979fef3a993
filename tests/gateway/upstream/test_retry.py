import pytest

from gateway.config.schema import UpstreamConfig
from gateway.upstream.errors import ErrorStatus, Unsupported, UpstreamProtocolError
from gateway.upstream.retry import MAX_RETRY_TOKENS, RetryPolicy

BROKEN = UpstreamProtocolError("broke")


def policy(retries: int = 3, budget: float = 0.2, pause: float = 1.0, draw: float = 0.5) -> RetryPolicy:
    config = UpstreamConfig(retries=retries, retry_budget=budget, retry_pause_s=pause, max_retry_after_s=5)
    return RetryPolicy(config, lambda: draw)


def test_pauses_are_drawn_from_a_bound_that_doubles() -> None:
    made = policy()
    assert [made.backoff_s(round_, BROKEN) for round_ in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, None]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_same_backend_will_say_again_is_not_asked_again(status: int) -> None:
    assert policy().backoff_s(1, ErrorStatus(status)) is None
    assert policy().backoff_s(1, Unsupported("no")) is None


@pytest.mark.parametrize(
    ("told", "pause"),
    [("3", 3.0), ("0", 0.0), ("6", None), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5), (None, 0.5), ("-1", 0.5)],
)
def test_retry_after_is_waited_for_unless_it_is_too_long(told: str | None, pause: float | None) -> None:
    assert policy().backoff_s(1, ErrorStatus(429, told)) == pause


def test_retries_are_a_share_of_requests() -> None:
    made = policy(budget=0.25)
    first = [made.backoff_s(1, BROKEN) is not None for _ in range(20)]
    assert sum(first) == MAX_RETRY_TOKENS
    for _ in range(8):
        made.on_request()
    assert [made.backoff_s(1, BROKEN) is not None for _ in range(3)] == [True, True, False]
