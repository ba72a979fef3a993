"""All generated reference pages."""

from pathlib import Path

from docs.tables.commands import commands
from docs.tables.endpoints import endpoints
from docs.tables.errors import errors
from docs.tables.metrics import metrics
from docs.tables.settings import settings

FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Generated from the code by `python -m docs.tables`, which `make docs` runs. Do not edit. -->\n\n"


def pages() -> dict[str, str]:
    """Return each page's current text by its file name."""
    generated = {
        "cli.md": commands(),
        "settings.md": settings(),
        "endpoints.md": endpoints(),
        "errors.md": errors(),
        "metrics.md": metrics(),
    }
    return {name: NOTE + text for name, text in generated.items()}
