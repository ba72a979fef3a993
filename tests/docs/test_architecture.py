"""docs/architecture.md and its picture describe the packages that exist."""

import re

from docs.tables.architecture import FIGURE, PURPOSE, TOP, draw_architecture, read_layers


def test_the_picture_shows_the_import_contract() -> None:
    assert FIGURE.read_text(encoding="utf-8") == draw_architecture(), "run `python -m docs.tables`"


def test_every_package_has_a_place_in_the_picture() -> None:
    folders = {path.parent.name for path in (TOP / "gateway").glob("*/__init__.py")}
    modules = {path.stem for path in (TOP / "gateway").glob("*.py")} - {"__init__"}
    assert {name for layer in read_layers() for name in layer} == folders | modules == set(PURPOSE)


def test_every_module_that_the_page_names_exists() -> None:
    page = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z]\w*/)+[a-z_]\w*)`", page))
    assert len(named) > 40
    missing = [
        name
        for name in sorted(named)
        if not any((TOP / root / f"{name}.py").exists() or (TOP / root / name).is_dir() for root in ("gateway", ""))
    ]
    assert missing == []
