"""Malformed requests, drawn from a seed, against a real gateway."""

import random
from pathlib import Path

import pytest

from qa.fuzzing.broken import send_broken
from qa.fuzzing.mutate import mutate_request
from qa.fuzzing.servers import gateway
from qa.fuzzing.steady import send_valid


def test_the_same_seed_breaks_the_same_requests() -> None:
    first, again = random.Random(3), random.Random(3)
    assert [mutate_request(first) for _ in range(50)] == [mutate_request(again) for _ in range(50)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_broken_breaks_the_gateway(tmp_path: Path) -> None:
    with gateway(tmp_path, has_keys=False) as target:
        found = send_broken(target, 400, seed=7)
        assert found.faults == []
        assert sum(found.statuses.values()) == 400
        assert int(found.statuses["400"]) > 100
        assert send_valid(target, 300)["statuses"] == {"200": 300}
        assert target.faults() == []
