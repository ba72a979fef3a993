"""The site is built, and asks nothing of anybody else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import TOP

FETCHED = re.compile(r"""<(?:link[^>]+href|script[^>]+src|img[^>]+src|iframe[^>]+src)=["']?(?:https?:)?//([^"'/ >]+)""")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= 15
    asked = {host for page in pages for host in FETCHED.findall(page.read_text(encoding="utf-8"))}
    assert asked == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css"))
    assert not re.search(r"url\([\"']?https?:", styles)
    assert not list(tmp_path.rglob("*.py"))
