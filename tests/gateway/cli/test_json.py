"""`--json`: every command that shows something has it, and gives one document on standard output."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.app import app
from tests.gateway.cli.conftest import run_command

SHOW_NOTHING = {"serve", "scorer", "config from-litellm", "state backup", "state restore", "requests export"}


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


@pytest.mark.parametrize(("name", "command"), [*commands(typer.main.get_command(app))])
def test_every_command_that_shows_something_shows_it_as_json(name: str, command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) != (name in SHOW_NOTHING)


def shown(*arguments: object) -> Any:
    told = run_command(*arguments, "--json")
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def test_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    backend = '{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: sk-secret}'
    path.write_text(f"models:\n  - name: m\n    backends: [{backend}]\n")
    told = shown("config", "check", path)
    assert (told["pack"], told["config"]["models"][0]["backends"][0]["api_key"]) == (None, "**********")


def test_a_pack(pack: Path, questions: Path, tmp_path: Path) -> None:
    told = shown("pack", "verify", pack)
    assert (told["valid"], told["recall"], told["embedder_checked"]) == (True, 1.0, True)
    cache = pack.parent / "cache"
    again = shown("pack", "build", questions, "-o", tmp_path / "pack", "--no-carry", "--cache", cache)
    assert again["hash"] == told["hash"]
    assert again["size_bytes"] > 0


def test_an_import(tmp_path: Path) -> None:
    source = tmp_path / "scores.csv"
    source.write_text("text,dataset,model,score\n1+1?,sums,a,1\n1+1?,sums,b,0\n2+2?,sums,a,1\n")
    told = shown("import", "csv", source, "-o", tmp_path / "benchmark")
    assert (told["datasets"], told["models"], told["n_rejected"]) == ({"sums": 2}, {"a": 2, "b": 1}, 0)
