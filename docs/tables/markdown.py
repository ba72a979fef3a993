"""Markdown tables, and docstrings as text."""

import inspect
import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Cells may contain any character."""
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join('---' for _ in heads)}|"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Format a text as code; empty if the text is empty."""
    return f"`{text}`" if text else ""


def paragraphs(documented: object) -> list[str]:
    """Return the paragraphs of an object's docstring, each in one line."""
    text = inspect.getdoc(documented) or ""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
