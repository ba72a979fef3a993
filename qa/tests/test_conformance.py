"""The fast checks of the conformance run, with the clients of the extra `dev`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from qa.conformance.checks import Check, Mismatch, Outcome, Recorded, failed_checks, run_checks
from qa.conformance.report import write_report
from qa.conformance.run import AFTER, SWEEP, run_modules
from qa.conformance.servers import Target, running_servers

CLIENTS = ("openai_python", "openai_async", "openai_errors", "raw_socket", "curl")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("conformance")
    with running_servers(folder, folder / "node") as target:
        yield target


@pytest.mark.parametrize("modules", [CLIENTS, (*SWEEP, *AFTER)], ids=["clients", "http"])
def test_the_gateway_conforms(target: Target, modules: Sequence[str]) -> None:
    outcomes = run_modules(target, modules, lambda check: not check.is_slow)
    assert {(one.suite, one.name): one.observed for one in failed_checks(outcomes)} == {}


def test_a_wrong_answer_is_a_finding_and_an_exception_too(target: Target, tmp_path: Path) -> None:
    def wrong(_: Target) -> str:
        raise Mismatch("400 came")

    def breaks(_: Target) -> str:
        raise ValueError("no JSON")

    def records(_: Target) -> str:
        raise Recorded("closed")

    checks = [Check("suite", run.__name__, "sent", "expected", run) for run in (wrong, breaks, records)]
    outcomes: list[Outcome] = run_checks(checks, target)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "recorded"]
    assert outcomes[1].observed == "ValueError: no JSON"
    write_report(tmp_path / "conformance.json", outcomes)
    assert '"failed": 2' in (tmp_path / "conformance.json").read_text()
