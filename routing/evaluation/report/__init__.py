"""An evaluation as files: tables for people and programs, figures, and one page that holds all of it.

tables      table.json, table.csv, table.md, choices.csv, curves.json
figures     SVG and PNG
page        report.html, which needs nothing beside it
published   the paper's own figures, to stand beside ours
files       all of it in a folder, each file whole or not at all
"""

from routing.evaluation.report.files import write_report

__all__ = ["write_report"]
