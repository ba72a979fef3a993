"""`benchroute bench …`: a benchmark of your own models."""

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

app = typer.Typer(help="Benchmark of your own models on labelled questions.", no_args_is_help=True)

SHOWN_MISSING = 5

JudgeOption = Annotated[
    str | None, typer.Option("--judge", help="Model that grades answers with `mark: judge`.", show_default=False)
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Maximum tokens per answer. Default: the backend's.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Skip the cost confirmation.")]


@app.callback(help="Benchmark of your own models on labelled questions.")
def _group() -> None:
    """Keep `run` a subcommand: a Typer app with one command has none without a callback."""


@app.command("run")
def bench_command(
    dataset: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Labelled questions, JSON lines.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the benchmark and the answers.", show_default=False)
    ],
    config: Annotated[Path, typer.Option(help="Configuration file.")] = Path("config.yaml"),
    models: Annotated[
        str | None, typer.Option(help="Models, comma-separated. Default: all.", show_default=False)
    ] = None,
    mark: Annotated[
        Grader | None,
        typer.Option(
            help="Grading rule for questions that set no `mark`. "
            "Default: `choice` if the question has choices, else `exact`."
        ),
    ] = None,
    judge: JudgeOption = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent requests per model.")] = 8,
    max_tokens: MaxTokensOption = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="Sampling temperature for answers (the judge always uses 0).")
    ] = 0.0,
    logprobs: Annotated[
        bool, typer.Option("--logprobs/--no-logprobs", help="Request log-probabilities, if the backend supports them.")
    ] = False,
    yes: YesOption = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first N questions of each dataset.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask the models every question, grade the answers, and write a benchmark in the tidy format.

    Rerun the command after an interruption or failures: it asks only for missing answers.
    """
    report = run_benchmark(
        dataset, output, config, models, mark, judge, concurrency, max_tokens, temperature, logprobs, yes, limit
    )
    _show(report, as_json)


def run_benchmark(
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
    """Run a benchmark with the options of `bench run`, without printing the report."""
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
        models=found.models if models is None else find_models(found, models),
        judge=_judge(found, judge, questions),
        settings=SamplingSettings(max_tokens, temperature, logprobs),
        concurrency=concurrency,
        folder=output,
    )
    confirm_cost(estimate_plan(plan), yes)
    with show_progress(stderr_console()) as steps:
        return run_bench(plan, found, steps)


def find_models(config: "Config", names: str) -> "tuple[ModelConfig, ...]":
    """Return the models of --models, comma-separated names. Raises OptionError."""
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise OptionError(f"--models {names!r}: expected names of models, comma-separated")
    return tuple(find_model(config, name, "--models") for name in wanted)


def find_model(config: "Config", name: str, option: str) -> "ModelConfig":
    """Return a configured model by its name. option: that named it. Raises OptionError."""
    for model in config.models:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in config.models)
    raise OptionError(f"{option} {name}: unknown model; the configuration has {known}")


def _judge(config: "Config", name: str | None, questions: "Iterable[EvalQuestion]") -> "ModelConfig | None":
    """The judge, if a question needs one."""
    judge = find_model(config, name, "--judge") if name is not None else None
    if not any(question.mark is Grader.JUDGE for question in questions):
        return None
    if judge is None:
        raise OptionError("`mark: judge` requires --judge MODEL, a configured model")
    return judge


def confirm_cost(estimate: "CostEstimate", yes: bool) -> None:
    """Show the cost and ask for confirmation. Raises typer.Abort, or OptionError without a terminal."""
    if not estimate.total_requests:
        print_note("all answers are in the journal: nothing to ask")
        return
    stderr_console().print(_estimates(estimate))
    print_note("estimated at four characters per token; answers at --max-tokens, else 256 tokens")
    if yes or estimate.is_free:
        return
    cost = (
        "an unknown amount (a model has no price)"
        if estimate.total_usd is None
        else f"about {format_usd(estimate.total_usd)} USD"
    )
    if not sys.stdin.isatty():
        raise OptionError(f"{estimate.total_requests} requests would cost {cost}: confirm with --yes")
    typer.confirm(f"{estimate.total_requests} requests for {cost}. Continue?", abort=True, err=True)


def check_limit(estimate: "CostEstimate", max_usd: "Decimal | None") -> None:
    """Check an estimate against --max-usd. Raises OptionError if it is higher, or unknown."""
    if max_usd is None or not estimate.total_requests:
        return
    unpriced = [one.model for one in estimate.models if one.requests and one.usd is None]
    if unpriced:
        raise OptionError(
            f"--max-usd needs the prices of all models: {', '.join(unpriced)} has none in the configuration"
        )
    if estimate.total_usd is not None and estimate.total_usd > max_usd:
        stderr_console().print(_estimates(estimate))
        cost = format_usd(estimate.total_usd)
        raise OptionError(f"the estimate of {cost} USD is above --max-usd {max_usd:f}: reduce -n, or raise the limit")


def _estimates(estimate: "CostEstimate") -> Table:
    shown = make_table(["model"], ["requests", "input tokens", "output tokens", "USD"])
    for one in estimate.models:
        usage = one.usage
        shown.add_row(
            one.model, str(one.requests), str(usage.input_tokens), str(usage.output_tokens), format_usd(one.usd)
        )
    if len(estimate.models) > 1:
        shown.add_row("all", str(estimate.total_requests), "", "", format_usd(estimate.total_usd))
    return shown


def format_usd(amount: "Decimal | None") -> str:
    """Format money; a dash for an unknown amount."""
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
            f"{len(report.missing)} outcomes are missing, see {report.folder / 'missing.jsonl'}; rerun to ask again"
        )
    if report.empty:
        print_note(f"no pack can be built yet, since these datasets have no outcome: {', '.join(report.empty)}")


def _summaries(report: "EvalReport") -> Table:
    columns = ["answered", "failed", "unjudged", "truncated", "score", "loglik", "input tokens", "output tokens", "USD"]
    shown = make_table(["model"], columns)
    for one in report.models:
        counts = (one.answered, one.failed, one.unjudged, one.truncated)
        tokens = (one.input_tokens, one.output_tokens)
        means = (format_number(one.score), format_number(one.loglik))
        shown.add_row(one.model, *map(str, counts), *means, *map(str, tokens), format_usd(one.cost_usd))
    return shown


def _document(report: "EvalReport") -> dict[str, Any]:
    """The report as JSON; money as strings, which are exact."""
    models = [{**asdict(one), "cost_usd": None if one.cost_usd is None else str(one.cost_usd)} for one in report.models]
    return {
        "benchmark": str(report.folder),
        "questions": report.n_questions,
        "cost_usd": None if report.total_usd is None else str(report.total_usd),
        "models": models,
        "missing": [asdict(one) for one in report.missing],
        "without_outcome": list(report.empty),
    }
