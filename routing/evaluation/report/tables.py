"""The rows of an evaluation as JSON, CSV and Markdown, with the paper's columns."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from routing.evaluation.results import Evaluation, FoldChoice, Interval, SystemRow

COLUMNS = (
    "system",
    "Acc.",
    "against BMA",
    "Ratio to best",
    "Pearson",
    "Spearman",
    "% BMA",
    "# Params",
    "Price",
    "Rank",
    "Area",
)
"""The paper's columns; beside them the difference to best on average, the mean price, the area under the curve."""


def to_json(evaluation: Evaluation) -> str:
    """table.json: a list of rows."""
    return json.dumps([asdict(row) for row in evaluation.rows], indent=2) + "\n"


def curves_to_csv(evaluation: Evaluation) -> str:
    """curves.json: what costs are counted in, and every curve with its points and its area."""
    drawn = {"cost_by": evaluation.cost_by, "curves": [asdict(one) for one in evaluation.curves]}
    return json.dumps(drawn, indent=1) + "\n"


def to_csv(records: Sequence[SystemRow] | Sequence[FoldChoice]) -> str:
    """One line a record, intervals as two columns."""
    if not records:
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(records[0])]
    flat = [{name: getattr(record, name) for name in names} for record in records]
    writer.writerow(_header(flat[0]))
    writer.writerows(_cells(record) for record in flat)
    return text.getvalue()


def to_markdown(evaluation: Evaluation) -> str:
    """A table for every alpha."""
    parts = [f"# {evaluation.benchmark} / {evaluation.pool}\n"]
    for alpha in sorted({row.alpha for row in evaluation.rows}):
        rows = [row for row in evaluation.rows if row.alpha == alpha]
        parts.append(f"## alpha = {alpha:g}\n\n" + _markdown(rows))
    return "\n".join(parts)


def format_row(row: SystemRow) -> list[str]:
    """A row's cells as they are shown, in the order of COLUMNS."""
    return [
        row.system,
        f"{row.accuracy:.4f} {_interval(row.accuracy_ci, '{:.3f}')}",
        f"{row.gain_over_bma:+.4f} {_interval(row.gain_ci, '{:+.3f}')}",
        f"{row.ratio_to_best:.3f}",
        format_cell(row.pearson, "{:.3f}"),
        format_cell(row.spearman, "{:.3f}"),
        f"{100 * row.share_bma:.0f} %",
        format_cell(row.params_b, "{:.1f}"),
        format_cell(row.price, "{:.2f}"),
        f"{row.rank:.1f}",
        format_cell(row.area, "{:.4f}"),
    ]


def format_cell(value: float | None, pattern: str) -> str:
    """The value, or a dash."""
    return "–" if value is None else pattern.format(value)


def _markdown(rows: Sequence[SystemRow]) -> str:
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(format_row(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _interval(interval: Interval, pattern: str) -> str:
    return f"[{pattern.format(interval[0])}, {pattern.format(interval[1])}]"


def _header(record: dict[str, Any]) -> list[str]:
    names: list[str] = []
    for name, value in record.items():
        names += [f"{name}_low", f"{name}_high"] if isinstance(value, tuple) else [name]
    return names


def _cells(record: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for value in record.values():
        found += list(value) if isinstance(value, tuple) else ["" if value is None else value]
    return found
