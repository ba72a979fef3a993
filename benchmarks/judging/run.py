"""Judge the demo's models on its new tasks, and measure what the labels of each judge do to the decisions.

Answers and verdicts are asked over HTTP by the code of `tasks judge`; the posterior is that of a live task. A task's
first inputs are its traffic and are judged; its model is measured on others.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import uvicorn

from demo.backend import build_app
from demo.judge import RIGHT, DemoJudge, make_judges
from demo.marking import mark_answer
from demo.models import BY_NAME, MODELS
from demo.processes import free_port
from demo.questions import Question, generate_questions
from demo.tasks import TASKS
from gateway.config import Config
from gateway.config.schema import ModelConfig
from gateway.evals.judging.inputs import question_of
from gateway.evals.judging.plan import JudgePlan
from gateway.evals.judging.prompts import JudgeMethod, make_prompt
from gateway.evals.judging.run import run_judging
from gateway.evals.judging.tally import JudgeReport
from gateway.evals.questions import EvalQuestion, SamplingSettings
from gateway.scorer.judged_labels import judge_noise
from gateway.scorer.messages import JudgeVerdicts
from routing.arrays import Floats
from routing.auto.judge_noise import LabelNoise
from routing.auto.posterior import AccuracyPosterior, JudgedLabels
from routing.embedder import Embedder
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState

SEED = 4021
MIN_MEASURED = 10
TRUE, NONE = "references", "none"


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """Decision on one task with labels of one source.

    Attributes:
        source: judge, TRUE or NONE.
        n_labels: labelled inputs.
        model: chosen.
        accuracy: of the chosen model on other inputs.
        moved: root mean square of the candidates' moved expected accuracies, without what moves all of them alike.
        agreement: of the judge with itself; None without a judge.
        noise: of its labels.
        weight: true labels that one label counts for.
    """

    task: str
    source: str
    n_labels: int
    model: str
    accuracy: float
    moved: float
    agreement: float | None = None
    noise: LabelNoise | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class JudgingSetup:
    """What all tasks share.

    Attributes:
        sizes: numbers of labelled inputs, ascending.
        n_measured: other inputs of a task, on which the chosen model is measured.
    """

    router: Router
    embedder: Embedder
    folder: Path
    sizes: Sequence[int]
    n_measured: int


def measure_judges(setup: JudgingSetup, step: Callable[[str], None] = lambda task: None) -> Iterator[TaskOutcome]:
    """Measure every judge on every task. step: called with each task."""
    n_judged = setup.sizes[-1]
    questions = {task: _generate(task, n_judged, setup.n_measured) for task in TASKS}
    judges = make_judges([question for own in questions.values() for question in own])
    with serving([*MODELS, *judges]) as base_url:
        for task, own in questions.items():
            step(task)
            yield from _measure_task(setup, task, own[:n_judged], own[n_judged:], judges, base_url)


def _generate(task: str, n_judged: int, n_measured: int) -> tuple[Question, ...]:
    """Return a task's questions; one of the tasks has few different ones."""
    try:
        return generate_questions({task: TASKS[task]}, SEED, n_judged + n_measured)
    except ValueError:
        return generate_questions({task: TASKS[task]}, SEED, n_judged + MIN_MEASURED)


@contextlib.contextmanager
def serving(models: Sequence[object]) -> Iterator[str]:
    """Serve models on a free port of this machine; yields the base URL."""
    port = free_port()
    app = build_app(models)  # type: ignore[arg-type]  # models and judges alike have a name and an answer
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join(10)


