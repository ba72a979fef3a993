"""The most important faults, with real processes, a few seconds each. `make faults` runs all."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qa.faults.scenarios import run
from qa.faults.stack import Shape
from qa.faults.wires import NAMESPACES, PREFIX, are_wires_possible, lay_wires

SHORT = Shape(seconds=6.0, per_s=60.0, tasks=4)

NOTES = {
    "descriptor_limit": "connections got 503; breakers: closed",
    "slow_reader": "10 of 10 connections closed by the gateway; breakers: closed",
    "trickled_body": "20 of 20 requests got 408; breakers: closed",
}
"""What the faults of clients must have come to."""

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


@needs_redis
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "dead_letters"),
    [
        ("scorer_killed", 0),
        ("gateway_killed", 0),
        ("redis_killed", 0),
        ("redis_emptied", 0),
        ("sentinel_failover", 0),
        ("redis_hangs", 0),
        ("partition", 0),
        ("redis_full", 0),
        ("poison", 1),
        ("two_packs", 0),
        ("descriptor_limit", 0),
        ("slow_reader", 0),
        ("trickled_body", 0),
        ("sigterm", 0),
    ],
)
def test_no_request_fails_and_every_observation_is_accounted_for(fault: str, dead_letters: int, tmp_path: Path) -> None:
    row = run(fault, tmp_path, SHORT)
    assert row is not None
    assert row.failed_requests == 0, row
    assert row.adds_up, row
    assert row.decisions_equal, row
    assert row.sent >= row.requests
    assert row.skipped or fault == "redis_emptied", row
    assert row.dropped_by_reason.get("parked", 0) == dead_letters, row
    assert NOTES.get(fault, "") in row.note, row


def test_a_namespace_goes_with_its_cables_and_so_does_what_killed_runs_have_left() -> None:
    if not are_wires_possible():
        pytest.skip("this machine gives us no network namespaces")
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = NAMESPACES / f"{PREFIX}{int(ended.stdout)}"
    subprocess.run([shutil.which("ip") or "ip", "netns", "add", left.name], check=True)
    with lay_wires() as wires:
        assert (NAMESPACES / wires.namespace).exists()
        assert Path("/sys/class/net", wires.cable).exists()
        assert not left.exists()
    assert not (NAMESPACES / wires.namespace).exists()
    assert not Path("/sys/class/net", wires.cable).exists()


@needs_redis
@pytest.mark.slow
def test_a_partition_without_namespaces_is_a_proxy_that_drops_everything(tmp_path: Path) -> None:
    row = run("partition", tmp_path, replace(SHORT, has_cables=False))
    assert row is not None
    assert (row.failed_requests, row.adds_up, row.decisions_equal) == (0, True, True), row
    assert "proxy" in row.note


@needs_redis
@pytest.mark.slow
def test_a_full_backlog_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    row = run("backlog_full", tmp_path, SHORT)
    assert row is not None
    assert (row.failed_requests, row.adds_up, row.decisions_equal) == (0, True, True), row
    assert row.dropped == row.dropped_by_reason.get("backlog_full", 0)
