"""What stands in a Markdown page: fenced blocks, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^()\s]+(?:\([^()]*\))?)\)")
RUN = "<!-- run -->"


@dataclass(frozen=True)
class Block:
    """A fenced block. is_run: whether a comment before it says that a test runs it."""

    page: Path
    line: int
    language: str
    text: str
    is_run: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}:{self.line}"


def pages() -> list[Path]:
    """Every page of the docs, and those beside the README."""
    beside = [TOP / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")]
    return [*sorted((TOP / "docs").rglob("*.md")), *(page for page in beside if page.exists())]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        inner = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        before = text[: match.start()].rstrip()
        yield Block(page, text.count("\n", 0, match.start()) + 1, match["language"], inner, before.endswith(RUN))


def links(page: Path) -> list[str]:
    """The targets of a page's links, those in code left out."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [match["target"] for match in LINK.finditer(text)]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as the site and code hosts make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-") for heading in headings}
