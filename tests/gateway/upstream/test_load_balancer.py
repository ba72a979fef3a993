from dataclasses import dataclass

import pytest

from gateway.config.schema import BreakerConfig
from gateway.upstream.errors import Unsupported, UpstreamProtocolError
from gateway.upstream.interface import UpstreamRequest, UpstreamResponse
from gateway.upstream.load_balancer import LoadBalancer


@dataclass(frozen=True)
class Named:
    """A backend that is chosen and never asked."""

    name: str
    weight: float = 1.0

    async def open_response(self, call: UpstreamRequest) -> UpstreamResponse:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


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
    with pytest.raises(UpstreamProtocolError), broken.track_request():
        raise UpstreamProtocolError("broke")
    assert names(backends) == ["m/2"]
    assert broken.outstanding == 0


def test_an_endpoint_it_does_not_answer_says_nothing_about_its_health() -> None:
    backends = made(1)
    with pytest.raises(Unsupported), backends.candidates("m")[0].track_request():
        raise Unsupported("no")
    assert names(backends) == ["m/1"]


def test_when_all_are_broken_one_is_still_named() -> None:
    backends = made(1)
    for watched in backends.all_backends():
        watched.breaker.on_result(True)
    assert names(backends) == []
    assert backends.soonest_available(["m", "n"]).backend.name == "m/1"
