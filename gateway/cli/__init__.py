"""The command line: `benchroute`.

    serve        a gateway
    scorer       a scorer of a fleet
    config        is a configuration sound?
    init/        a configuration out of what there is
    doctor/      what is wrong with a set-up, and how to mend it
    keys         clients' keys of a running gateway
    tasks        its tasks
    observations  what a fleet's scorers have put aside
    tail         its decisions as they are made
    client       how those three ask it
    probe        how the two before them ask backends for their models
    pack/        build, inspect, verify
    models       one more model in a pack
    bench        a benchmark of your own models
    importing    other tools' results as a benchmark
    evaluate     what routing is worth on a benchmark
    route        what a pack says about some inputs, without a gateway
    demo         the demonstration
    inputs       a task's inputs out of a file or standard input
    embedding    embedders and the cache of what they gave
    terminal     tables, notes, progress
    explaining   errors as a sentence and an exit code
    labelling    `benchroute tasks label`

Nothing here imports numpy or torch before a command needs it: `benchroute serve` starts without them.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import config, dead_letters, evals, keys, models, pack, tasks
from gateway.cli.doctor import doctor
from gateway.cli.error_reporting import ErrorReportingGroup
from gateway.cli.evaluate import evaluate
from gateway.cli.import_results import import_command
from gateway.cli.init import create_config
from gateway.cli.route import route_inputs
from gateway.cli.scorer import run_scorer
from gateway.cli.serve import serve_command
from gateway.cli.tail import tail_decisions

app = typer.Typer(
    name="benchroute",
    help="An LLM gateway that sends every task to the model benchmark evidence says is best for it.",
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
RUN, WATCH, EVIDENCE = "Run a gateway", "Look into a running gateway", "Evidence: benchmarks and packs"

app.command("init", rich_help_panel=RUN)(create_config)
app.command("doctor", rich_help_panel=RUN)(doctor)
app.command("serve", rich_help_panel=RUN)(serve_command)
app.command("scorer", rich_help_panel=RUN)(run_scorer)
app.add_typer(config.app, name="config", rich_help_panel=RUN)
app.add_typer(tasks.app, name="tasks", rich_help_panel=WATCH)
app.command("tail", rich_help_panel=WATCH)(tail_decisions)
app.add_typer(dead_letters.app, name="observations", rich_help_panel=WATCH)
app.add_typer(keys.app, name="keys", rich_help_panel=WATCH)
app.command("import", rich_help_panel=EVIDENCE)(import_command)
app.add_typer(evals.app, name="bench", rich_help_panel=EVIDENCE)
app.add_typer(pack.app, name="pack", rich_help_panel=EVIDENCE)
app.add_typer(models.app, name="models", rich_help_panel=EVIDENCE)
app.command(rich_help_panel=EVIDENCE)(evaluate)
app.command("route", rich_help_panel=EVIDENCE)(route_inputs)


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
