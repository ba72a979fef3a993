"""`benchroute pack …`: build, inspect, verify."""

import typer

from gateway.cli.pack.build import build
from gateway.cli.pack.inspect import inspect
from gateway.cli.pack.verify import verify

app = typer.Typer(help="Packs: benchmarks made ready to route with.", no_args_is_help=True)
app.command()(build)
app.command()(inspect)
app.command()(verify)
