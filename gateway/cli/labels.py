"""`benchroute tasks suggest` and `benchroute tasks label`: which inputs to label, and labels for a task."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli import evals
from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AsJson, KeyEnv, Url
from gateway.cli.errors import AdminRequestError, OptionError
from gateway.cli.terminal import format_counterfactual, format_number, make_table, print_note, stdout_console
from gateway.vocabulary import LABELLED_SCORES

BATCH_SIZE = 200
"""Labels per request."""

SHOWN_CHARACTERS = 100

PROBE = "Which score decides this task?"
"""Input of the dry run that shows a task's score."""


def label_inputs(
    task: Annotated[str, typer.Argument(help="Task ID.", show_default=False)],
    dataset: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Labelled inputs, in the format of `bench run`.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the answers; rerun to resume.")],
    config: Annotated[Path, typer.Option(help="Configuration file of the gateway.")] = Path("config.yaml"),
    models: Annotated[
        str | None, typer.Option(help="Models, comma-separated. Default: all.", show_default=False)
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent requests per model.")] = 8,
    max_tokens: evals.MaxTokensOption = None,
    judge: evals.JudgeOption = None,
    yes: evals.YesOption = False,
    force: Annotated[bool, typer.Option("--force", help="Continue if the task's score does not use labels.")] = False,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Ask the models a task's labelled inputs, grade the answers, and send the labels to the gateway.

    Shows the cost first. Only tasks with `score: auto` learn from labels. Rerun the command to resume after an
    interruption or failures.
    """
    client = AdminClient(url, key_env)
    check_takes_labels(client, task, force=force)
    evals.run_benchmark(dataset, output, config, models, None, judge, concurrency, max_tokens, 0.0, False, yes, None)
    response = _send_labels(client, task, list(_read_labels(output)))
    if as_json:
        typer.echo(json.dumps(response, indent=2))
        return
    decision = response["decision"]
    stdout_console().print(f"{task}: {response['labels']} labelled inputs", soft_wrap=True)
    if decision is None:
        print_note("the pack contains no candidate of this task")
        return
    stdout_console().print(f"{decision['model']}  ({decision['reason']})", style="bold", soft_wrap=True)
    stdout_console().print(decision["why"], soft_wrap=True)
    format_counterfactual(stdout_console(), decision)
    if decision["score"] not in LABELLED_SCORES:
        print_note(f"score {decision['score']} does not use labels; set `score: auto` for this task")


def suggest_inputs(
    task: Annotated[str, typer.Argument(help="Task ID.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, max=256, help="Maximum number of suggestions.")] = 20,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="JSONL file for `tasks label` to write; fill in the references."),
    ] = None,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Suggest which of a task's recent inputs to label next: those on which its best candidates should differ most.

    Requires `keep_texts` of the task or in the routing section of the gateway's configuration.
    """
    found = AdminClient(url, key_env).send("GET", f"/v1/tasks/{quote(task, safe='/')}/label-suggestions?n={n}")
    if output is not None:
        lines = (json.dumps({"input": row["input"], "reference": ""}, ensure_ascii=False) for row in found["data"])
        output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found["data"]:
        print_note(f"nothing to label: none of the {found['kept']} stored inputs of {task} qualifies")
        return
    shown = make_table(("input",), ("disagreement",))
    for row in found["data"]:
        shown.add_row(" ".join(row["input"].split())[:SHOWN_CHARACTERS], format_number(row["disagreement"]))
    stdout_console().print(shown)
    print_note(f"between {', '.join(found['between'])}; {found['labels']} inputs are labelled")


def labels_path(task: str) -> str:
    """Return the path of a task's labels."""
    return f"/v1/tasks/{quote(task, safe='/')}/labels"


def find_task(client: AdminClient, task: str) -> Any:
    """Return a task as the gateway describes it; None if it has no decision yet. Raises AdminRequestError."""
    try:
        found = client.send("GET", f"/v1/tasks/{quote(task, safe='/')}")
    except AdminRequestError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    return found if found["decision"] is not None else None


def check_takes_labels(client: AdminClient, task: str, *, force: bool) -> Any:
    """Check, before anything is paid for, that the score of a task uses labels; return the decision of a dry run.

    A dry run, since a task without any input has no decision yet. Raises OptionError, AdminRequestError.
    """
    decision = client.send("POST", "/v1/route", {"inputs": [PROBE], "task": task})["decision"]
    score, why = decision["score"], decision["score_why"]
    if score not in LABELLED_SCORES and not force:
        raise OptionError(
            f"task {task} is decided by score {score} ({why}), which does not use labels: no model was asked. "
            f"Set `score: auto` in `tasks.{task}` or in `routing`; --force stores labels without an effect"
        )
    return decision


def _read_labels(folder: Path) -> Iterator[Mapping[str, Any]]:
    """The inputs with outcomes, each with its outcome by model."""
    import numpy as np

    from routing.tidy import read_benchmark

    found = read_benchmark(folder)
    for text, row in zip(found.texts, found.outcomes, strict=True):
        outcomes = {
            name: float(value) for name, value in zip(found.model_names, row, strict=True) if not np.isnan(value)
        }
        if outcomes:
            yield {"input": text, "outcomes": outcomes}


def _send_labels(client: AdminClient, task: str, labels: list[Mapping[str, Any]]) -> Any:
    """The response to the last batch."""
    path, response = labels_path(task), None
    for start in range(0, len(labels), BATCH_SIZE):
        response = client.send("POST", path, {"labels": labels[start : start + BATCH_SIZE]})
    return response
