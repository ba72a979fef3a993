"""`benchroute config …`: check a configuration, convert litellm's, look up prices."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import OptionError
from gateway.cli.price_list import open_price_list
from gateway.cli.terminal import print_note, stdout_console

if TYPE_CHECKING:
    from gateway.config.list_prices import ListedPrice
    from gateway.config.price_lines import WrittenPrice

app = typer.Typer(help="Configuration file: check, convert, prices.", no_args_is_help=True)


@app.command("check")
def check_config(
    config: Annotated[Path, typer.Argument(help="Configuration file.")] = Path("config.yaml"),
    show: Annotated[
        bool, typer.Option("--show", help="Print the configuration with defaults filled in and secrets masked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, with the pack.")] = False,
) -> None:
    """Check a configuration and report all errors at once. Exit code 2 if a gateway would not start with it."""
    import yaml

    from gateway.config import load_config
    from gateway.tasks.resolved_config import resolve_config

    plan = resolve_config(load_config(config))
    for fault in plan.unknown_datasets.values():
        print_note(f"warning: {fault}")
    if as_json:
        pack_id = plan.manifest and {"name": plan.manifest.name, "hash": plan.manifest.hash}
        document = {"object": "config", "path": str(config), "pack": pack_id, "config": plan.config.mask_secrets()}
        typer.echo(json.dumps(document, indent=2))
        return
    if show:
        typer.echo(yaml.safe_dump(plan.config.mask_secrets(), sort_keys=False), nl=False)
        return
    pack = f"pack {plan.manifest.name}" if plan.manifest else "no pack: every task uses the first model"
    stdout_console().print(f"{config}: {len(plan.config.models)} models, {pack}", soft_wrap=True)


@app.command("from-litellm")
def from_litellm(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Configuration file of litellm's proxy.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model that you use, of those that a wildcard covers; repeatable.")
    ] = None,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Exit with 0 although settings that change behaviour were left out.")
    ] = False,
) -> None:
    """Convert a litellm proxy configuration: models, backends, prices, timeouts, fallbacks, aliases, the master key.

    Reports what was left out, by kind. Exit code 1 if behaviour depends on it, unless --allow-loss.
    """
    from gateway.config.litellm_import import import_litellm

    if output is not None and output.exists():
        raise OptionError(f"{output} already exists; choose another --output")
    text = source.read_text(encoding="utf-8", errors="replace")
    imported = import_litellm(text, str(source), os.environ, model or ())
    for line in (*(group.describe() for group in imported.loss_groups), *(f"note: {one}" for one in imported.notes)):
        print_note(line)
    if output is None:
        typer.echo(imported.to_yaml(), nl=False)
    else:
        output.write_text(imported.to_yaml(), encoding="utf-8")
        print_note(f"{output}: {len(imported.document['models'])} models; next: benchroute config check {output}")
    if imported.changes_behaviour and not allow_loss:
        print_note("settings that change behaviour were left out, see above; --allow-loss accepts that")
        raise typer.Exit(1)


@app.command("prices")
def look_up_prices(
    config: Annotated[Path, typer.Argument(help="Configuration file.")] = Path("config.yaml"),
    write: Annotated[bool, typer.Option("--write", help="Write the prices into the file.")] = False,
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="Price list in the format of litellm's model_prices_and_context_window.json. Default: the installed "
            "litellm's, then the one that Benchroute ships.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the prices as JSON.")] = False,
) -> None:
    """Look up list prices: of models without a price, and of those whose price came from a list before.

    Prices that you have set yourself are not changed.
    """
    from gateway.config import load_config, read_config_text
    from gateway.config.list_prices import models_without_price
    from gateway.config.price_lines import insert_prices, read_list_prices

    text, read = read_config_text(config), load_config(config)
    written = read_list_prices(text, str(config))
    found = models_without_price(read, open_price_list(list_), written)
    listed = {name: price for name, price in found.items() if price is not None}
    changed = {name: price for name, price in listed.items() if _is_new(written.get(name), price)}
    _show_prices({name: price for name, price in found.items() if name in changed or name not in written}, as_json)
    if kept := len(listed) - len(changed):
        print_note(f"{kept} list prices in the file are those of the list")
    if not found:
        print_note("every model has a price")
    elif not write:
        print_note(
            "prices in US dollars per million input / output tokens; --write inserts listed prices into the file"
        )
    else:
        config.write_text(insert_prices(text, str(config), listed), encoding="utf-8")
        print_note(f"{config}: {len(changed)} prices inserted; compare them with your contract")


def _is_new(written: "WrittenPrice | None", price: "ListedPrice") -> bool:
    return written is None or written.text != price.to_yaml()


def _show_prices(found: "Mapping[str, ListedPrice | None]", as_json: bool) -> None:
    if as_json:  # money as strings, which are exact
        document = {name: price and json.loads(json.dumps(asdict(price), default=str)) for name, price in found.items()}
        typer.echo(json.dumps(document, indent=2))
        return
    for name, price in found.items():
        amounts = price and f"{price.input_usd_per_mtok:f} / {price.output_usd_per_mtok:f}"
        listed = f"{amounts}, as {price.name}, {price.as_of}{_parts(price)}" if price else "not listed"
        stdout_console().print(f"{name}: {listed}", soft_wrap=True)


def _parts(price: "ListedPrice") -> str:
    """Return the prices of parts of a response, which few models have all of."""
    parts = [
        ("cached input", price.cached_input_usd_per_mtok),
        ("cache writes", price.cache_write_usd_per_mtok),
        ("reasoning", price.reasoning_usd_per_mtok),
    ]
    shown = [f"{name} {value:f}" for name, value in parts if value is not None]
    if (above := price.long_context) is not None:
        shown.append(f"over {above.above_tokens} tokens {above.input_usd_per_mtok:f} / {above.output_usd_per_mtok:f}")
    return f" ({', '.join(shown)})" if shown else ""
