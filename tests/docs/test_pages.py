"""The pages hold together: links lead somewhere, and what a reader would copy is right."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from docs.tables.endpoints import endpoints
from gateway.cli.app import app
from gateway.config import parse_config
from gateway.config.schema import Config
from tests.docs.markdown import TOP, Block, anchors, blocks, links, pages

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
LANGUAGES = {
    "typescript",
    "bash",
    "console",
    "json",
    "python",
    "text",
    "yaml",
    "dockerfile",
    "ini",
    "javascript",
    "sql",
    "mermaid",
    "",
}
ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):8\d{3}(?P<path>/[A-Za-z0-9/_.-]*)?")
MODEL = {"name": "m", "backends": [{"kind": "openai", "base_url": "http://127.0.0.1:8000/v1"}]}


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} leads nowhere"
        if path and TOP / "docs" in page.parents:
            assert TOP / "docs" in found.parents, f"{target} leads out of the site"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target}: the page has no such heading"


def test_blocks_say_what_they_are_in() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles_and_runs_where_it_says_so(block: Block) -> None:
    code = compile(block.text, str(block), "exec")
    if block.is_run:
        exec(code, {"__name__": "__main__"})  # noqa: S102 - our own docs


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_configuration_is_sound(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has sections of a configuration is one, with a model where it names none."""
    document = yaml.safe_load(block.text)
    if not isinstance(document, dict) or not set(document) & set(Config.model_fields):
        return
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packs" / "mine").mkdir(parents=True)
    document.setdefault("models", [MODEL])
    variables = re.findall(r"\$\{([A-Za-z_]\w*)", block.text)
    parse_config(yaml.safe_dump(document), str(block), dict.fromkeys(variables, "x"))


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command that a reader types; continued lines are one."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    for line in text.splitlines():
        is_typed = block.language != "console" or line.startswith("$ ")
        if not is_typed or "benchroute " not in line:
            continue
        for part in re.split(r"\||;|&&|\$\(|\)", line.removeprefix("$ ").partition(" #")[0]):
            words = shlex.split(part.strip())
            if words[:1] == ["benchroute"]:
                yield words[1:]


@pytest.mark.parametrize("block", of("console", "bash", ""), ids=str)
def test_commands_exist_with_their_options(block: Block) -> None:
    for words in commands(block):
        command: Any = typer.main.get_command(app)
        options = {"--help", "--version", "--install-completion", "--show-completion"}
        for word in words:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
                options = {"--help"} | {one for p in command.params for one in (*p.opts, *p.secondary_opts)}
            elif re.match(r"-{1,2}[a-z]", word):
                assert word.partition("=")[0] in options, f"benchroute {' '.join(words)}: there is no {word}"
        assert not hasattr(command, "commands") or command.name == "tasks", f"benchroute {' '.join(words)}: no command"


def paths() -> list[str]:
    """The gateway's own, as patterns."""
    told = re.findall(r"^\| `[A-Z]+` \| `(/[^`]*)` ", endpoints(), re.MULTILINE)
    return [re.sub(r"\\\{\w+\\\}", ".+", re.escape(path)) for path in told]


@pytest.mark.parametrize("block", of("console", "bash", "python"), ids=str)
def test_addresses_are_of_endpoints(block: Block) -> None:
    known = [*paths(), "/v1", "/v1/models", "/"]
    for match in ADDRESS.finditer(block.text):
        path = match["path"] or "/"
        assert any(re.fullmatch(one, path) for one in known), f"{path} is no path of the gateway"
