"""Timeouts of a request: the configuration's, the model's own, and those that the request sets by header."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from gateway.config.schema import TimeoutConfig
from gateway.errors import InvalidRequest
from gateway.http.headers import RawHeaders

MAX_TIMEOUT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds; gateway.config.schema.TimeoutConfig describes them."""

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    between_chunks_s: float = 120.0
    total_s: float = 3600.0

    def overridden_by(self, limits: TimeoutConfig) -> "Timeouts":
        """Return these timeouts, replaced by those that are set in `limits`."""
        return replace(self, **limits.model_dump(exclude_none=True))


HEADERS = {f"x-benchroute-{field.name.replace('_', '-')}".encode(): field.name for field in fields(Timeouts)}
"""Header -> the timeout that it sets: x-benchroute-connect-s and so on."""

TimeoutOverrides = Mapping[str, float]
"""The timeouts that one request sets, by name."""

NOTHING: TimeoutOverrides = {}


def parse_timeout_headers(own: RawHeaders) -> TimeoutOverrides:
    """Return the timeouts among a request's own headers. Raises InvalidRequest for an invalid number of seconds."""
    return {HEADERS[name]: _seconds(name, value) for name, value in own if name in HEADERS} if own else NOTHING


def _seconds(name: bytes, value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        header = name.decode()
        raise InvalidRequest(f"header {header}: expected seconds, above 0 and at most {MAX_TIMEOUT_S:g}", param=header)
    return seconds
