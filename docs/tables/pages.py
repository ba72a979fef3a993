"""All generated reference pages."""

from collections.abc import Callable
from pathlib import Path

from docs.tables.commands import commands
from docs.tables.endpoints import endpoints
from docs.tables.errors import errors
from docs.tables.metrics import metrics
from docs.tables.settings import settings

FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Generated from the code by `python -m docs.tables`, which `make docs` runs. Do not edit. -->\n\n"
GENERATORS: dict[str, Callable[[], str]] = {
    "cli.md": commands,
    "settings.md": settings,
    "endpoints.md": endpoints,
    "errors.md": errors,
    "metrics.md": metrics,
}
"""By the page's file name."""


def render_page(name: str) -> str:
    """Return a page's current text."""
    return NOTE + GENERATORS[name]()
