"""`benchroute tasks …`: tasks of a running gateway."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.client import ADMIN_KEY, LOCAL, MAX_PAGE, AdminClient, AsJson, KeyEnv, Url
from gateway.cli.judge import judge_task
from gateway.cli.labels import label_inputs, suggest_inputs
from gateway.cli.task_changes import delete_task, merge_tasks, pin_task, rename_task, unmerge_task, unpin_task
from gateway.cli.terminal import (
    UNKNOWN,
    format_counterfactual,
    format_number,
    make_table,
    print_score,
    show_progress,
    stderr_console,
    stdout_console,
)
from gateway.vocabulary import TaskFilterKind, TaskSort

app = typer.Typer(help="Tasks of a running gateway.", invoke_without_command=True)

app.command("label")(label_inputs)
app.command("suggest")(suggest_inputs)
app.command("judge")(judge_task)
app.command("rename")(rename_task)
app.command("merge")(merge_tasks)
app.command("unmerge")(unmerge_task)
app.command("delete")(delete_task)
app.command("pin")(pin_task)
app.command("unpin")(unpin_task)


@app.callback()
def list_tasks(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of tasks.")] = 1000,
    search: Annotated[str, typer.Option(help="List tasks whose ID contains this text.")] = "",
    sort: Annotated[TaskSort, typer.Option(help="What to sort by: the ID ascending, all else descending.")] = "id",
    kind: Annotated[TaskFilterKind | None, typer.Option(help="List only tasks of this kind.")] = None,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """List the tasks of a running gateway, with the model that each uses and the reason."""
    if ctx.invoked_subcommand is not None:
        return
    client = AdminClient(url, key_env)
    with show_progress(stderr_console()) as steps:
        found = []
        # In detail: the short list has decided tasks only, which without a pack is none.
        asked = {"details": "true", "search": search, "sort": "" if sort == "id" else sort, "kind": kind or ""}
        for task in client.read_pages("/v1/tasks", limit, **{name: word for name, word in asked.items() if word}):
            found.append(task)
            if len(found) % MAX_PAGE == 0:
                steps("reading tasks", len(found), limit)
    if as_json:
        typer.echo(json.dumps({"object": "list", "data": found}, indent=2))
        return
    empty = "no tasks yet: send a request with the header X-Task-Id, or with a system prompt"
    stdout_console().print(_tasks_table(found) if found else empty)


@app.command("evicted")
def list_evicted(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of tasks, oldest first.")] = 1000,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """List the latest tasks that state.max_tasks or state.idle_days evicted, since the gateway started."""
    found = list(AdminClient(url, key_env).read_pages("/v1/evictions", limit))
    if as_json:
        typer.echo(json.dumps({"object": "list", "data": found}, indent=2))
        return
    shown = make_table(("at", "task", "reason"), ())
    for one in found:
        shown.add_row(one["at"], one["task"], one["reason"])
    stdout_console().print(shown if found else "no task was evicted since the gateway started")


@app.command("show")
def show_task(
    task: Annotated[str, typer.Argument(help="Task ID.", show_default=False)],
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Show a task's decision: the model, the explanation, all models' scores, and earlier changes."""
    found = AdminClient(url, key_env).send("GET", f"/v1/tasks/{quote(task, safe='/')}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = stdout_console()
    _show_decision(console, found)
    _show_scores(console, found)
    _show_history(console, found)


def _tasks_table(found: Sequence[Mapping[str, Any]]) -> Table:
    shown = make_table(("task", "model", "reason"), ("version", "inputs", "requests", "cost, USD"))
    for task in found:
        decision, spent = task["decision"], task["spent"] or {}  # a client key sees no other keys' usage
        counts = (decision["version"], task["n"], spent.get("requests", UNKNOWN))
        cost = format_number(spent.get("cost_usd"), "{:.4f}")
        shown.add_row(task["id"], decision["model"], decision["reason"], *map(str, counts), cost)
    return shown


def _show_decision(console: Console, found: Mapping[str, Any]) -> None:
    decision, usage = found["decision"], found["spent"]
    console.print(f"{decision['model']}  ({decision['reason']})", style="bold", soft_wrap=True)
    console.print(decision["why"], soft_wrap=True)
    print_score(console, decision)
    format_counterfactual(console, decision)
    if "scored" in found:
        scored = found["scored"]
        console.print(f"by benchmark evidence: {scored['model']} ({scored['reason']})", soft_wrap=True)
    near = ", ".join(f"{row['dataset']} {row['cosine']:.2f}" for row in found["nearest_datasets"] or ())
    console.print(f"{found['n']} inputs, u = {format_number(found['u'])}; nearest datasets (cosine): {near or 'none'}")
    _show_evidence(console, found)
    if usage is not None:  # a client key sees no other keys' usage
        console.print(_cost_line(usage))
    console.print()


def _show_evidence(console: Console, found: Mapping[str, Any]) -> None:
    """Print whose outcomes stand for a model, where they are not its own by name."""
    for model, one in found["evidence"].items():
        if one["name"] is None:
            console.print(f"evidence: none of {model}: {one['reason']}", soft_wrap=True)
        elif one["name"] != model:
            console.print(f"evidence: {model} has the outcomes of {one['name']} ({one['match']})", soft_wrap=True)


def _cost_line(usage: Mapping[str, Any]) -> str:
    if usage["cost_usd"] is None:
        return f"{usage['requests']} requests, cost unknown: no price is configured for the models that answered"
    unpriced = f"; {usage['unpriced_requests']} of them without a known price" if usage["unpriced_requests"] else ""
    cost = f"{usage['requests']} requests, cost {usage['cost_usd']:.4f} USD"
    # Calls that named their model, and tasks without evidence, are compared with nothing.
    if not usage["routed_cost_usd"] and not usage["baseline_usd"]:
        return f"{cost}{unpriced}"
    saved = f"{usage['saved_usd']:.4f} USD against the best model on average"
    routed = (
        "" if usage["routed_cost_usd"] == usage["cost_usd"] else f" ({usage['routed_cost_usd']:.4f} USD was routed)"
    )
    return f"{cost}{routed}, savings {saved}{unpriced}"


def _show_scores(console: Console, found: Mapping[str, Any]) -> None:
    rows = {row["model"]: row for row in found["scores"] or ()}
    if not rows:
        return
    columns = [name for name in ("s1", "s2", "s3", "p", "auto") if name in next(iter(rows.values()))]
    shown = make_table(("model",), [name if name in ("p", "auto") else name.upper() for name in columns])
    ranked = [name for name in found["decision"]["ranking"] if name in rows]
    for name in dict.fromkeys([*ranked, *rows]):
        style = "green" if name == found["decision"]["model"] else ""
        shown.add_row(name, *(format_number(rows[name].get(key)) for key in columns), style=style)
    console.print(shown)
    console.print()


def _show_history(console: Console, found: Mapping[str, Any]) -> None:
    if not found["history"]:
        return
    shown = make_table(("at", "model", "reason"), ("version", "inputs"))
    for change in found["history"]:
        shown.add_row(change["at"], change["model"], change["reason"], str(change["version"]), str(change["n"]))
    console.print("changes of model", style="bold")
    console.print(shown)
