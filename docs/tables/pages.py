"""All reference pages that are made from the code."""

from pathlib import Path

from docs.tables.commands import commands
from docs.tables.endpoints import endpoints
from docs.tables.errors import errors
from docs.tables.metrics import metrics
from docs.tables.settings import settings

FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Made from the code by `python -m docs.tables`, which `make docs` runs: do not edit it here. -->\n\n"


def pages() -> dict[str, str]:
    """Each page's file name and text, as they should be."""
    made = {
        "cli.md": commands(),
        "settings.md": settings(),
        "endpoints.md": endpoints(),
        "errors.md": errors(),
        "metrics.md": metrics(),
    }
    return {name: NOTE + text for name, text in made.items()}
