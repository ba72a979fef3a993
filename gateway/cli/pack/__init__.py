"""`benchroute pack …`: build, inspect, verify; with state in Redis: push, list, activate, rollback, diff.

build        from benchmarks to a pack
sources      several benchmarks as one
embedding    embeddings, the bundled embedder, comparison of embedders
inspect      contents of a pack, and its measured gain
phases       time of each phase of a build
index_summary  which index a pack has, and why
verify       integrity checks
distributed  packs in Redis
public       the shipped pack, and newer ones
"""

import typer

from gateway.cli.pack.build import build_command
from gateway.cli.pack.distributed import activate_pack, diff_packs, list_packs, push_pack, rollback_pack
from gateway.cli.pack.inspect import inspect_pack
from gateway.cli.pack.public import fetch_pack, show_public_pack
from gateway.cli.pack.verify import verify_pack

app = typer.Typer(help="Packs: benchmarks prepared for routing.", no_args_is_help=True)
app.command("build")(build_command)
app.command("inspect")(inspect_pack)
app.command("verify")(verify_pack)
app.command("public")(show_public_pack)
app.command("fetch")(fetch_pack)
app.command("push")(push_pack)
app.command("list")(list_packs)
app.command("activate")(activate_pack)
app.command("rollback")(rollback_pack)
app.command("diff")(diff_packs)
