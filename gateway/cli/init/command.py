"""The command `benchroute init`, and the file that it writes."""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import InputsError, OptionError
from gateway.cli.init.evidence import describe_evidence, match_public
from gateway.cli.init.prices import describe_prices, look_up
from gateway.cli.terminal import print_note, show_progress, stderr_console
from gateway.config.price_lines import price_line
from gateway.vocabulary import PUBLIC_PACK

if TYPE_CHECKING:
    from gateway.cli.init.providers import ChosenModel, DetectedProvider, Provider
    from gateway.config.list_prices import ListedPrice
    from routing.catalogue.evidence import EvidenceMatch

WITHOUT_PACK = "none"
SCORER_MODULES = ("numpy", "hnswlib", "tokenizers")

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

SHOWN_EMBEDDINGS = 3

HEAD = """\
# Benchroute configuration, created by `benchroute init`. Check it with `benchroute config check`, its backends with
# `benchroute doctor`. All settings: docs/reference/settings.md.

models:
"""

TAIL = """
state:
  url: "${{BENCHROUTE_STATE:-sqlite:///benchroute.db}}"
  cache_dir: "${{BENCHROUTE_CACHE:-~/.cache/benchroute/fleet}}"   # used with a state in Redis

server:
  host: 127.0.0.1     # without API keys the gateway listens on localhost only
  port: {port}
  allow_unauthenticated: "${{BENCHROUTE_OPEN:-false}}"   # without API keys, whether to listen on other than localhost
  drain_s: "${{BENCHROUTE_DRAIN_S:-0}}"   # after SIGTERM: not ready, still serving

# An admin key can create client keys and change the configuration of a running gateway:
# openssl rand -base64 32 | tee admin.key | benchroute keys hash
# admin:
#   keys: [{{name: ops, sha256: "…"}}]
"""

NO_PACK = """
# Without a pack, every task uses the first model above. Create a benchmark with `benchroute bench run` or
# `benchroute import`, and build a pack from it with `benchroute pack build`.
# routing:
#   pack: packs/mine
"""

PUBLIC = """
# Public outcomes of many models, shipped with Benchroute; `benchroute pack public` shows what they say of yours. On
# tasks unlike its datasets the pack chooses the best model on average. A benchmark of your own work chooses better:
# `benchroute bench run`, then `benchroute pack build`.
routing:
  pack: public
"""


def create_config(
    output: Annotated[Path, typer.Option("--output", "-o", help="Configuration file to write.")] = Path("config.yaml"),
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model, or PROVIDER:MODEL; repeatable. Default: ask, or each provider's usual models."),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="Use only this provider; repeatable. Default: all that are found.")
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Another OpenAI-compatible endpoint: NAME=URL or NAME=URL,KEY_VARIABLE; repeatable."),
    ] = None,
    pack: Annotated[
        str | None,
        typer.Option(
            help="Pack to route with; `public` for the shipped one, `none` for none. Default: `public`, if it has "
            "outcomes of two of the models and the scorer is installed."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the gateway.")] = 8100,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=60, help="Timeout for each provider, seconds.")] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt; use the providers' usual models.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the chosen models as JSON.")] = False,
) -> None:
    """Create a working config.yaml from API keys in the environment and model servers on this machine."""
    from gateway.config import parse_config

    if output.exists() and not force:
        raise OptionError(f"{output} already exists; --force overwrites it, --output writes another file")
    found = _detect(_select_providers(provider or [], endpoint or []), timeout_s)
    chosen = _choose(found, model or [], yes)
    matches = match_public(chosen)
    prices = look_up(chosen)
    text = render_config(chosen, _choose_pack(pack, matches), port, prices)
    parse_config(text, str(output), os.environ)
    output.write_text(text, encoding="utf-8")
    if as_json:
        listed = [{"name": one.name, "provider": one.provider.name, "model": one.upstream} for one in chosen]
        typer.echo(json.dumps({"object": "init", "config": str(output), "models": listed}, indent=2))
        return
    typer.echo(f"{output}: {', '.join(one.name for one in chosen)}")
    _print_kinds(found, chosen)
    for line in (*describe_prices(chosen, prices), *describe_evidence(matches)):
        print_note(line)
    print_note(f"next: benchroute doctor --config {output}; then benchroute serve --config {output}")


def render_config(
    chosen: "Sequence[ChosenModel]",
    pack: str | None,
    port: int,
    prices: "Mapping[str, ListedPrice]" = MappingProxyType({}),
) -> str:
    """Return the configuration as YAML. prices: by model."""
    vectors = [one.name for one in chosen if one.kind == "embedding"]
    written = {None: NO_PACK, PUBLIC_PACK: PUBLIC}
    routing = written[pack] if pack in written else f"\nrouting:\n  pack: {_text(str(pack))}\n"
    # With one embedding model nothing has to be set.
    if len(vectors) > 1:
        setting = f"  embedding_model: {_text(vectors[0])}     # answers /v1/embeddings with `auto`\n"
        routing += setting if pack is not None else f"\nrouting:\n{setting}"
    return (
        HEAD + "\n".join(_model(one, prices.get(one.name)) for one in chosen) + "\n" + routing + TAIL.format(port=port)
    )


