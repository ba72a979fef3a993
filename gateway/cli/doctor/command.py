"""The command."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.doctor.finding import Finding, Level
from gateway.cli.terminal import notes, progress, results

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red"}


def doctor(
    config: Annotated[Path, typer.Option(help="The configuration.")] = Path("config.yaml"),
    embedder_check: Annotated[bool, typer.Option(help="Load the pack's embedder, which takes seconds.")] = True,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=60, help="How long a backend may take, seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a set-up, and how to mend it. Exit code 1 if a gateway would not work."""
    found = examine(config, embedder_check, timeout_s)
    worst = [one for one in found if one.level is Level.FAULT]
    if as_json:
        told = {"object": "doctor", "healthy": not worst, "findings": [asdict(one) for one in found]}
        typer.echo(json.dumps(told, indent=2))
    else:
        _show(found)
    if worst:
        raise typer.Exit(1)


def examine(path: Path, embedder_check: bool, timeout_s: float) -> Sequence[Finding]:
    """Everything there is to find."""
    from gateway.cli.doctor import backends, files, machine, packs
    from gateway.cli.probe import probe_all

    plan, found = files.configured(path)
    found += machine.versions()
    found += machine.files()
    if plan is None:
        return found
    found += files.exposed(path)
    found += files.keys(plan.config)
    found += files.state(plan.config)
    found += machine.port(plan.config)
    with progress(notes()) as steps:
        probed = probe_all(
            backends.endpoints(plan.config), lambda done, total: steps("asking backends", done, total), timeout_s
        )
    found += backends.backends(plan.config, probed)
    found += packs.packs(plan, embedder_check)
    return found


def _show(found: Sequence[Finding]) -> None:
    console = results()
    width = max(len(one.what) for one in found)
    for one in found:
        console.print(f"{one.level:<8}", style=STYLES[one.level], end="")
        console.print(f"{one.what:<{width}}  {one.told}", soft_wrap=True)
        if one.mend:
            console.print(f"{'':<8}{'':<{width}}  → {one.mend}", soft_wrap=True)
    counts = {level: sum(one.level is level for one in found) for level in Level}
    if counts[Level.FAULT]:
        console.print(f"{_many(counts[Level.FAULT], 'fault')}: a gateway would not work", style="bold red")
    else:
        console.print(f"healthy, {_many(counts[Level.WARNING], 'warning')}", style="bold green")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
