"""The command `benchroute doctor`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.doctor.finding import Finding, FindingLevel
from gateway.cli.terminal import show_progress, stderr_console, stdout_console

STYLES = {FindingLevel.OK: "green", FindingLevel.WARNING: "yellow", FindingLevel.ERROR: "red"}


def doctor(
    config: Annotated[Path, typer.Option(help="Configuration file.")] = Path("config.yaml"),
    embedder_check: Annotated[bool, typer.Option(help="Load the pack's embedder, which takes seconds.")] = True,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=60, help="Timeout for each backend, seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check your setup and suggest fixes. Exit code 1 if a gateway would not work."""
    found = run_checks(config, embedder_check, timeout_s)
    errors = [one for one in found if one.level is FindingLevel.ERROR]
    if as_json:
        document = {"object": "doctor", "healthy": not errors, "findings": [asdict(one) for one in found]}
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(found)
    if errors:
        raise typer.Exit(1)


def run_checks(path: Path, embedder_check: bool, timeout_s: float) -> Sequence[Finding]:
    """Run all checks on a configuration file. embedder_check: load the pack's embedder. timeout_s: per backend."""
    from gateway.cli.doctor import keys, routing, setup
    from gateway.cli.probe import probe_endpoints

    plan, found = setup.check_config(path)
    found += setup.check_versions()
    found += setup.check_file_limit()
    if plan is None:
        return found
    found += setup.check_exposure(path)
    found += setup.check_keys(plan.config)
    found += setup.check_state(plan.config)
    found += keys.check_client_keys(plan)
    found += setup.check_port(plan.config)
    with show_progress(stderr_console()) as steps:
        probed = probe_endpoints(
            routing.backend_endpoints(plan.config),
            lambda done, total: steps("probing backends", done, total),
            timeout_s,
        )
    found += routing.check_backends(plan.config, probed)
    found += routing.check_packs(plan, embedder_check)
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
    if counts[FindingLevel.ERROR]:
        console.print(f"{_plural(counts[FindingLevel.ERROR], 'error')}: a gateway would not work", style="bold red")
    else:
        console.print(f"healthy, {_plural(counts[FindingLevel.WARNING], 'warning')}", style="bold green")


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
