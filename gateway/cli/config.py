"""`benchroute config …`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import OptionError
from gateway.cli.terminal import print_note, stdout_console

if TYPE_CHECKING:
    from gateway.config.list_prices import ListedPrice

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The configuration."""


@app.command("check")
def check_config(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = Path("config.yaml"),
    show: Annotated[bool, typer.Option("--show", help="Print it, defaults filled in and secrets masked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, with the pack.")] = False,
) -> None:
    """Say whether a gateway would start with it; every fault at once, exit code 2."""
    import yaml

    from gateway.config import load_config
    from gateway.tasks.resolved_config import resolve_config

    plan = resolve_config(load_config(config))
    if as_json:
        named = plan.manifest and {"name": plan.manifest.name, "hash": plan.manifest.hash}
        told = {"object": "config", "path": str(config), "pack": named, "config": plan.config.mask_secrets()}
        typer.echo(json.dumps(told, indent=2))
        return
    if show:
        typer.echo(yaml.safe_dump(plan.config.mask_secrets(), sort_keys=False), nl=False)
        return
    pack = plan.manifest.name if plan.manifest else "none: every task goes to the first model"
    stdout_console().print(f"{config}: {len(plan.config.models)} models, pack {pack}", soft_wrap=True)


@app.command("from-litellm")
def from_litellm(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="litellm's proxy configuration.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it. Default: standard output.")
    ] = None,
) -> None:
    """Take over the models, backends, prices and limits of litellm's proxy; say what was left out."""
    from gateway.config.litellm_import import import_litellm

    if output is not None and output.exists():
        raise OptionError(f"{output} is there already, and would be written over")
    adopted = import_litellm(source.read_text(encoding="utf-8", errors="replace"), str(source))
    for path, why in adopted.left_out:
        print_note(f"left out: {path}: {why}")
    if output is None:
        typer.echo(adopted.to_yaml(), nl=False)
        return
    output.write_text(adopted.to_yaml(), encoding="utf-8")
    print_note(
        f"{output}: {len(adopted.document['models'])} models; `benchroute config check {output}` says whether it starts"
    )


@app.command("prices")
def prices_(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = Path("config.yaml"),
    write: Annotated[bool, typer.Option("--write", help="Write them into the file; the rest of it stays.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the prices as JSON.")] = False,
) -> None:
    """Look up list prices, in litellm's map, for models that have none."""
    from gateway.config import load_config, read_config_text
    from gateway.config.list_prices import insert_prices, models_without_price
    from gateway.upstream.litellm_prices import LitellmPrices

    text, found = read_config_text(config), models_without_price(load_config(config), LitellmPrices())
    listed = {name: price for name, price in found.items() if price is not None}
    _show_prices(found, as_json)
    if not found:
        print_note("every model has a price")
    elif not write:
        print_note(
            "nothing was written: --write does, where a price is listed (US dollars for a million tokens, in / out)"
        )
    else:
        config.write_text(insert_prices(text, str(config), listed), encoding="utf-8")
        print_note(f"{config}: {len(listed)} prices written; compare them with your contract")


def _show_prices(found: "Mapping[str, ListedPrice | None]", as_json: bool) -> None:
    if as_json:  # money as text, so that it stays exact
        document = {
            name: price and {key: str(value) for key, value in asdict(price).items()} for name, price in found.items()
        }
        typer.echo(json.dumps(document, indent=2))
        return
    for name, price in found.items():
        told = (
            f"{price.input_usd_per_mtok:f} / {price.output_usd_per_mtok:f}, as {price.name}" if price else "not listed"
        )
        stdout_console().print(f"{name}: {told}", soft_wrap=True)
