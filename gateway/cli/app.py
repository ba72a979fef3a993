"""The whole command line: every command and group of commands."""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import benchmark, config, dead_letters, evals, keys, models, pack, requests, state, tasks
from gateway.cli.doctor import doctor
from gateway.cli.evaluate import evaluate
from gateway.cli.import_results import import_command
from gateway.cli.init import create_config
from gateway.cli.programs import PROGRAMS, SUMMARY, make_app
from gateway.cli.route import route_inputs
from gateway.cli.tail import tail_decisions
from gateway.cli.usage import show_usage

app = make_app()
RUN, INSPECT, EVIDENCE = "Run a gateway", "Inspect a running gateway", "Benchmarks and packs"

app.command("init", rich_help_panel=RUN)(create_config)
app.command("doctor", rich_help_panel=RUN)(doctor)
for name, program in PROGRAMS.items():
    app.command(name, rich_help_panel=RUN)(program)
app.add_typer(config.app, name="config", rich_help_panel=RUN)
app.add_typer(state.app, name="state", rich_help_panel=RUN)
app.add_typer(tasks.app, name="tasks", rich_help_panel=INSPECT)
app.command("tail", rich_help_panel=INSPECT)(tail_decisions)
app.command("usage", rich_help_panel=INSPECT)(show_usage)
app.add_typer(requests.app, name="requests", rich_help_panel=INSPECT)
app.add_typer(dead_letters.app, name="observations", rich_help_panel=INSPECT)
app.add_typer(keys.app, name="keys", rich_help_panel=INSPECT)
app.command("import", rich_help_panel=EVIDENCE)(import_command)
app.add_typer(evals.app, name="bench", rich_help_panel=EVIDENCE)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel=EVIDENCE)
app.add_typer(pack.app, name="pack", rich_help_panel=EVIDENCE)
app.add_typer(models.app, name="models", rich_help_panel=EVIDENCE)
app.command(rich_help_panel=EVIDENCE)(evaluate)
app.command("route", rich_help_panel=EVIDENCE)(route_inputs)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"benchroute {version('benchroute')}")
        raise typer.Exit


@app.callback(help=SUMMARY)
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """LLM gateway: the options of the program itself."""
