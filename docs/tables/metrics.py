"""Metrics reference, from the calls that define metrics: a name that begins with benchroute_, then its help text."""

import ast
from dataclasses import dataclass

from docs.tables.markdown import code, table
from docs.tables.source import called, calls, keyword, literal

PREFIX = "benchroute_"
INTRO = """\
# Metrics

`GET /metrics` returns them in Prometheus text format. With admin keys configured it requires one; a read-only key
suffices. Counters start at 0 when a gateway starts. Histograms have the suffixes `_bucket`, `_sum` and `_count`.
Clients cannot create label values, except task IDs: beyond `metrics.max_tasks` they are labelled `other`.

`deploy/grafana/benchroute.json` is a Grafana dashboard, `deploy/prometheus/alerts.yaml` contains alerting rules.

"""


@dataclass(frozen=True, slots=True, order=True)
class MetricRow:
    """A metric in the table."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def metrics() -> str:
    """Return the text of the page."""
    found = sorted({row for call in calls() if (row := _row(call)) is not None})
    rows = [(code(one.name), one.kind, ", ".join(map(code, one.labels)), one.help) for one in found]
    return INTRO + table(("Metric", "Type", "Labels", "Description"), rows)


def _row(call: ast.Call) -> MetricRow | None:
    first = [literal(argument) for argument in call.args[:2]]
    name, help_text = (*first, None, None)[:2]
    if not isinstance(name, str) or not name.startswith(PREFIX) or not isinstance(help_text, str):
        return None
    kind = next((kind for kind in ("counter", "histogram", "gauge") if kind in called(call).lower()), "gauge")
    given = literal(keyword(call, "labels")) or (literal(call.args[2]) if len(call.args) > 2 else None)
    labels = tuple(map(str, given)) if isinstance(given, list | tuple) else _keys(call)
    suffix = "_total" if kind == "counter" and not name.endswith("_total") else ""
    return MetricRow(name + suffix, kind, labels, help_text)


def _keys(call: ast.Call) -> tuple[str, ...]:
    """The labels of a metric that is defined together with its values."""
    last = call.args[-1]
    return tuple(str(literal(key)) for key in last.keys) if isinstance(last, ast.Dict) else ()