def _choose_pack(asked: str | None, matches: "Sequence[EvidenceMatch]") -> str | None:
    """Return the pack to write. Raises OptionError for one that does not exist."""
    if asked == WITHOUT_PACK:
        return None
    if asked is not None and asked != PUBLIC_PACK and not Path(asked).exists():
        raise OptionError(f"--pack {asked}: no such file or folder")
    known = sum(match.evidence is not None for match in matches)
    is_installed = all(importlib.util.find_spec(name) for name in SCORER_MODULES)
    return asked or (PUBLIC_PACK if known > 1 and is_installed else None)


def _select_providers(names: Sequence[str], endpoints: Sequence[str]) -> "list[Provider]":
    """The providers to look for. Raises OptionError for an unknown one."""
    from gateway.cli.init.providers import HOSTED, LOCAL

    own = [_parse_endpoint(text) for text in endpoints]
    known = {one.name: one for one in (*HOSTED, *LOCAL, *own)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OptionError(f"--provider {unknown[0]}: expected {', '.join(known)}; use --endpoint for any other")
    return [one for name, one in known.items() if not names or name in names or one in own]


def _parse_endpoint(text: str) -> "Provider":
    from gateway.cli.init.providers import HOSTED, Provider

    name, equals, rest = text.partition("=")
    url, _, variable = rest.partition(",")
    if not name or not equals or not url.startswith(("http://", "https://")):
        raise OptionError(
            f"--endpoint {text}: expected NAME=URL or NAME=URL,VARIABLE, for example mine=http://127.0.0.1:9000/v1"
        )
    if variable and not VARIABLE.match(variable):
        raise OptionError(f"--endpoint {name}=…: after the comma, expected the name of a variable, not a key")
    known = next((one for one in HOSTED if one.name == name), Provider(name, ""))
    # A known provider at another address, a proxy of it say, keeps its usual models.
    return replace(known, base_url=url.rstrip("/"), variable=variable or None)


def _detect(providers: "Sequence[Provider]", timeout_s: float) -> "list[DetectedProvider]":
    from gateway.cli.init.providers import detect_providers

    with show_progress(stderr_console()) as steps:
        found = detect_providers(
            providers, os.environ, lambda done, total: steps("probing providers", done, total), timeout_s
        )
    for one in found:
        print_note(f"found {one.provider.name}: {one.remark or f'{len(one.models)} models'}")
    if not found:
        variables = ", ".join(one.variable for one in providers if one.variable)
        raise InputsError(
            f"no provider found: none of {variables or 'its variables'} is set, and no model server responds on this "
            "machine; name one with --endpoint NAME=URL"
        )
    return found


def _choose(found: "Sequence[DetectedProvider]", models: Sequence[str], yes: bool) -> "list[ChosenModel]":
    from gateway.cli.init.providers import select_by_name, select_defaults, select_interactively

    if models:
        return select_by_name(found, models)
    if yes or not sys.stdin.isatty():
        chosen = select_defaults(found)
    else:
        chosen = select_interactively(
            found, print_note, lambda question, default: str(typer.prompt(question, default=default, err=True))
        )
    if not chosen:
        raise InputsError("no model chosen; name one with --model PROVIDER:MODEL")
    if all(one.kind != "chat" for one in chosen):
        listed = ", ".join(f"{one.name} ({one.kind})" for one in chosen)
        raise InputsError(f"no model for chat among {listed}; add one with --model PROVIDER:MODEL")
    return chosen


def _print_kinds(found: "Sequence[DetectedProvider]", chosen: "Sequence[ChosenModel]") -> None:
    """Print which of the chosen models are of other kinds than chat, and which embedding models were not chosen."""
    from gateway.cli.init.kinds import guess_kind

    for one in chosen:
        if one.kind != "chat":
            print_note(f"{one.name}: kind {one.kind}, by its name; it is no candidate of tasks")
    vectors = [one for one in chosen if one.kind == "embedding"]
    if len(vectors) > 1:
        print_note(f"/v1/embeddings with `auto` goes to {vectors[0].name} (routing.embedding_model)")
    elif not vectors:
        offered = [
            f"{one.provider.name}:{model}" for one in found for model in one.models if guess_kind(model) == "embedding"
        ]
        if offered:
            print_note(
                f"no embedding model chosen; found {', '.join(offered[:SHOWN_EMBEDDINGS])}: add one with --model"
            )


def _model(chosen: "ChosenModel", price: "ListedPrice | None") -> str:
    provider = chosen.provider
    members = ["kind: openai", f"base_url: {_text(provider.base_url)}"]
    if provider.variable is not None:
        members.append(f'api_key: "${{{provider.variable}}}"')
    if chosen.upstream != chosen.name:
        members.append(f"model: {_text(chosen.upstream)}")
    if provider.speaks_messages:
        members.append("speaks_messages: true")
    kind = "" if chosen.kind == "chat" else f"\n    kind: {chosen.kind}"
    priced = "" if price is None else f"\n    {price_line(price)}"
    return f"  - name: {_text(chosen.name)}{kind}{priced}\n    backends: [{{{', '.join(members)}}}]"


def _text(value: str) -> str:
    """A JSON string is a YAML string too; `${` is escaped since it begins a variable in a configuration."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${")
