"""One check, its outcome, and running many checks."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from qa.conformance.servers import Target

Status = Literal["passed", "failed", "recorded", "not run"]
LONG = 600


class Mismatch(Exception):
    """The result differs from the expected one. The message names both."""


class NotRun(Exception):
    """The check cannot run on this machine. The message says why."""


class Recorded(Exception):
    """No rule prescribes a result; the message records the one observed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        suite: group in the report.
        name: unique within the suite.
        sent: the action, in words.
        expected: the prescribed result, in words.
        run: returns the observed result; raises Mismatch, NotRun or Recorded.
        why: the specification or design rule behind it.
        is_slow: takes seconds, so the test suite leaves it out.
    """

    suite: str
    name: str
    sent: str
    expected: str
    run: Callable[[Target], str]
    why: str = ""
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check: the check's own fields, and what was observed.

    Attributes:
        status: passed, failed, recorded (no rule) or not run.
        observed: the observed result, in words.
        took_s: duration in seconds.
    """

    suite: str
    name: str
    sent: str
    expected: str
    why: str
    status: Status
    observed: str
    took_s: float = field(default=0.0)


def expect_equal(observed: Any, expected: Any, what: str) -> None:
    """Raise Mismatch if the two differ. what: the name of the compared value."""
    if observed != expected:
        raise Mismatch(f"{what}: {_short(observed)} in place of {_short(expected)}")


def expect_true(condition: object, what: str) -> None:
    """Raise Mismatch if the condition is false. what: the finding for the report."""
    if not condition:
        raise Mismatch(what)


def run_checks(checks: Iterable[Check], target: Target, at_once: int = 1) -> list[Outcome]:
    """Run the checks and return their outcomes in order. at_once: number of threads."""
    if at_once == 1:
        return [_run(check, target) for check in checks]
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda check: _run(check, target), checks))


def failed_checks(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the failed ones."""
    return [outcome for outcome in outcomes if outcome.status == "failed"]


def _run(check: Check, target: Target) -> Outcome:
    started = time.monotonic()
    status, observed = _tried(check, target)
    took_s = round(time.monotonic() - started, 3)
    return Outcome(check.suite, check.name, check.sent, check.expected, check.why, status, observed, took_s)


def _tried(check: Check, target: Target) -> tuple[Status, str]:
    try:
        return "passed", check.run(target)
    except NotRun as reason:
        return "not run", str(reason)
    except Recorded as seen:
        return "recorded", str(seen)
    except Mismatch as found:
        return "failed", str(found)
    except Exception as error:  # a client's exception is a finding like any other
        return "failed", f"{type(error).__name__}: {_short(str(error))}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text)} characters)"
