"""Write the pages of the API reference, from the answers of a gateway that is asked now."""

import tempfile
from pathlib import Path

from docs.api.calls import read_calls
from docs.api.pages import render_pages
from docs.api.run import ask_all, reference_gateway

FOLDER = Path(__file__).parents[1] / "reference" / "api"

with tempfile.TemporaryDirectory() as folder, reference_gateway(Path(folder)) as gateway:
    asked = list(ask_all(gateway, read_calls()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in render_pages(asked, gateway).items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/api/{name}")
