"""One thing tried, and what came of it."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.conforming.target import Target


@dataclass(frozen=True, slots=True)
class Result:
    """A check that was run. ok: None where it could not be, and `detail` says why."""

    group: str
    name: str
    ok: bool | None
    detail: str = ""


Check = Callable[[Target], str | None]
"""Does something with a gateway; fails by an exception. What it returns is worth telling."""


def run(group: str, checks: Iterable[Check], target: Target) -> Iterator[Result]:
    """Runs checks, each named by the first line of its docstring."""
    for check in checks:
        name = (check.__doc__ or check.__name__).strip().splitlines()[0]
        try:
            detail = check(target)
        except Exception as error:  # whatever a client makes of our answers is a result
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield Result(group, name, False, f"{type(error).__name__}: {error} ({where.name}:{where.lineno})"[:500])
        else:
            yield Result(group, name, True, detail or "")


def same(found: object, expected: object) -> None:
    """Fails, showing both, unless they are equal."""
    if found != expected:
        raise AssertionError(f"expected {expected!r}, got {found!r}"[:400])


def holds(condition: bool, otherwise: str) -> None:
    """Fails with these words unless the condition holds."""
    if not condition:
        raise AssertionError(otherwise[:400])


def raises(expected: type[Exception], call: Callable[[], object]) -> Exception:
    """The exception of that type that a call raises; fails where it does not."""
    try:
        call()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected.__name__}, got an answer")
