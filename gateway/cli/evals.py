"""`benchroute bench …`."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gateway.cli.errors import InputsError, OptionError
from gateway.cli.terminal import format_number, make_table, print_note, show_progress, stderr_console, stdout_console
from gateway.evals.questions import Grader, SamplingSettings

if TYPE_CHECKING:
    from decimal import Decimal

    from gateway.config import Config, ModelConfig
    from gateway.evals.estimate import CostEstimate
    from gateway.evals.questions import EvalQuestion
    from gateway.evals.run import EvalReport

app = typer.Typer(help="A benchmark of your own: configured models, labelled questions.", no_args_is_help=True)

SHOWN_MISSING = 5


@app.callback()
def _group() -> None:
    """A benchmark of your own: configured models, labelled questions."""


@app.command("run")
def bench_command(
    dataset: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Labelled questions, JSON lines.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The benchmark's folder, and its journal's.", show_default=False)
    ],
    config: Annotated[Path, typer.Option(help="The configuration.")] = Path("config.yaml"),
    models: Annotated[
        str | None, typer.Option(help="Which models, by comma. Default: all.", show_default=False)
    ] = None,
    mark: Annotated[
        Grader | None, typer.Option(help="How lines are marked that do not say. Default: choice or exact.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="The model that gives verdicts.", show_default=False)] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Calls at a time, of each model.")] = 8,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer. Default: the backend's.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Of the answers; verdicts have 0.")] = 0.0,
    logprobs: Annotated[
        bool, typer.Option("--logprobs/--no-logprobs", help="Ask for log-probabilities too, where a backend has them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether the estimate will do.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="So many questions of each dataset, the first ones.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
) -> None:
    """Ask the models every question, mark the answers, and write a benchmark in the tidy format.

    Interrupted or incomplete, the same command asks only for what is missing.
    """
    report = print_progress(
        dataset, output, config, models, mark, judge, concurrency, max_tokens, temperature, logprobs, yes, limit
    )
    _show(report, as_json)


def print_progress(
    dataset: Path,
    output: Path,
    config: Path,
    models: str | None,
    mark: Grader | None,
    judge: str | None,
    concurrency: int,
    max_tokens: int | None,
    temperature: float,
    logprobs: bool,
    yes: bool,
    limit: int | None,
) -> "EvalReport":
    """What `run` does, without telling of it: the options are its own."""
    from gateway.config import load_config
    from gateway.evals.dataset import read_dataset
    from gateway.evals.errors import DatasetFaults
    from gateway.evals.run import EvalPlan, estimate_plan
    from gateway.evals.run import run_plan as run_bench

    found = load_config(config)
    try:
        questions = read_dataset(dataset, mark, limit)
    except DatasetFaults as error:
        raise InputsError(str(error)) from error
    plan = EvalPlan(
        questions=questions,
        source=dataset.name,
        models=_models(found, models),
        judge=_judge(found, judge, questions),
        settings=SamplingSettings(max_tokens, temperature, logprobs),
        concurrency=concurrency,
        folder=output,
    )
    _agree(estimate_plan(plan), yes)
    with show_progress(stderr_console()) as steps:
        return run_bench(plan, found, steps)


def _models(config: "Config", names: str | None) -> "tuple[ModelConfig, ...]":
    if names is None:
        return config.models
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise OptionError(f"--models {names!r} names no model")
    return tuple(_model(config, name, "--models") for name in wanted)


def _model(config: "Config", name: str, option: str) -> "ModelConfig":
    for model in config.models:
        if model.name == name:
            return model
    raise OptionError(f"{option} {name}: the configuration has {', '.join(model.name for model in config.models)}")


def _judge(config: "Config", name: str | None, questions: "Iterable[EvalQuestion]") -> "ModelConfig | None":
    """The judge, if a question needs one."""
    asked = _model(config, name, "--judge") if name is not None else None
    if not any(question.mark is Grader.JUDGE for question in questions):
        return None
    if asked is None:
        raise OptionError("mark judge needs --judge MODEL, one of the configured models")
    return asked


def _agree(estimate: "CostEstimate", yes: bool) -> None:
    """Shows what asking will cost, and has it agreed to. Raises typer.Abort, or OptionError where nobody can agree."""
    if not estimate.total_calls:
        print_note("every answer is in the journal: nothing to ask")
        return
    stderr_console().print(_estimates(estimate))
    print_note("estimated at four characters a token; answers at --max-tokens, else 256 tokens")
    if yes or estimate.is_free:
        return
    cost = (
        "an unknown amount: a model has no price"
        if estimate.total_usd is None
        else f"about {_usd(estimate.total_usd)} USD"
    )
    if not sys.stdin.isatty():
        raise OptionError(f"{estimate.total_calls} calls would cost {cost}; nothing was asked. --yes agrees to it")
    typer.confirm(f"{estimate.total_calls} calls for {cost}. Go on?", abort=True, err=True)


def _estimates(estimate: "CostEstimate") -> Table:
    shown = make_table(["model"], ["calls", "input tokens", "output tokens", "USD"])
    for one in estimate.models:
        usage = one.usage
        shown.add_row(one.model, str(one.calls), str(usage.input_tokens), str(usage.output_tokens), _usd(one.usd))
    if len(estimate.models) > 1:
        shown.add_row("all", str(estimate.total_calls), "", "", _usd(estimate.total_usd))
    return shown


def _usd(amount: "Decimal | None") -> str:
    return format_number(None if amount is None else float(amount), "{:.4f}")


def _show(report: "EvalReport", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_document(report), indent=2))
    else:
        console = stdout_console()
        console.print(_summaries(report))
        console.print(f"benchmark  {report.folder}", soft_wrap=True)
    for one in report.missing[:SHOWN_MISSING]:
        print_note(f"missing: {one.model} on {one.input_id}: {one.reason}")
    if report.missing:
        print_note(
            f"{len(report.missing)} outcomes are missing, see {report.folder / 'missing.jsonl'}; run again to ask again"
        )
    if report.empty:
        print_note(f"without any outcome, so no pack can be built yet: {', '.join(report.empty)}")


def _summaries(report: "EvalReport") -> Table:
    columns = ["answered", "failed", "unjudged", "cut", "score", "loglik", "input tokens", "output tokens", "USD"]
    shown = make_table(["model"], columns)
    for one in report.models:
        counts = (one.answered, one.failed, one.unjudged, one.cut)
        tokens = (one.input_tokens, one.output_tokens)
        means = (format_number(one.score), format_number(one.loglik))
        shown.add_row(one.model, *map(str, counts), *means, *map(str, tokens), _usd(one.usd))
    return shown


def _document(report: "EvalReport") -> dict[str, Any]:
    """The report as JSON says it; money as text, so that it stays exact."""
    models = [{**asdict(one), "usd": None if one.usd is None else str(one.usd)} for one in report.models]
    return {
        "benchmark": str(report.folder),
        "questions": report.n_questions,
        "usd": None if report.total_usd is None else str(report.total_usd),
        "models": models,
        "missing": [asdict(one) for one in report.missing],
        "without_outcome": list(report.empty),
    }
