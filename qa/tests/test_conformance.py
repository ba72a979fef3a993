"""The conformance run's fast half: what development has installed, and what takes no seconds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from qa.conformance.checks import Check, Outcome, Recorded, Unequal, failed, run_checks
from qa.conformance.report import write
from qa.conformance.run import AFTER, SWEEP, measured
from qa.conformance.servers import Target, both

CLIENTS = ("openai_python", "openai_async", "openai_errors", "raw_socket", "curl")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("conformance")
    with both(folder, folder / "node") as target:
        yield target


@pytest.mark.parametrize("modules", [CLIENTS, (*SWEEP, *AFTER)], ids=["clients", "http"])
def test_the_gateway_conforms(target: Target, modules: Sequence[str]) -> None:
    outcomes = measured(target, modules, lambda check: not check.is_slow)
    assert {(one.suite, one.name): one.came for one in failed(outcomes)} == {}


def test_a_wrong_answer_is_a_finding_and_an_exception_too(target: Target, tmp_path: Path) -> None:
    def wrong(_: Target) -> str:
        raise Unequal("400 came")

    def breaks(_: Target) -> str:
        raise ValueError("no JSON")

    def told(_: Target) -> str:
        raise Recorded("closed")

    checks = [Check("suite", run.__name__, "sent", "expected", run) for run in (wrong, breaks, told)]
    outcomes: list[Outcome] = run_checks(checks, target)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "recorded"]
    assert outcomes[1].came == "ValueError: no JSON"
    write(tmp_path / "conformance.json", outcomes)
    assert '"failed": 2' in (tmp_path / "conformance.json").read_text()
