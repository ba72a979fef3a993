"""Files that the documentation names exist."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *TOP.glob("*/README.md")])
FOLDERS = "tests|gateway|routing|qa|benchmarks|demo|docs|deploy|examples"
NAMED = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\.(?:py|md|yaml|json|ipynb)\b")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    assert sorted(name for name in named if not (TOP / name).exists()) == []
