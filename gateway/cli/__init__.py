"""The command line: `benchroute`.

    serve        a gateway
    config        is a configuration sound?
    keys         clients' keys of a running gateway
    pack/        build, inspect, verify
    bench        a benchmark of your own models
    importing    other tools' results as a benchmark
    evaluate     what routing is worth on a benchmark
    route        what a pack says about some inputs, without a gateway
    demo         the demonstration
    inputs       a task's inputs out of a file or standard input
    embedding    embedders and the cache of what they gave
    terminal     tables, notes, progress
    explaining   errors as a sentence and an exit code

Nothing here imports numpy or torch before a command needs it: `benchroute serve` starts without them.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import bench, config, demo, keys, pack
from gateway.cli.evaluate import evaluate
from gateway.cli.explaining import Explaining
from gateway.cli.importing import import_
from gateway.cli.route import route
from gateway.cli.serve import serve

app = typer.Typer(
    name="benchroute",
    help="An LLM gateway that sends every task to the model benchmark evidence says is best for it.",
    cls=Explaining,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(route)
app.command()(evaluate)
app.command("import")(import_)
app.add_typer(bench.app, name="bench")
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(pack.app, name="pack")
app.add_typer(demo.app, name="demo")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"benchroute {version('benchroute')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """An LLM gateway that sends every task to the model benchmark evidence says is best for it."""


def main() -> None:
    """The console script."""
    app()
