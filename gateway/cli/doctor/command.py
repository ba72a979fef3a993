"""The command."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.doctor.finding import Finding, FindingLevel
from gateway.cli.terminal import show_progress, stderr_console, stdout_console

STYLES = {FindingLevel.OK: "green", FindingLevel.WARNING: "yellow", FindingLevel.FAULT: "red"}


def doctor(
    config: Annotated[Path, typer.Option(help="The configuration.")] = Path("config.yaml"),
    embedder_check: Annotated[bool, typer.Option(help="Load the pack's embedder, which takes seconds.")] = True,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=60, help="How long a backend may take, seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a set-up, and how to mend it. Exit code 1 if a gateway would not work."""
    found = run_checks(config, embedder_check, timeout_s)
    worst = [one for one in found if one.level is FindingLevel.FAULT]
    if as_json:
        told = {"object": "doctor", "healthy": not worst, "findings": [asdict(one) for one in found]}
        typer.echo(json.dumps(told, indent=2))
    else:
        _show(found)
    if worst:
        raise typer.Exit(1)


def run_checks(path: Path, embedder_check: bool, timeout_s: float) -> Sequence[Finding]:
    """Everything there is to find."""
    from gateway.cli.doctor import backends, files, machine, packs
    from gateway.cli.probe import probe_endpoints

    plan, found = files.check_config(path)
    found += machine.check_versions()
    found += machine.check_file_limit()
    if plan is None:
        return found
    found += files.check_exposure(path)
    found += files.check_keys(plan.config)
    found += files.check_state(plan.config)
    found += machine.check_port(plan.config)
    with show_progress(stderr_console()) as steps:
        probed = probe_endpoints(
            backends.backend_endpoints(plan.config),
            lambda done, total: steps("asking backends", done, total),
            timeout_s,
        )
    found += backends.check_backends(plan.config, probed)
    found += packs.check_packs(plan, embedder_check)
    return found


def _show(found: Sequence[Finding]) -> None:
    console = stdout_console()
    width = max(len(one.check) for one in found)
    for one in found:
        console.print(f"{one.level:<8}", style=STYLES[one.level], end="")
        console.print(f"{one.check:<{width}}  {one.message}", soft_wrap=True)
        if one.fix:
            console.print(f"{'':<8}{'':<{width}}  → {one.fix}", soft_wrap=True)
    counts = {level: sum(one.level is level for one in found) for level in FindingLevel}
    if counts[FindingLevel.FAULT]:
        console.print(f"{_many(counts[FindingLevel.FAULT], 'fault')}: a gateway would not work", style="bold red")
    else:
        console.print(f"healthy, {_many(counts[FindingLevel.WARNING], 'warning')}", style="bold green")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
