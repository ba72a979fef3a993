"""An evaluation as files in a folder, each written whole or not at all: tables, figures, and one HTML page.

tables      table.json, table.csv, table.md, choices.csv, curves.json; the paper's own results for comparison
figures     SVG and PNG
page        report.html, self-contained
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from routing.evaluation.report.page import render_page
from routing.evaluation.report.tables import curves_to_json, to_csv, to_json, to_markdown
from routing.evaluation.results import Evaluation

__all__ = ["write_report"]


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write table.json, table.csv, table.md, choices.csv, curves.json, report.html and the figures.

    Without matplotlib there are no figures, and the page notes it.
    """
    drawn = _figures(evaluation)
    svgs = {Path(name).stem: data for name, data in drawn.items() if name.endswith(".svg")}
    files: dict[str, bytes] = {
        **drawn,
        "table.json": to_json(evaluation).encode(),
        "table.csv": to_csv(evaluation.rows).encode(),
        "table.md": to_markdown(evaluation).encode(),
        "choices.csv": to_csv(evaluation.choices).encode(),
        **({"curves.json": curves_to_json(evaluation).encode()} if evaluation.curves else {}),
        "report.html": render_page(evaluation, svgs).encode(),
    }
    write_whole(folder, files)


def write_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files to a temporary folder first, so that an interruption leaves the old ones or the new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
        for name, data in files.items():
            (Path(scratch) / name).write_bytes(data)
        for name in files:
            os.replace(Path(scratch) / name, folder / name)


def _figures(evaluation: Evaluation) -> dict[str, bytes]:
    try:
        from routing.evaluation.report.figures import make_figures, to_png, to_svg
    except ImportError:
        return {}
    found: dict[str, bytes] = {}
    for name, figure in make_figures(evaluation).items():
        found[f"{name}.svg"], found[f"{name}.png"] = to_svg(figure), to_png(figure)
    return found
