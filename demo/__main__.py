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

WorkDir = Annotated[Path, typer.Option(help="Folder for the benchmark, pack and logs, reused between runs.")]
ConfigFile = Annotated[Path, typer.Option(help="Configuration of the demo gateway.")]


@app.command()
def run(
    work_dir: WorkDir = Path(".demo"),
    config: ConfigFile = Path("config.yaml"),
    results: Annotated[Path, typer.Option(help="Output file of the results, as JSON.")] = Path("results/demo.json"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON; everything else goes to standard error.")
    ] = False,
) -> None:
    """Route new tasks through a gateway and print the results."""
    from demo.run import run_demo as run_demo

    run_demo(work_dir, config, results, stderr_console() if as_json else None)
    if as_json:
        typer.echo(results.read_text(encoding="utf-8"))


@app.command()
def serve(
    work_dir: WorkDir = Path(".demo"),
    config: ConfigFile = Path("config.yaml"),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the demo gateway.")] = 8100,
) -> None:
    """Run a demo gateway until Ctrl-C."""
    from demo.run import serve_demo as serve_demo

    serve_demo(work_dir, config, port)


@app.command("first-day")
def first_day() -> None:
    """Show a newcomer's first minutes: stand-in providers, `init --yes`, `serve`, and 200 requests without tags."""
    from tempfile import TemporaryDirectory

    from demo.first_day import live_first_day, print_first_day
    from gateway.cli.terminal import stdout_console

    with TemporaryDirectory() as folder:
        print_first_day(live_first_day(Path(folder)), stdout_console())


if __name__ == "__main__":
    app()
