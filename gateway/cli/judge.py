"""`benchroute tasks judge`: labels of a task's own inputs, by a judge model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from gateway.cli import evals
from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AsJson, KeyEnv, Url
from gateway.cli.errors import InputsError, OptionError
from gateway.cli.judge_inputs import MAX_INPUTS, add_suggestions, read_questions, session_questions
from gateway.cli.judge_report import print_removed, show_report
from gateway.cli.labels import BATCH_SIZE, check_takes_labels, find_task, labels_path
from gateway.cli.terminal import print_note, show_progress, stderr_console
from gateway.evals.judging.prompts import JudgeMethod

if TYPE_CHECKING:
    from gateway.config import Config, ModelConfig
    from gateway.evals.judging.inputs import JudgeSession
    from gateway.evals.judging.plan import JudgePlan
    from gateway.evals.judging.prompts import JudgePrompt
    from gateway.evals.judging.tally import JudgeReport

FOLDER = Path("judged")
"""Folder of the sessions without --output."""


JudgeOption = Annotated[
    str | None, typer.Option("--judge", help="Configured model that marks the answers.", show_default=False)
]
MethodOption = Annotated[
    JudgeMethod,
    typer.Option(
        help="`score`: each answer is right or wrong. `pairwise`: better or worse than the task's current model's. "
        "`rubric`: 0 to 10 by the criteria of --rubric."
    ),
]
InputsOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Inputs, one per line or as JSON lines; references measure the judge. "
        "Default: the gateway's suggestions, which require `keep_texts`.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder for the answers; rerun to resume. Default: judged/TASK.", show_default=False
    ),
]
RubricOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Criteria for `--method rubric`, a text file.")
]
PromptOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Instructions to the judge, in place of the method's own."),
]


def judge_task(
    task: Annotated[str, typer.Argument(help="Task ID.", show_default=False)],
    judge: JudgeOption = None,
    n: Annotated[int, typer.Option("-n", min=1, max=MAX_INPUTS, help="Number of inputs.")] = 30,
    method: MethodOption = JudgeMethod.SCORE,
    inputs: InputsOption = None,
    output: OutputOption = None,
    config: Annotated[Path, typer.Option(help="Configuration file of the gateway.")] = Path("config.yaml"),
    models: Annotated[
        str | None, typer.Option(help="Models, comma-separated. Default: the task's candidates.", show_default=False)
    ] = None,
    rubric: RubricOption = None,
    prompt: PromptOption = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print the judge's prompt, and ask nothing.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent requests per model.")] = 8,
    max_tokens: evals.MaxTokensOption = None,
    max_usd: Annotated[
        float | None, typer.Option(min=0, help="Stop before the requests of this run cost more.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cost, and ask nothing.")] = False,
    yes: evals.YesOption = False,
    force: Annotated[bool, typer.Option("--force", help="Continue if the task's score does not use labels.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the judge's labels from the task.")] = False,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Ask a task's candidates its own inputs, have a judge model mark the answers, and send its labels to the gateway.

    Shows the cost first. Each verdict is asked in two orders: the less the judge agrees with itself, and with
    references where there are any, the less its labels count. Rerun the command to resume after an interruption.
    """
    if show_prompt:
        typer.echo(_prompt(method, prompt, rubric, is_shown=True).show())
        return
    if judge is None:
        raise OptionError("--judge MODEL is required: a configured model")
    client = AdminClient(url, key_env)
    if remove:
        query = urlencode({"judge": judge})
        print_removed(client.send("DELETE", f"{labels_path(task)}?{query}"), task, judge, as_json)
        return
    options = _Options(task, judge, n, models, inputs, output or default_folder(task))
    plan = _make_plan(
        options, config, client, _prompt(method, prompt, rubric), concurrency, max_tokens, max_usd, force=force
    )
    _run(plan, config, client, task, dry_run=dry_run, yes=yes, as_json=as_json)


def default_folder(task: str) -> Path:
    """Return the folder of a task's session, below FOLDER whatever the task's ID is."""
    name = quote(task, safe="")
    return FOLDER / (name if name.strip(".") else name.replace(".", "%2E"))


@dataclass(frozen=True, slots=True)
class _Options:
    """Options that decide what is asked."""

    task: str
    judge: str
    n: int
    models: str | None
    inputs: Path | None
    folder: Path


