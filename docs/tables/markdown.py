"""Tables, and docstrings as text."""

import inspect
import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold anything."""
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join('---' for _ in heads)}|"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """As code, empty where there is none."""
    return f"`{text}`" if text else ""


def paragraphs(documented: object) -> list[str]:
    """An object's docstring, a paragraph a line."""
    told = inspect.getdoc(documented) or ""
    return [" ".join(part.split()) for part in told.split("\n\n") if part.strip()]


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
