"""One check, and running many of them."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from qa.conformance.servers import Target

Status = Literal["passed", "failed", "recorded", "not run"]
LONG = 600


class Unequal(Exception):
    """What came is not what should have come. The message names both."""


class NotRun(Exception):
    """A check that cannot be made here. The message says why."""


class Recorded(Exception):
    """No rule says what should come; the message says what does."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is tried. sent: what is done; expected: what should come; why: who says so.

    run: returns what came; raises Unequal, NotRun or Recorded. is_slow: takes seconds, so that the tests leave it out.
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
    """How a check went. came: what was seen; took_s: how long it took."""

    suite: str
    name: str
    sent: str
    expected: str
    why: str
    status: Status
    came: str
    took_s: float = field(default=0.0)


def equal(came: Any, expected: Any, what: str) -> None:
    """Raises Unequal where the two differ."""
    if came != expected:
        raise Unequal(f"{what}: {_short(came)} came, {_short(expected)} should have")


def holds(condition: object, what: str) -> None:
    """Raises Unequal where the condition is false. what: the finding, as it then stands in the report."""
    if not condition:
        raise Unequal(what)


def run_checks(checks: Iterable[Check], target: Target, at_once: int = 1) -> list[Outcome]:
    """All of them, in their order. at_once: how many at the same time."""
    if at_once == 1:
        return [_run(check, target) for check in checks]
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda check: _run(check, target), checks))


def failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that are wrong."""
    return [outcome for outcome in outcomes if outcome.status == "failed"]


def _run(check: Check, target: Target) -> Outcome:
    begun = time.monotonic()
    status, came = _tried(check, target)
    took_s = round(time.monotonic() - begun, 3)
    return Outcome(check.suite, check.name, check.sent, check.expected, check.why, status, came, took_s)


def _tried(check: Check, target: Target) -> tuple[Status, str]:
    try:
        return "passed", check.run(target)
    except NotRun as reason:
        return "not run", str(reason)
    except Recorded as seen:
        return "recorded", str(seen)
    except Unequal as found:
        return "failed", str(found)
    except Exception as error:  # a client's exception is a finding like any other
        return "failed", f"{type(error).__name__}: {_short(str(error))}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text)} characters)"
