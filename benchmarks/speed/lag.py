"""The histogram of a gateway's event loop lag, from its metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.speed.loads import KEY
from benchmarks.speed.targets import Target

NAME = "benchroute_event_loop_lag_seconds"


def read_lag(target: Target) -> Mapping[str, int]:
    """Return samples by the upper bound of their bucket in seconds; empty for a target that is no gateway."""
    if not target.routes:
        return {}
    connection = HTTPConnection("127.0.0.1", target.ports["fast"], timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        return parse_lag(answer.read().decode()) if answer.status == 200 else {}
    except (OSError, HTTPException):
        return {}
    finally:
        connection.close()


def parse_lag(metrics: str) -> Mapping[str, int]:
    """Return samples by the upper bound of their bucket in seconds, of metrics as text."""
    found: dict[str, int] = {}
    before = 0
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == f"{NAME}_bucket":
                found[sample.labels["le"]] = int(sample.value) - before
                before = int(sample.value)
    return found


def subtract_lag(after: Mapping[str, int], before: Mapping[str, int]) -> Mapping[str, int]:
    """Return the samples that were taken between two readings."""
    return {bound: count - before.get(bound, 0) for bound, count in after.items()}


def sum_lag(parts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """Return the samples of several histograms together."""
    total = Counter[str]()
    for part in parts:
        total.update(part)
    return total


def describe_lag(lag: Mapping[str, int]) -> str:
    """Return the late samples in words, the latest last: `250 samples; 3 up to 5 ms late, 1 up to 10 ms late`."""
    first = next(iter(lag))
    shown = [
        f"{count} more than 1000 ms late" if bound == "+Inf" else f"{count} up to {1000 * float(bound):g} ms late"
        for bound, count in lag.items()
        if count and bound != first
    ]
    return f"{sum(lag.values())} samples; " + (", ".join(shown) or f"none more than {1000 * float(first):g} ms late")
