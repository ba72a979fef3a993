"""Rows of an evaluation as JSON, CSV and Markdown, with the paper's columns and the paper's own results.

Published results: Shnitzer et al., arXiv 2309.15789.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
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
"""The paper's columns, and the difference to best on average, the mean price, the area under the curve."""


def to_json(evaluation: Evaluation) -> str:
    """Return table.json: a list of rows."""
    return json.dumps([asdict(row) for row in evaluation.rows], indent=2) + "\n"


def curves_to_json(evaluation: Evaluation) -> str:
    """Return curves.json: the kind of cost, and every curve with its points and its area."""
    drawn = {"cost_by": evaluation.cost_by, "curves": [asdict(one) for one in evaluation.curves]}
    return json.dumps(drawn, indent=1) + "\n"


def to_csv(records: Sequence[SystemRow] | Sequence[FoldChoice]) -> str:
    """Return one line per record, intervals as two columns."""
    if not records:
        return ""
    text = io.StringIO()
    # The csv module's default is CRLF, which shows up in every diff.
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(records[0])]
    flat = [{name: getattr(record, name) for name in names} for record in records]
    writer.writerow(_header(flat[0]))
    writer.writerows(_cells(record) for record in flat)
    return text.getvalue()


def to_markdown(evaluation: Evaluation) -> str:
    """Return a table for every alpha."""
    parts = [f"# {evaluation.benchmark} / {evaluation.pool}\n"]
    for alpha in sorted({row.alpha for row in evaluation.rows}):
        rows = [row for row in evaluation.rows if row.alpha == alpha]
        parts.append(f"## alpha = {alpha:g}\n\n" + _markdown(rows))
    return "\n".join(parts)


def format_row(row: SystemRow) -> list[str]:
    """Format a row's cells in the order of COLUMNS."""
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
    """Format the value; None as a dash."""
    return "–" if value is None else pattern.format(value)


def _markdown(rows: Sequence[SystemRow]) -> str:
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(format_row(row) for row in rows)]
    # A pipe in a model's name would end the cell.
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


HELM = "HELM, 29 datasets, 18 models"


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A row of Tables 1 to 3: HELM, alpha = 0. None where the paper gives no number."""

    accuracy: float
    ratio_to_best: float
    pearson: float | None
    spearman: float | None
    share_bma: float
    params_b: float | None
    rank: float


TABLE_2: Mapping[str, PublishedResult] = {
    "S1": PublishedResult(0.662, 0.855, 0.685, 0.465, 0.17, 40.3, 6.172),
    "S2": PublishedResult(0.676, 0.868, 0.636, 0.468, 0.10, 44.3, 5.897),
    "S3": PublishedResult(0.694, 0.898, 0.727, 0.492, 0.48, 49.8, 5.310),
    "S3_true_p": PublishedResult(0.735, 0.944, 0.799, 0.596, 0.22, 33.8, 3.800),
    "LL": PublishedResult(0.684, 0.869, 0.714, 0.459, 0.10, None, 6.517),
    "BMA": PublishedResult(0.688, 0.884, None, None, 1.00, 70.0, 6.069),
    "oracle": PublishedResult(0.773, 1.000, None, None, 0.21, 29.1, 1.000),
}
"""Nearest neighbours. Table 1 is its columns Acc., Pearson and # Params."""

TABLE_3: Mapping[str, PublishedResult] = {
    "S1": PublishedResult(0.693, 0.893, 0.750, 0.559, 0.19, 57.6, 4.345),
    "S2": PublishedResult(0.683, 0.878, 0.675, 0.547, 0.45, 57.9, 5.041),
    "S3": PublishedResult(0.690, 0.884, 0.755, 0.544, 0.81, 66.3, 5.566),
    "S3_atc": PublishedResult(0.646, 0.827, 0.651, 0.365, 0.56, 48.7, 7.283),
    "S3_true_p": PublishedResult(0.740, 0.943, 0.840, 0.686, 0.43, 50.4, 3.455),
    "LL": PublishedResult(0.684, 0.869, 0.714, 0.459, 0.10, None, 6.517),
    "BMA": PublishedResult(0.688, 0.884, None, None, 1.00, 70.0, 6.069),
    "oracle": PublishedResult(0.773, 1.000, None, None, 0.21, 29.1, 1.000),
}
"""A network as the predictor."""

TABLES: Mapping[str, tuple[str, Mapping[str, PublishedResult]]] = {
    "knn": ("Tables 1 and 2", TABLE_2),
    "mlp": ("Table 3", TABLE_3),
}
"""Predictor -> the paper's table of it."""

TABLE_4: Mapping[str, tuple[float, float, float]] = {
    "random": (66.36, -3.76, -0.77),
    "LL": (65.83, -4.12, -0.96),
    "BMA": (74.68, -3.45, -0.39),
    "S1": (74.75, -3.40, -0.38),
    "oracle": (77.67, -2.87, -0.15),
}
"""MixInstruct, chosen input by input: BERTScore, BARTScore, BLEURT. BMA is Open-Assistant; S1 is the paper's "Ours"."""

QUALITY: Mapping[str, tuple[float | None, float | None, float | None]] = {
    "knn": (0.59, 0.116, None),
    "mlp": (None, 0.118, 0.177),
}
"""Predictor -> accuracy of g_bar, mean absolute error of the kernel smoother's p and of ATC's (section 4, C.1)."""
