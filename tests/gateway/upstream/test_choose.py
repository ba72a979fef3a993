from dataclasses import dataclass

import pytest

from gateway.config.schema import BreakerConfig
from gateway.upstream.errors import Broken, Unsupported
from gateway.upstream.interface import Answer, Call
from gateway.upstream.load_balancer import Backends


@dataclass(frozen=True)
class Named:
    """A backend that is chosen and never asked."""

    name: str
    weight: float = 1.0

    async def open(self, call: Call) -> Answer:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def made(*weights: float) -> Backends:
    served = [Named(f"m/{place}", weight) for place, weight in enumerate(weights, 1)]
    return Backends({"m": served, "n": [Named("n/1")]}, BreakerConfig(consecutive_faults=1), lambda: 0.0, lambda: 0.0)


def names(backends: Backends) -> list[str]:
    return [watched.backend.name for watched in backends.of("m")]


def test_the_least_busy_for_its_weight_comes_first() -> None:
    backends = made(3, 1)
    taken = []
    for _ in range(8):
        chosen = backends.of("m")[0]
        chosen.outstanding += 1
        taken.append(chosen.backend.name)
    assert taken.count("m/1") == 6
    chosen.finished(False)
    assert names(backends)[0] == chosen.backend.name


def test_a_backend_that_is_broken_is_left_out() -> None:
    backends = made(1, 1)
    broken = backends.of("m")[0]
    with pytest.raises(Broken), broken.asked():
        raise Broken("broke")
    assert names(backends) == ["m/2"]
    assert broken.outstanding == 0


def test_an_endpoint_it_does_not_answer_says_nothing_about_its_health() -> None:
    backends = made(1)
    with pytest.raises(Unsupported), backends.of("m")[0].asked():
        raise Unsupported("no")
    assert names(backends) == ["m/1"]


def test_when_all_are_broken_one_is_still_named() -> None:
    backends = made(1)
    for watched in backends.all():
        watched.breaker.ended(True)
    assert names(backends) == []
    assert backends.least_bad(["m", "n"]).backend.name == "m/1"