def _prompt(method: JudgeMethod, prompt: Path | None, rubric: Path | None, *, is_shown: bool = False) -> "JudgePrompt":
    """Return the judge's prompt. is_shown: without a rubric, show its placeholder. Raises OptionError."""
    from gateway.evals.errors import PromptFault
    from gateway.evals.judging.prompts import make_prompt

    criteria = "" if rubric is None else _read_text(rubric)
    if method is JudgeMethod.RUBRIC and rubric is None:
        if not is_shown:
            raise OptionError("--method rubric requires --rubric FILE, the criteria")
        criteria = "{rubric}"
    if method is not JudgeMethod.RUBRIC and rubric is not None:
        raise OptionError(f"--rubric has no effect with --method {method}: use --method rubric")
    try:
        return make_prompt(method, None if prompt is None else _read_text(prompt), criteria)
    except PromptFault as error:
        raise OptionError(f"--prompt {prompt}: {error}" if prompt else str(error)) from error


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputsError(f"{path}: not UTF-8 text") from error
    if not text.strip():
        raise InputsError(f"{path} is empty")
    return text


def _make_plan(
    options: _Options,
    config: Path,
    client: AdminClient,
    prompt: "JudgePrompt",
    concurrency: int,
    max_tokens: int | None,
    max_usd: float | None,
    *,
    force: bool,
) -> "JudgePlan":
    from gateway.config import load_config
    from gateway.evals.judging.inputs import read_session
    from gateway.evals.judging.plan import JudgePlan
    from gateway.evals.questions import SamplingSettings

    found = load_config(config)
    judge = evals.find_model(found, options.judge, "--judge")
    decision = check_takes_labels(client, options.task, force=force)
    candidates = _candidates(found, options.models, decision)
    if judge in candidates:
        print_note(f"{judge.name} also answers: a judge may prefer its own answers; --models leaves it out")
    session = read_session(options.folder, options.task, prompt.method)
    if prompt.method is JudgeMethod.PAIRWISE:
        session = _with_baseline(session, candidates, decision)
    if options.inputs is not None:
        questions = read_questions(options.inputs, options.task, options.n)
    else:
        session = add_suggestions(client, session, options.n)
        questions = session_questions(session, options.n)
    session.save_to(options.folder)
    return JudgePlan(
        questions=questions,
        models=candidates,
        judge=judge,
        prompt=prompt,
        baseline=session.baseline,
        settings=SamplingSettings(max_tokens),
        concurrency=concurrency,
        folder=options.folder,
        max_usd=None if max_usd is None else Decimal(str(max_usd)),
    )


def _candidates(config: "Config", names: str | None, decision: Mapping[str, Any]) -> "tuple[ModelConfig, ...]":
    """The models to ask. Raises OptionError for fewer than two: there is nothing to decide between."""
    if names is not None:
        found = evals.find_models(config, names)
    else:
        ranking = set(decision["ranking"])
        found = tuple(model for model in config.models if model.name in ranking)
    if len(found) < 2:
        listed = ", ".join(model.name for model in found) or "none"
        raise OptionError(f"a judge needs answers of two models or more, but the task's candidates are: {listed}")
    return found


def _with_baseline(
    session: "JudgeSession", candidates: "Sequence[ModelConfig]", decision: Mapping[str, Any]
) -> "JudgeSession":
    from dataclasses import replace

    names = [model.name for model in candidates]
    if session.baseline in names:
        return session
    return replace(session, baseline=decision["model"] if decision["model"] in names else names[0])


def _run(
    plan: "JudgePlan", config: Path, client: AdminClient, task: str, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from gateway.config import load_config
    from gateway.evals.judging.plan import estimate_judging
    from gateway.evals.judging.run import run_judging

    estimate = estimate_judging(plan)
    print_note(f"{len(plan.questions)} inputs, {len(plan.models)} models; answers in {plan.folder}")
    evals.check_limit(estimate, plan.max_usd)
    evals.confirm_cost(estimate, yes or dry_run)
    if dry_run:
        return
    before = find_task(client, task)
    with show_progress(stderr_console()) as steps:
        report = run_judging(plan, load_config(config), steps)
    _send_labels(client, task, plan, report)
    show_report(plan, report, before, find_task(client, task), estimate, as_json)


def _send_labels(client: AdminClient, task: str, plan: "JudgePlan", report: "JudgeReport") -> None:
    """Send the judge's labels, and those by references. Raises NoAnswers if there are none."""
    from msgspec import to_builtins

    from gateway.evals.errors import NoAnswers
    from gateway.evals.judging.tally import split_labels

    if not report.labels:
        reason = report.failed[0].reason if report.failed else f"{report.unreadable} verdicts cannot be read"
        raise NoAnswers(f"no labels, since no answer has two verdicts; first reason: {reason}")
    judge = {
        "model": plan.judge.name,
        "method": plan.method,
        "agreement": to_builtins(report.agreement),
        "decided": report.decided,
    }
    for labels in split_labels(report.true_labels, BATCH_SIZE):
        client.send("POST", labels_path(task), {"labels": labels})
    for labels in split_labels(report.labels, BATCH_SIZE):
        client.send("POST", labels_path(task), {"labels": labels, "judge": judge})
