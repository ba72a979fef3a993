"""`benchroute tasks suggest`: which of a task's inputs to label. `benchroute tasks label`: the candidates answer inputs
that are labelled, and the task learns from how they did.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli import evals
from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AsJson, KeyEnv, Url
from gateway.cli.terminal import format_counterfactual, format_number, make_table, print_note, stdout_console

CONCURRENCY = 200
"""Labels in one request."""

SHOWN_CHARACTERS = 100


def label_inputs(
    task: Annotated[str, typer.Argument(help="The task's ID.", show_default=False)],
    dataset: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Labelled inputs, as `bench run` takes them.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Where the answers are kept; the same again asks for what is missing."),
    ],
    config: Annotated[Path, typer.Option(help="The gateway's configuration.")] = Path("config.yaml"),
    models: Annotated[
        str | None, typer.Option(help="Which models, by comma. Default: all.", show_default=False)
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Calls at a time, of each model.")] = 8,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer. Default: the backend's.")] = None,
    judge: Annotated[str | None, typer.Option(help="The model that gives verdicts.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether the estimate will do.")] = False,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Ask the models a task's labelled inputs, price first, mark the answers, and tell the gateway.

    Only a task scored by auto learns from it. Interrupted or incomplete, the same command goes on.
    """
    client = AdminClient(url, key_env)
    evals.print_progress(dataset, output, config, models, None, judge, concurrency, max_tokens, 0.0, False, yes, None)
    told = _told(client, task, list(_labels(output)))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    decision = told["decision"]
    stdout_console().print(f"{task}: {told['labels']} labelled inputs", soft_wrap=True)
    if decision is None:
        print_note("no candidate of the task is known to the pack")
        return
    stdout_console().print(f"{decision['model']}  ({decision['reason']})", style="bold", soft_wrap=True)
    stdout_console().print(decision["why"], soft_wrap=True)
    format_counterfactual(stdout_console(), decision)
    if decision["score"] != "auto":
        print_note(f"the task is scored by {decision['score']}, which takes no labels: `score: auto` does")


def suggest_inputs(
    task: Annotated[str, typer.Argument(help="The task's ID.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, max=256, help="At most so many.")] = 20,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A JSONL file for `tasks label`, references to be filled in."),
    ] = None,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Show which of a task's recent inputs to label next: those on which its best candidates should differ most.

    Needs keep_texts, for the task or in the routing section of the gateway's configuration.
    """
    found = AdminClient(url, key_env).send("GET", f"/v1/tasks/{quote(task, safe='/')}/label-suggestions?n={n}")
    if output is not None:
        lines = (json.dumps({"input": row["input"], "reference": ""}, ensure_ascii=False) for row in found["data"])
        output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found["data"]:
        print_note(f"{found['kept']} inputs of {task} are kept, and none of them is left to label")
        return
    shown = make_table(("input",), ("disagreement",))
    for row in found["data"]:
        shown.add_row(" ".join(row["input"].split())[:SHOWN_CHARACTERS], format_number(row["disagreement"]))
    stdout_console().print(shown)
    print_note(f"between {', '.join(found['between'])}; {found['labels']} inputs are labelled")


def _labels(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Every input that some model has an outcome on, with them."""
    import numpy as np

    from routing.tidy import read_benchmark

    found = read_benchmark(folder)
    for text, row in zip(found.texts, found.outcomes, strict=True):
        outcomes = {
            name: float(value) for name, value in zip(found.model_names, row, strict=True) if not np.isnan(value)
        }
        if outcomes:
            yield {"input": text, "outcomes": outcomes}


def _told(client: AdminClient, task: str, labels: list[Mapping[str, Any]]) -> Any:
    path, told = f"/v1/tasks/{quote(task, safe='/')}/labels", None
    for start in range(0, len(labels), CONCURRENCY):
        told = client.send("POST", path, {"labels": labels[start : start + CONCURRENCY]})
    return told
