"""Broken requests, drawn from a seed, against a real gateway."""

import random
from pathlib import Path

import pytest

from qa.fuzzing.broken import send_broken
from qa.fuzzing.mutate import mutated
from qa.fuzzing.servers import gateway
from qa.fuzzing.steady import send_sound


def test_the_same_seed_breaks_the_same_requests() -> None:
    first, again = random.Random(3), random.Random(3)
    assert [mutated(first) for _ in range(50)] == [mutated(again) for _ in range(50)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_broken_breaks_the_gateway(tmp_path: Path) -> None:
    with gateway(tmp_path, has_keys=False) as target:
        found = send_broken(target, 400, seed=7)
        assert found.faults == []
        assert sum(found.statuses.values()) == 400
        assert int(found.statuses["400"]) > 100
        assert send_sound(target, 300)["statuses"] == {"200": 300}
        assert target.faults() == []
