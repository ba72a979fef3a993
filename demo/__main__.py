"""Command line of the demonstration: `python -m demo run` and `python -m demo serve`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.errors import ErrorReportingGroup
from gateway.cli.terminal import stderr_console

app = typer.Typer(
    name="python -m demo",
    help="The demonstration: small real backends, a benchmark of them, and new tasks.",
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

WorkDir = Annotated[Path, typer.Option(help="Where benchmark, pack and logs are kept from run to run.")]
ConfigFile = Annotated[Path, typer.Option(help="The demo gateway's configuration.")]


@app.command()
def run(
    work_dir: WorkDir = Path(".demo"),
    config: ConfigFile = Path("config.yaml"),
    results: Annotated[Path, typer.Option(help="Where the results are written, as JSON.")] = Path("results/demo.json"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON, all else on standard error.")
    ] = False,
) -> None:
    """Route new tasks through a gateway, and print what came of it."""
    from demo.run import run_demo as run_demo

    run_demo(work_dir, config, results, stderr_console() if as_json else None)
    if as_json:
        typer.echo(results.read_text(encoding="utf-8"))


@app.command()
def serve(
    work_dir: WorkDir = Path(".demo"),
    config: ConfigFile = Path("config.yaml"),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The demo gateway's port.")] = 8100,
) -> None:
    """Keep a demo gateway running until Ctrl-C."""
    from demo.run import serve_demo as serve_demo

    serve_demo(work_dir, config, port)


if __name__ == "__main__":
    app()
