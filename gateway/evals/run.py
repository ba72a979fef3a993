"""A benchmark run: ask what the journal lacks, have judged what needs a judge, mark, write."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway.config import Config, ModelConfig
from gateway.evals import results
from gateway.evals.answers import ModelAnswer
from gateway.evals.ask import EvalClient, FailedRequest
from gateway.evals.errors import NoAnswers
from gateway.evals.estimate import CostEstimate, assumed_answer_tokens, estimate_cost
from gateway.evals.journal import AnswerJournal, JournalKey
from gateway.evals.judge import judge_prompt, parse_verdict
from gateway.evals.marking import grade_answer
from gateway.evals.questions import EvalQuestion, EvalRequest, Grader, SamplingSettings
from gateway.evals.results import GradedAnswer, JudgeFailure, ModelSummary, summarize_model
from gateway.upstream.pool import ConnectionPool

EvalSteps = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """What to ask whom. source: the labelled file's name. judge: needed where a question's mark is Mark.JUDGE."""

    questions: tuple[EvalQuestion, ...]
    source: str
    models: tuple[ModelConfig, ...]
    judge: ModelConfig | None
    settings: SamplingSettings
    concurrency: int
    folder: Path

    @property
    def question_requests(self) -> tuple[ModelConfig, ...]:
        """The models, and the judge if it is none of them."""
        extra = (self.judge,) if self.judge is not None and self.judge not in self.models else ()
        return (*self.models, *extra)

    @property
    def judge_requests(self) -> tuple[EvalQuestion, ...]:
        """The questions that need a judge."""
        return tuple(question for question in self.questions if question.mark is Grader.JUDGE)

    def make_request(self, question: EvalQuestion, model: ModelConfig) -> EvalRequest:
        """One question to one model."""
        return EvalRequest(question.id, model.name, question.messages, self.settings)


@dataclass(frozen=True, slots=True)
class EvalReport:
    """What came of a run. missing: every outcome that is missing, and why. empty: datasets without any outcome."""

    folder: Path
    n_questions: int
    models: tuple[ModelSummary, ...]
    missing: tuple[FailedRequest, ...]
    empty: tuple[str, ...]

    @property
    def total_usd(self) -> Decimal | None:
        """What all answers in the journal that count cost; None where a model has no price."""
        costs = [model.usd for model in self.models]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def estimate_plan(plan: EvalPlan) -> CostEstimate:
    """What a run would still have to ask, and for how much. Raises JournalCorrupted, ForeignFolder."""
    results.check_ours(plan.folder)
    with AnswerJournal(plan.folder) as journal:
        return estimate_cost(plan.question_requests, _all_missing(plan, journal))


def run_plan(
    plan: EvalPlan,
    config: Config,
    steps: EvalSteps = lambda *_: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> EvalReport:
    """The whole run.

    Raises JournalCorrupted, ForeignFolder, ConfigError, NoAnswers, KeyboardInterrupt: with what is saved and how to go
    on.
    """
    results.check_ours(plan.folder)
    with AnswerJournal(plan.folder) as journal:
        asking = _Asking(journal, steps)
        try:
            asyncio.run(_ask(plan, config, asking, sleep))
        except KeyboardInterrupt:
            told = f"{len(journal.answers)} answers are kept in {journal.path}; the same command goes on from there"
            raise KeyboardInterrupt(told) from None
        return _finished(plan, journal, asking.failed)


class _Asking:
    """What becomes of the answers as they come."""

    def __init__(self, journal: AnswerJournal, steps: EvalSteps) -> None:
        self.journal = journal
        self.failed: dict[JournalKey, FailedRequest] = {}
        self._steps = steps
        self._done: dict[str, int] = {}

    def begin(self, what: str, done: int, total: int) -> Callable[[ModelAnswer | FailedRequest], None]:
        """Takes the answers of one row of progress."""
        self._done[what] = done
        self._steps(what, done, total)

        def told(said: ModelAnswer | FailedRequest) -> None:
            if isinstance(said, ModelAnswer):
                self.journal.add_answer(said)
            else:
                self.failed[said.journal_key] = said
            self._done[what] += 1
            self._steps(what, self._done[what], total)

        return told


async def _ask(plan: EvalPlan, config: Config, asking: _Asking, sleep: Callable[[float], Awaitable[None]]) -> None:
    """The models first, then the judge, who needs their answers."""
    with contextlib.closing(ConnectionPool()) as pool:
        asker = EvalClient(config.model_copy(update={"models": plan.question_requests}), pool, sleep)
        try:
            jobs = {model.name: _missing(_jobs(plan, model), asking.journal) for model in plan.models}
            total = len(plan.questions)
            await asyncio.gather(
                *(
                    asker.ask_all(jobs[name], plan.concurrency, asking.begin(name, total - len(jobs[name]), total))
                    for name in jobs
                )
            )
            if plan.judge is not None:
                verdicts = list(_verdicts(plan, plan.judge, asking.journal))
                lacking = _missing(verdicts, asking.journal)
                told = asking.begin("judging", len(verdicts) - len(lacking), len(verdicts))
                await asker.ask_all(lacking, plan.concurrency, told)
        finally:
            await asker.close_backends()


def _jobs(plan: EvalPlan, model: ModelConfig) -> list[EvalRequest]:
    return [plan.make_request(question, model) for question in plan.questions]


def _verdicts(
    plan: EvalPlan, judge: ModelConfig, journal: AnswerJournal, assumed: str | None = None
) -> Iterator[EvalRequest]:
    """What the judge is to be asked. assumed: stands for answers that are still to come; None leaves them out."""
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
    """Everything that is still to be asked, by the model that is asked; answers to come are assumed."""
    jobs = {model.name: _missing(_jobs(plan, model), journal) for model in plan.models}
    if plan.judge is not None:
        verdicts = _verdicts(plan, plan.judge, journal, assumed_answer_tokens(plan.settings))
        jobs[plan.judge.name] = [*jobs.get(plan.judge.name, ()), *_missing(verdicts, journal)]
    return jobs


def _finished(plan: EvalPlan, journal: AnswerJournal, failed: Mapping[JournalKey, FailedRequest]) -> EvalReport:
    """Marks, writes and sums up. Raises NoAnswers."""
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
        raise NoAnswers(f"no model gave an outcome, so there is no benchmark; first reason: {missing[0].reason}")
    results.write_results(plan.folder, plan.questions, plan.models, outcomes, plan.source)
    with_outcome = {outcome.answer.input_id for outcome in outcomes}
    alive = {question.dataset for question in plan.questions if question.id in with_outcome}
    empty = [question.dataset for question in plan.questions if question.dataset not in alive]
    given = _given(plan, journal)
    summaries = tuple(
        summarize_model(model, outcomes, missing, given.get(model.name, ())) for model in plan.question_requests
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
    assert plan.judge is not None  # noqa: S101  # whoever makes a plan gives a judge to questions that need one
    asked = judge_prompt(question, answer.text, plan.judge.name).journal_key
    said = journal.answers.get(asked)
    if said is None:
        return JudgeFailure(*job.journal_key, f"not judged: {failed[asked].reason}")
    score = parse_verdict(said.text)
    return (
        JudgeFailure(*job.journal_key, "not judged: no readable verdict")
        if score is None
        else GradedAnswer(answer, score)
    )


def _given(plan: EvalPlan, journal: AnswerJournal) -> dict[str, list[ModelAnswer]]:
    """The answers that count, by who gave them; a judge's verdicts are its answers."""
    jobs = [job for model in plan.models for job in _jobs(plan, model)]
    if plan.judge is not None:
        jobs += _verdicts(plan, plan.judge, journal)
    given: dict[str, list[ModelAnswer]] = {}
    for job in jobs:
        if job.journal_key in journal.answers:
            given.setdefault(job.model, []).append(journal.answers[job.journal_key])
    return given
