"""Every metric, from the calls that make them: a name that begins with benchroute_, then what it is."""

import ast
from dataclasses import dataclass

from docs.tables.markdown import code, table
from docs.tables.source import called, calls, keyword, literal

PREFIX = "benchroute_"
INTRO = """\
# Metrics

`GET /metrics`, in Prometheus' text format; with an admin key configured it takes one (a read-only one will do).
Counters begin at 0 when a gateway starts; histograms come as `_bucket`, `_sum` and `_count`. No label takes a value
that a client makes up, but for tasks, and of those the first `metrics.max_tasks` alone: the others count as `other`.

`deploy/grafana/benchroute.json` is a dashboard of them, `deploy/prometheus/alerts.yaml` the rules to be woken by.

"""


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """One metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    told: str


def metrics() -> str:
    """The page."""
    found = sorted({shown for call in calls() if (shown := _shown(call)) is not None})
    rows = [(code(one.name), one.kind, ", ".join(map(code, one.labels)), one.told) for one in found]
    return INTRO + table(("metric", "kind", "labels", ""), rows)


def _shown(call: ast.Call) -> Shown | None:
    first = [literal(argument) for argument in call.args[:2]]
    name, told = (*first, None, None)[:2]
    if not isinstance(name, str) or not name.startswith(PREFIX) or not isinstance(told, str):
        return None
    kind = next((kind for kind in ("counter", "histogram", "gauge") if kind in called(call).lower()), "gauge")
    given = literal(keyword(call, "labels")) or (literal(call.args[2]) if len(call.args) > 2 else None)
    labels = tuple(map(str, given)) if isinstance(given, list | tuple) else _keys(call)
    suffix = "_total" if kind == "counter" and not name.endswith("_total") else ""
    return Shown(name + suffix, kind, labels, told)


def _keys(call: ast.Call) -> tuple[str, ...]:
    """The labels of a metric that is made with its values."""
    last = call.args[-1]
    return tuple(str(literal(key)) for key in last.keys) if isinstance(last, ast.Dict) else ()
