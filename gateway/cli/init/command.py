"""The command."""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import InputsError, OptionError
from gateway.cli.terminal import print_note, show_progress, stderr_console

if TYPE_CHECKING:
    from gateway.cli.init.choose import ChosenModel
    from gateway.cli.init.detect import DetectedProvider
    from gateway.cli.init.providers import Provider

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def create_config(
    output: Annotated[Path, typer.Option("--output", "-o", help="The configuration to write.")] = Path("config.yaml"),
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model, or PROVIDER:MODEL, once or more. Default: ask, or the usual ones."),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider, once or more. Default: all that are found.")
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Another endpoint that speaks OpenAI's API: NAME=URL or NAME=URL,VARIABLE_OF_ITS_KEY."),
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="The pack to route by.", exists=True)] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The gateway's port.")] = 8100,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=60, help="How long a provider may take, seconds.")] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take the usual models.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found and written as JSON.")] = False,
) -> None:
    """Write a configuration that starts: providers by the keys in the environment, and servers on this machine."""
    from gateway.cli.init.write import render_config
    from gateway.config import parse_config

    if output.exists() and not force:
        raise OptionError(f"{output} is there already; --force replaces it, --output writes another")
    found = _found(_wanted(provider or [], endpoint or []), timeout_s)
    chosen = _chosen(found, model or [], yes)
    text = render_config(chosen, None if pack is None else str(pack), port)
    parse_config(text, str(output), os.environ)
    output.write_text(text, encoding="utf-8")
    if as_json:
        told = [{"name": one.name, "provider": one.provider.name, "model": one.upstream} for one in chosen]
        typer.echo(json.dumps({"object": "init", "config": str(output), "models": told}, indent=2))
        return
    typer.echo(f"{output}: {', '.join(one.name for one in chosen)}")
    print_note(f"next: benchroute doctor --config {output}; then benchroute serve --config {output}")


def _wanted(names: Sequence[str], endpoints: Sequence[str]) -> "list[Provider]":
    """Whom to look for. Raises OptionError for one that is not known."""
    from gateway.cli.init.providers import HOSTED, LOCAL

    own = [_own(text) for text in endpoints]
    known = {one.name: one for one in (*HOSTED, *LOCAL, *own)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OptionError(f"--provider {unknown[0]}: known are {', '.join(known)}; --endpoint names any other")
    return [one for name, one in known.items() if not names or name in names or one in own]


def _own(text: str) -> "Provider":
    from gateway.cli.init.providers import Provider

    name, equals, rest = text.partition("=")
    url, _, variable = rest.partition(",")
    if not name or not equals or not url.startswith(("http://", "https://")):
        raise OptionError(
            f"--endpoint {text}: expected NAME=URL or NAME=URL,VARIABLE, as mine=http://127.0.0.1:9000/v1"
        )
    if variable and not VARIABLE.match(variable):
        raise OptionError(f"--endpoint {name}=…: behind the comma stands the name of a variable, not a key")
    return Provider(name, url.rstrip("/"), variable or None)


def _found(providers: "Sequence[Provider]", timeout_s: float) -> "list[DetectedProvider]":
    from gateway.cli.init.detect import detect_providers

    with show_progress(stderr_console()) as steps:
        found = detect_providers(
            providers, os.environ, lambda done, total: steps("asking providers", done, total), timeout_s
        )
    for one in found:
        print_note(f"found {one.provider.name}: {one.remark or f'{len(one.models)} models'}")
    if not found:
        variables = ", ".join(one.variable for one in providers if one.variable)
        raise InputsError(
            f"no provider is found: none of {variables or 'its variables'} is set, and no server answers on this "
            "machine; --endpoint NAME=URL names one"
        )
    return found


def _chosen(found: "Sequence[DetectedProvider]", models: Sequence[str], yes: bool) -> "list[ChosenModel]":
    from gateway.cli.init.choose import select_by_name, select_defaults, select_interactively

    if models:
        return select_by_name(found, models)
    if yes or not sys.stdin.isatty():
        chosen = select_defaults(found)
    else:
        chosen = select_interactively(
            found, print_note, lambda question, default: str(typer.prompt(question, default=default, err=True))
        )
    if not chosen:
        raise InputsError("no model is chosen; --model PROVIDER:MODEL names one")
    return chosen
