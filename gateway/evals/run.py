"""A benchmark run: ask for answers that the journal lacks, judge, grade, write."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway.config import Config, ModelConfig
from gateway.evals import results
from gateway.evals.answers import AnswerJournal, JournalKey, ModelAnswer
from gateway.evals.ask import FailedRequest
from gateway.evals.errors import NoAnswers
from gateway.evals.estimate import CostEstimate, assumed_answer_tokens, estimate_cost
from gateway.evals.marking import grade_answer, judge_prompt, parse_verdict
from gateway.evals.questions import EvalQuestion, EvalRequest, Grader, SamplingSettings
from gateway.evals.results import GradedAnswer, JudgeFailure, ModelSummary, summarize_model
from gateway.evals.session import AnswerRecorder, EvalSteps, Sleep, open_client, run_resumable


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """Questions, models and settings of a run. source: the labelled file's name. judge: for Grader.JUDGE."""

    questions: tuple[EvalQuestion, ...]
    source: str
    models: tuple[ModelConfig, ...]
    judge: ModelConfig | None
    settings: SamplingSettings
    concurrency: int
    folder: Path

    @property
    def question_requests(self) -> tuple[ModelConfig, ...]:
        """The models, and the judge if it is not among them."""
        extra = (self.judge,) if self.judge is not None and self.judge not in self.models else ()
        return (*self.models, *extra)

    @property
    def judge_requests(self) -> tuple[EvalQuestion, ...]:
        """The questions that need a judge."""
        return tuple(question for question in self.questions if question.mark is Grader.JUDGE)

    def make_request(self, question: EvalQuestion, model: ModelConfig) -> EvalRequest:
        """Return the request for a question to a model."""
        return EvalRequest(question.id, model.name, question.messages, self.settings)


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Report of a run. missing: missing outcomes with their reasons. empty: datasets without any outcome."""

    folder: Path
    n_questions: int
    models: tuple[ModelSummary, ...]
    missing: tuple[FailedRequest, ...]
    empty: tuple[str, ...]

    @property
    def total_usd(self) -> Decimal | None:
        """Cost of all answers that count, US dollars; None if a model has no price."""
        costs = [model.cost_usd for model in self.models]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def estimate_plan(plan: EvalPlan) -> CostEstimate:
    """Estimate the requests that a run still has to send. Raises JournalCorrupted, ForeignFolder."""
    results.check_ours(plan.folder)
    with AnswerJournal(plan.folder) as journal:
        return estimate_cost(plan.question_requests, _all_missing(plan, journal))


def run_plan(
    plan: EvalPlan,
    config: Config,
    steps: EvalSteps = lambda *_: None,
    sleep: Sleep = asyncio.sleep,
) -> EvalReport:
    """Run a benchmark. sleep: between retries.

    Raises JournalCorrupted, ForeignFolder, ConfigError, NoAnswers, and KeyboardInterrupt, whose message states how many
    answers are saved.
    """
    results.check_ours(plan.folder)
    with AnswerJournal(plan.folder) as journal:
        recorder = AnswerRecorder(journal, steps)
        run_resumable(_ask(plan, config, recorder, sleep), recorder)
        return _finish(plan, journal, recorder.failed)


async def _ask(plan: EvalPlan, config: Config, recorder: AnswerRecorder, sleep: Sleep) -> None:
    """Ask the models first, then the judge, which needs their answers."""
    async with open_client(config, plan.question_requests, sleep) as client:
        await asyncio.gather(
            *(recorder.ask_missing(client, model.name, _jobs(plan, model), plan.concurrency) for model in plan.models)
        )
        if plan.judge is not None:
            verdicts = list(_verdicts(plan, plan.judge, recorder.journal))
            await recorder.ask_missing(client, "judging", verdicts, plan.concurrency)


def _jobs(plan: EvalPlan, model: ModelConfig) -> list[EvalRequest]:
    return [plan.make_request(question, model) for question in plan.questions]


def _verdicts(
    plan: EvalPlan, judge: ModelConfig, journal: AnswerJournal, assumed: str | None = None
) -> Iterator[EvalRequest]:
    """Requests to the judge. assumed: placeholder for answers that are still missing; None skips them."""
    found: dict[JournalKey, EvalRequest] = {}
    for question in plan.judge_requests:
        for model in plan.models:
            answer = journal.answers.get(plan.make_request(question, model).journal_key)
            text = answer.text if answer is not None else assumed
            if text is not None:
                job = judge_prompt(question, text, judge.name)
                found[job.journal_key if answer is not None else (question.id, model.name, "")] = job
    yield from found.values()


def _missing(jobs: Iterable[EvalRequest], journal: AnswerJournal) -> list[EvalRequest]:
    return [job for job in jobs if job.journal_key not in journal.answers]


def _all_missing(plan: EvalPlan, journal: AnswerJournal) -> dict[str, list[EvalRequest]]:
    """Requests still to be sent, by model; missing answers are assumed for the judge."""
    jobs = {model.name: _missing(_jobs(plan, model), journal) for model in plan.models}
    if plan.judge is not None:
        verdicts = _verdicts(plan, plan.judge, journal, assumed_answer_tokens(plan.settings))
        jobs[plan.judge.name] = [*jobs.get(plan.judge.name, ()), *_missing(verdicts, journal)]
    return jobs


def _finish(plan: EvalPlan, journal: AnswerJournal, failed: Mapping[JournalKey, FailedRequest]) -> EvalReport:
    """Grade, write and summarize. Raises NoAnswers."""
    outcomes: list[GradedAnswer] = []
    missing: list[FailedRequest] = []
    for question in plan.questions:
        for model in plan.models:
            found = _outcome(plan, question, plan.make_request(question, model), journal, failed)
            if isinstance(found, GradedAnswer):
                outcomes.append(found)
            else:
                missing.append(found)
    results.write_missing(plan.folder, missing)
    if not outcomes:
        raise NoAnswers(f"no benchmark written, since there is no outcome; first reason: {missing[0].reason}")
    results.write_results(plan.folder, plan.questions, plan.models, outcomes, plan.source)
    with_outcome = {outcome.answer.input_id for outcome in outcomes}
    covered = {question.dataset for question in plan.questions if question.id in with_outcome}
    empty = [question.dataset for question in plan.questions if question.dataset not in covered]
    answers = _answers_by_model(plan, journal)
    summaries = tuple(
        summarize_model(model, outcomes, missing, answers.get(model.name, ())) for model in plan.question_requests
    )
    return EvalReport(plan.folder, len(plan.questions), summaries, tuple(missing), tuple(dict.fromkeys(empty)))


def _outcome(
    plan: EvalPlan,
    question: EvalQuestion,
    job: EvalRequest,
    journal: AnswerJournal,
    failed: Mapping[JournalKey, FailedRequest],
) -> GradedAnswer | FailedRequest:
    answer = journal.answers.get(job.journal_key)
    if answer is None:
        return failed[job.journal_key]
    if question.mark is not Grader.JUDGE:
        return GradedAnswer(answer, grade_answer(answer.text, question))
    assert plan.judge is not None  # noqa: S101  # a plan with questions for a judge has one
    verdict_key = judge_prompt(question, answer.text, plan.judge.name).journal_key
    verdict = journal.answers.get(verdict_key)
    if verdict is None:
        return JudgeFailure(*job.journal_key, f"not judged: {failed[verdict_key].reason}")
    score = parse_verdict(verdict.text)
    return (
        JudgeFailure(*job.journal_key, "not judged: invalid verdict") if score is None else GradedAnswer(answer, score)
    )


def _answers_by_model(plan: EvalPlan, journal: AnswerJournal) -> dict[str, list[ModelAnswer]]:
    """The answers that count, by model; verdicts are the judge's answers."""
    jobs = [job for model in plan.models for job in _jobs(plan, model)]
    if plan.judge is not None:
        jobs += _verdicts(plan, plan.judge, journal)
    answers: dict[str, list[ModelAnswer]] = {}
    for job in jobs:
        if job.journal_key in journal.answers:
            answers.setdefault(job.model, []).append(journal.answers[job.journal_key])
    return answers
