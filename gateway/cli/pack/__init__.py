"""`benchroute pack …`: build, inspect, verify; and in a fleet: push, list, activate, rollback, diff."""

import typer

from gateway.cli.pack.build import build
from gateway.cli.pack.distributed import activate, diff, list_, push, rollback
from gateway.cli.pack.inspect import inspect
from gateway.cli.pack.verify import verify

app = typer.Typer(help="Packs: benchmarks made ready to route with.", no_args_is_help=True)
app.command()(build)
app.command()(inspect)
app.command()(verify)
app.command()(push)
app.command("list")(list_)
app.command()(activate)
app.command()(rollback)
app.command()(diff)
