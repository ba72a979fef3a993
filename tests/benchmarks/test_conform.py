"""The client matrix and the HTTP sweep, but for the clients that are installed for `make conformance` alone."""

from collections.abc import Iterator

import pytest

from benchmarks.conforming.checks import Check, run
from benchmarks.conforming.clients import curl, openai_python
from benchmarks.conforming.http import framing, messages
from benchmarks.conforming.target import Target, started

SLOW = messages.slow_header  # waits half a minute by design
CHECKS = (*openai_python.CHECKS, *framing.CHECKS, *(check for check in messages.CHECKS if check is not SLOW))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with started() as running:
        yield running


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.__module__.rpartition('.')[2]}.{check.__name__}")
def test_conforms(target: Target, check: Check) -> None:
    (result,) = run("", [check], target)
    assert result.ok, result.detail


@pytest.mark.skipif(curl.missing() is not None, reason="there is no curl here")
@pytest.mark.parametrize("check", curl.CHECKS, ids=lambda check: check.__name__)
def test_curl_conforms(target: Target, check: Check) -> None:
    (result,) = run("", [check], target)
    assert result.ok, result.detail


def test_a_check_that_fails_is_told(target: Target) -> None:
    def fails(_: Target) -> None:
        """fails"""
        raise AssertionError("as it must")

    (result,) = run("group", [fails], target)
    assert (result.ok, result.name) == (False, "fails")
    assert "as it must" in result.detail
