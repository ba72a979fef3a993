"""An evaluation as files: tables for people and programs, figures, and one page that holds all of it.

tables      table.json, table.csv, table.md, choices.csv, curves.json
figures     SVG and PNG
page        report.html, which needs nothing beside it
published   the paper's own figures, to stand beside ours
files       all of it in a folder, each file whole or not at all
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
    """Writes table.json, table.csv, table.md, choices.csv, curves.json, report.html and the figures.

    Without matplotlib there are no figures, and the page says so.
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
    """Writes all files beside their places first, so that an interruption leaves the old ones or the new ones."""
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
