"""One thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class FindingLevel(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """what: was looked at. told: how it is. mend: the next step, where there is one."""

    level: FindingLevel
    check: str
    message: str
    fix: str = ""


def make_ok(what: str, told: str) -> Finding:
    """It is as it should be."""
    return Finding(FindingLevel.OK, what, told)


def make_warning(what: str, told: str, mend: str) -> Finding:
    """A gateway works with it, perhaps not as meant."""
    return Finding(FindingLevel.WARNING, what, told, mend)


def make_error(what: str, told: str, mend: str) -> Finding:
    """A gateway does not start with it, or cannot answer."""
    return Finding(FindingLevel.FAULT, what, told, mend)
