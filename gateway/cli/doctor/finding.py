"""One thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """what: was looked at. told: how it is. mend: the next step, where there is one."""

    level: Level
    what: str
    told: str
    mend: str = ""


def ok(what: str, told: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, what, told)


def warning(what: str, told: str, mend: str) -> Finding:
    """A gateway works with it, perhaps not as meant."""
    return Finding(Level.WARNING, what, told, mend)


def fault(what: str, told: str, mend: str) -> Finding:
    """A gateway does not start with it, or cannot answer."""
    return Finding(Level.FAULT, what, told, mend)
