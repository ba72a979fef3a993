"""Result of a check."""

from dataclasses import dataclass
from enum import StrEnum


class FindingLevel(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check.

    Attributes:
        check: name of the check.
        message: its result.
        fix: the next step, empty if none is needed.
    """

    level: FindingLevel
    check: str
    message: str
    fix: str = ""


def make_ok(check: str, message: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(FindingLevel.OK, check, message)


def make_warning(check: str, message: str, fix: str) -> Finding:
    """Return a finding with which a gateway works, but perhaps not as intended."""
    return Finding(FindingLevel.WARNING, check, message, fix)


def make_error(check: str, message: str, fix: str) -> Finding:
    """Return a finding with which a gateway does not start or cannot serve requests."""
    return Finding(FindingLevel.ERROR, check, message, fix)