def _measure_task(
    setup: JudgingSetup,
    task: str,
    judged: Sequence[Question],
    measured: Sequence[Question],
    judges: Sequence[DemoJudge],
    base_url: str,
) -> Iterator[TaskOutcome]:
    accuracy = {model.name: float(np.mean([_mark(model.name, one) for one in measured])) for model in MODELS}
    names = setup.router.pack.manifest.model_names
    state = TaskState.from_evidence(
        setup.router.find_evidence(setup.embedder.embed_texts([question.text for question in judged]))
    )
    candidates = setup.router.select_candidates()

    def decide(labels: Floats | None, by: Sequence[JudgedLabels] = ()) -> AccuracyPosterior:
        found = setup.router.score_task(state, candidates, ScoreKind.AUTO, labels, judged=by).posterior
        assert found is not None  # noqa: S101 - the task has inputs
        return found

    prior = decide(None)

    def outcome(source: str, n: int, after: AccuracyPosterior) -> TaskOutcome:
        chosen = candidates[int(after.mean.argmax())]
        moved = after.mean - prior.mean
        return TaskOutcome(task, source, n, chosen, accuracy[chosen], float((moved - moved.mean()).std()))

    yield outcome(NONE, 0, prior)
    marks = np.array([[_mark(name, question) for name in names] for question in judged])
    for n in setup.sizes:
        yield outcome(TRUE, n, decide(marks[:n]))
        for judge in judges:
            report = _judge(setup, task, judged[:n], judge, base_url)
            labels = _labels(report, names, judge.name)
            after = decide(None, [labels])
            agreement = report.self_agreement.value
            yield _with_judge(outcome(judge.name, n, after), after, agreement)
            if judge.is_stubborn:
                few = marks[: n // 3]
                after = decide(None, [_labels(report, names, judge.name, few)])
                yield _with_judge(outcome(f"{judge.name}, {len(few)} references", n, after), after, agreement)


def _with_judge(found: TaskOutcome, after: AccuracyPosterior, agreement: float | None) -> TaskOutcome:
    (counted,) = after.judged
    return replace(found, agreement=agreement, noise=counted.noise, weight=counted.weight)


def _judge(
    setup: JudgingSetup, task: str, questions: Sequence[Question], judge: DemoJudge, base_url: str
) -> JudgeReport:
    """Ask models and judge. A folder for all judges of a task: its answers are asked once."""
    config = Config(models=tuple(_model_config(name, base_url) for name in (*BY_NAME, judge.name)))
    plan = JudgePlan(
        questions=tuple(_question(one, task) for one in questions),
        models=config.models[:-1],
        judge=config.models[-1],
        prompt=make_prompt(JudgeMethod.SCORE),
        baseline=None,
        settings=SamplingSettings(),
        concurrency=4,
        folder=setup.folder / task,
    )
    return run_judging(plan, config)


def _question(question: Question, task: str) -> EvalQuestion:
    return question_of(question.text, task)


def _model_config(name: str, base_url: str) -> ModelConfig:
    return ModelConfig.model_validate({"name": name, "backends": [{"kind": "openai", "base_url": base_url}]})


def _labels(report: JudgeReport, names: Sequence[str], judge: str, marks: Floats | None = None) -> JudgedLabels:
    """Return the labels of a judge. marks: (n, n_models) of its first inputs, which measure it as references do."""
    rows: list[Mapping[str, float]] = [label["outcomes"] for label in report.labels]
    matrix = np.array([[row.get(name, np.nan) for name in names] for row in rows])
    agreement = report.agreement
    if marks is not None:
        said, right = matrix[: len(marks)], marks >= RIGHT
        agreement = msgspec.structs.replace(
            agreement,
            right_as_right=float(said[right].sum()),
            right_as_wrong=float((1 - said[right]).sum()),
            wrong_as_right=float(said[~right].sum()),
            wrong_as_wrong=float((1 - said[~right]).sum()),
        )
    verdicts = JudgeVerdicts(judge, JudgeMethod.SCORE, agreement)
    return JudgedLabels(f"judge:{judge}", matrix, judge_noise(verdicts))


def _mark(model: str, question: Question) -> float:
    return mark_answer(BY_NAME[model].answer(question.text), question.reference, question.rule)
