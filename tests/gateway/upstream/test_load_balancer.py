import pytest

from gateway.config.schema import BreakerConfig
from gateway.upstream.errors import ErrorInBody, ErrorStatus, StaleConnection, Unsupported, UpstreamProtocolError
from gateway.upstream.load_balancer import LoadBalancer, is_backend_fault
from tests.gateway.upstream.named import Named


def made(*weights: float) -> LoadBalancer:
    served = [Named(f"m/{place}", weight) for place, weight in enumerate(weights, 1)]
    return LoadBalancer(
        {"m": served, "n": [Named("n/1")]}, BreakerConfig(consecutive_faults=1), lambda: 0.0, lambda: 0.0
    )


def names(backends: LoadBalancer) -> list[str]:
    return [watched.backend.name for watched in backends.candidates("m")]


def test_the_least_busy_for_its_weight_comes_first() -> None:
    backends = made(3, 1)
    taken = []
    for _ in range(8):
        chosen = backends.candidates("m")[0]
        chosen.outstanding += 1
        taken.append(chosen.backend.name)
    assert taken.count("m/1") == 6
    chosen.on_finish(False)
    assert names(backends)[0] == chosen.backend.name


def test_a_backend_that_is_broken_is_left_out() -> None:
    backends = made(1, 1)
    broken = backends.candidates("m")[0]
    broken.on_start()
    broken.on_finish(is_backend_fault(UpstreamProtocolError("broke")))
    assert names(backends) == ["m/2"]
    assert broken.outstanding == 0


def test_an_endpoint_it_does_not_answer_or_a_stale_connection_says_nothing_about_its_health() -> None:
    backends = made(1)
    for fault in (Unsupported("no"), StaleConnection("closed")):
        asked = backends.candidates("m")[0]
        asked.on_start()
        asked.on_finish(is_backend_fault(fault))
    assert names(backends) == ["m/1"]


def test_when_all_are_broken_one_is_still_named() -> None:
    backends = made(1)
    for watched in backends.all_backends():
        watched.breaker.on_result(True)
    assert names(backends) == []
    assert backends.soonest_available(["m", "n"]).backend.name == "m/1"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503])
def test_what_one_clients_request_can_cause_opens_no_breaker_for_others(status: int) -> None:
    expected = None if status in (403, 404, 409, 425) else True
    assert is_backend_fault(ErrorStatus(status)) is expected


@pytest.mark.parametrize(("status", "expected"), [(None, True), (503, True), (429, True), (400, None), (404, None)])
def test_an_error_with_status_200_counts_by_the_status_that_it_names(status: int | None, expected: bool | None) -> None:
    data = b'{"error":{"message":"no"}}' if status is None else b'{"error":{"code":%d}}' % status
    assert is_backend_fault(ErrorInBody.from_data(data)) is expected
