"""Ranges of history: from when to when, and in steps of which length."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query

from gateway.errors import InvalidRequest
from gateway.usage.history import HOUR_S, MINUTE_S, RETENTION_S
from gateway.usage.timeseries import RETAINED_MINUTES

MAX_POINTS = 500
"""Most steps of one answer."""

DAY_S = 24 * HOUR_S
RangeName = Literal["1h", "6h", "24h", "48h", "7d", "30d", "90d"]
UNITS_S = {"m": MINUTE_S, "h": HOUR_S, "d": DAY_S}
STEPS_S = (*(MINUTE_S * n for n in (1, 2, 5, 10, 15, 30)), *(HOUR_S * n for n in (1, 2, 3, 6, 12)), DAY_S, 7 * DAY_S)
"""Lengths of a step that are chosen without a parameter; each is a whole number of minutes or of hours."""

STEP = re.compile(r"(\d{1,4})([mhd])\Z")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range in whole steps. Unix time in seconds.

    Attributes:
        start: a multiple of the step.
        end: likewise; not in the range.
        stored_s: length of the stored counts that are read, MINUTE_S or HOUR_S.
    """

    start: int
    end: int
    step_s: int
    stored_s: int


Preset = Annotated[RangeName | None, Query(alias="range", description="The last hour, hours or days; 1h without it.")]
From = Annotated[
    str | None, Query(alias="from", max_length=50, description="Start: ISO 8601, or Unix time in seconds.")
]
To = Annotated[str | None, Query(max_length=50, description="End, not included; now without it.")]
Step = Annotated[str | None, Query(max_length=10, description="Length of a step: 5m, 1h, 1d.")]
Minutes = Annotated[
    int | None, Query(ge=1, le=RETAINED_MINUTES, description="Number of minutes up to now, in place of `range`.")
]


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """Parameters of a request for history, as they came. minutes: of earlier versions, in place of `range`."""

    name: RangeName | None = None
    start: str | None = None
    end: str | None = None
    step: str | None = None
    minutes: int | None = None


def range_of(
    preset: Preset = None,
    start: From = None,
    to: To = None,
    step: Step = None,
    minutes: Minutes = None,
) -> RangeQuery:
    """Return the parameters of a range (a dependency of endpoints)."""
    return RangeQuery(preset, start, to, step, minutes)


def resolve_range(query: RangeQuery, now: float) -> TimeRange:
    """Return the range that a request means. now: Unix time in seconds. Raises InvalidRequest."""
    if query.start is None and query.end is not None:
        raise InvalidRequest("`to` needs `from`: the range ends there and begins nowhere.", param="from")
    if query.start is not None and (query.name is not None or query.minutes is not None):
        raise InvalidRequest("`from` and `range` exclude each other: give one of them.", param="range")
    oldest = now - RETENTION_S[HOUR_S]
    if query.start is None:
        length_s = range_seconds(query.name) if query.name else MINUTE_S * (query.minutes or 60)
        return _in_steps(now - length_s, now, query, now, is_last=True)
    start, end = parse_time(query.start, "from"), now if query.end is None else parse_time(query.end, "to")
    if start > now:
        raise InvalidRequest("`from` is in the future.", param="from")
    if end <= start:
        raise InvalidRequest("`from` must be before `to`.", param="from")
    return _in_steps(max(start, oldest), min(max(end, oldest), now), query, now)


def range_seconds(name: RangeName) -> int:
    """Return the length of a named range."""
    return int(name[:-1]) * UNITS_S[name[-1]]


def parse_time(text: str, param: str) -> float:
    """Return a time as Unix time in seconds. text: ISO 8601, UTC where it names no time zone, or Unix time.

    Raises InvalidRequest.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    raise InvalidRequest(
        f"{param} {text[:50]!r}: expected a time such as 2026-11-28T09:00:00Z, or Unix time in seconds.", param=param
    )


def parse_step(text: str) -> int:
    """Return a step in seconds. text: 5m, 1h, 1d. Raises InvalidRequest."""
    found = STEP.match(text)
    if found is None or not int(found[1]):
        raise InvalidRequest(f"step {text[:20]!r}: expected a number with m, h or d, such as 5m or 1h.", param="step")
    return int(found[1]) * UNITS_S[found[2]]


def _in_steps(start: float, end: float, query: RangeQuery, now: float, *, is_last: bool = False) -> TimeRange:
    """Return a range in whole steps. is_last: it ends now, and its length matters more than its start."""
    has_minutes = start >= now - RETENTION_S[MINUTE_S] - MINUTE_S
    if query.step is None:
        step_s = next(
            one for one in STEPS_S if (end - start) / one <= MAX_POINTS and (has_minutes or one % HOUR_S == 0)
        )
    else:
        step_s = _check_step(parse_step(query.step), end - start, has_minutes=has_minutes)
    last = -int(-end // step_s) * step_s
    first = last - round((end - start) / step_s) * step_s if is_last else int(start // step_s) * step_s
    return TimeRange(min(first, last - step_s), last, step_s, MINUTE_S if has_minutes else HOUR_S)


def _check_step(step_s: int, length_s: float, *, has_minutes: bool) -> int:
    if not has_minutes and step_s % HOUR_S:
        hours = RETENTION_S[MINUTE_S] // HOUR_S
        raise InvalidRequest(
            f"Minutes are stored for {hours} hours: before that, the step must be whole hours.",
            param="step",
        )
    if length_s / step_s > MAX_POINTS:
        raise InvalidRequest(
            f"The range has more than {MAX_POINTS} steps: give a longer step, or leave it out.", param="step"
        )
    return step_s
