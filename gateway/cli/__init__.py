"""The command line `benchroute`: one module per command or group of commands.

init          create a configuration from the providers that are available
doctor        check a setup and suggest fixes
serve         run a gateway, or a scorer
state         backup of a SQLite state, and its return
config        check a configuration, convert litellm's, look up prices
tasks         tasks of a running gateway
task_changes  names, merges, pins and deletion of tasks
labels        label suggestions and labels of a task
judge         labels of a task by a judge model
judge_inputs  its inputs, from a file or the gateway
judge_report  its report
tail          decisions of a running gateway as they are made
requests      the request log of a running gateway
request_views  its rows and one request, on a terminal
dead_letters  observations that scorers moved to the dead-letter list
keys          client keys of a running gateway
import_options  options of `import`, and their values
import_results  other tools' results as a benchmark
staged_import  models and datasets of an import selected, or added to a benchmark
evals         a benchmark of your own models
benchmark     merge benchmarks, show one
pack          build, inspect, verify, distribute packs
models        add a model to a pack
evaluate      measure routing on a benchmark
regime_tables  an evaluation by regime as tables and verdicts
route         decide on inputs with a pack, without a gateway
coverage      coverage of benchmarks and packs, in words and tables
selection     options that select models and datasets
price_list    list prices: litellm's, and the shipped ones
catalogue     known models, from litellm's price list
inputs        a task's inputs from a file or standard input
load_embedder  embedders, and the embedding cache
client        HTTP client for a running gateway
probe         model lists of OpenAI-compatible endpoints
terminal      tables, notes, progress
narrow_help   help in narrow terminals
errors        error tree, messages and exit codes

No module imports numpy or torch before a command needs them: `benchroute serve` starts without.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import benchmark, config, dead_letters, evals, keys, models, pack, requests, state, tasks
from gateway.cli.doctor import doctor
from gateway.cli.errors import ErrorReportingGroup
from gateway.cli.evaluate import evaluate
from gateway.cli.import_results import import_command
from gateway.cli.init import create_config
from gateway.cli.route import route_inputs
from gateway.cli.serve import run_scorer, serve_command
from gateway.cli.tail import tail_decisions
from gateway.processes.init_process import fork_under_init

SUMMARY = "LLM gateway that routes each task to the best model according to benchmark evidence."

app = typer.Typer(
    name="benchroute",
    help=SUMMARY,
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
RUN, INSPECT, EVIDENCE = "Run a gateway", "Inspect a running gateway", "Benchmarks and packs"

app.command("init", rich_help_panel=RUN)(create_config)
app.command("doctor", rich_help_panel=RUN)(doctor)
app.command("serve", rich_help_panel=RUN)(serve_command)
app.command("scorer", rich_help_panel=RUN)(run_scorer)
app.add_typer(config.app, name="config", rich_help_panel=RUN)
app.add_typer(state.app, name="state", rich_help_panel=RUN)
app.add_typer(tasks.app, name="tasks", rich_help_panel=INSPECT)
app.command("tail", rich_help_panel=INSPECT)(tail_decisions)
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


def main() -> None:
    """Run the command line; the console script's entry point."""
    fork_under_init()
    app()
