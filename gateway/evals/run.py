"""A benchmark run: ask what the journal lacks, have judged what needs a judge, mark, write."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway.config import Config, ModelConfig
from gateway.evals import results
from gateway.evals.answers import Answer
from gateway.evals.ask import Asker, Failed
from gateway.evals.errors import NothingAnswered
from gateway.evals.estimate import Estimate, assumed_answer, estimate
from gateway.evals.journal import Journal, Key
from gateway.evals.judge import judging, verdict
from gateway.evals.marking import mark
from gateway.evals.questions import Job, Mark, Question, Settings
from gateway.evals.results import ModelSummary, Outcome, Unjudged, summary
from gateway.upstream.pool import Pool

Steps = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask whom. source: the labelled file's name. judge: needed where a question's mark is Mark.JUDGE."""

    questions: tuple[Question, ...]
    source: str
    models: tuple[ModelConfig, ...]
    judge: ModelConfig | None
    settings: Settings
    concurrency: int
    folder: Path

    @property
    def asked(self) -> tuple[ModelConfig, ...]:
        """The models, and the judge if it is none of them."""
        extra = (self.judge,) if self.judge is not None and self.judge not in self.models else ()
        return (*self.models, *extra)

    @property
    def judged(self) -> tuple[Question, ...]:
        """The questions that need a judge."""
        return tuple(question for question in self.questions if question.mark is Mark.JUDGE)

    def job(self, question: Question, model: ModelConfig) -> Job:
        """One question to one model."""
        return Job(question.id, model.name, question.messages, self.settings)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run. missing: every outcome that is missing, and why. empty: datasets without any outcome."""

    folder: Path
    n_questions: int
    models: tuple[ModelSummary, ...]
    missing: tuple[Failed, ...]
    empty: tuple[str, ...]

    @property
    def usd(self) -> Decimal | None:
        """What all answers in the journal that count cost; None where a model has no price."""
        costs = [model.usd for model in self.models]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def estimated(plan: Plan) -> Estimate:
    """What a run would still have to ask, and for how much. Raises JournalDamaged, NotOurs."""
    results.refuse_foreign(plan.folder)
    with Journal(plan.folder) as journal:
        return estimate(plan.asked, _all_missing(plan, journal))


def run(
    plan: Plan,
    config: Config,
    steps: Steps = lambda *_: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Report:
    """The whole run.

    Raises JournalDamaged, NotOurs, ConfigError, NothingAnswered; and KeyboardInterrupt, with what is kept and how to go
    on.
    """
    results.refuse_foreign(plan.folder)
    with Journal(plan.folder) as journal:
        asking = _Asking(journal, steps)
        try:
            asyncio.run(_ask(plan, config, asking, sleep))
        except KeyboardInterrupt:
            told = f"{len(journal.answers)} answers are kept in {journal.path}; the same command goes on from there"
            raise KeyboardInterrupt(told) from None
        return _finished(plan, journal, asking.failed)


class _Asking:
    """What becomes of the answers as they come."""

    def __init__(self, journal: Journal, steps: Steps) -> None:
        self.journal = journal
        self.failed: dict[Key, Failed] = {}
        self._steps = steps
        self._done: dict[str, int] = {}

    def begin(self, what: str, done: int, total: int) -> Callable[[Answer | Failed], None]:
        """Takes the answers of one row of progress."""
        self._done[what] = done
        self._steps(what, done, total)

        def told(said: Answer | Failed) -> None:
            if isinstance(said, Answer):
                self.journal.add(said)
            else:
                self.failed[said.key] = said
            self._done[what] += 1
            self._steps(what, self._done[what], total)

        return told


async def _ask(plan: Plan, config: Config, asking: _Asking, sleep: Callable[[float], Awaitable[None]]) -> None:
    """The models first, then the judge, who needs their answers."""
    with contextlib.closing(Pool()) as pool:
        asker = Asker(config.model_copy(update={"models": plan.asked}), pool, sleep)
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
            await asker.close()


def _jobs(plan: Plan, model: ModelConfig) -> list[Job]:
    return [plan.job(question, model) for question in plan.questions]


def _verdicts(plan: Plan, judge: ModelConfig, journal: Journal, assumed: str | None = None) -> Iterator[Job]:
    """What the judge is to be asked. assumed: stands for answers that are still to come; None leaves them out."""
    found: dict[Key, Job] = {}
    for question in plan.judged:
        for model in plan.models:
            answer = journal.answers.get(plan.job(question, model).key)
            text = answer.text if answer is not None else assumed
            if text is not None:
                job = judging(question, text, judge.name)
                found[job.key if answer is not None else (question.id, model.name, "")] = job
    yield from found.values()


def _missing(jobs: Iterable[Job], journal: Journal) -> list[Job]:
    return [job for job in jobs if job.key not in journal.answers]


def _all_missing(plan: Plan, journal: Journal) -> dict[str, list[Job]]:
    """Everything that is still to be asked, by the model that is asked; answers to come are assumed."""
    jobs = {model.name: _missing(_jobs(plan, model), journal) for model in plan.models}
    if plan.judge is not None:
        verdicts = _verdicts(plan, plan.judge, journal, assumed_answer(plan.settings))
        jobs[plan.judge.name] = [*jobs.get(plan.judge.name, ()), *_missing(verdicts, journal)]
    return jobs


def _finished(plan: Plan, journal: Journal, failed: Mapping[Key, Failed]) -> Report:
    """Marks, writes and sums up. Raises NothingAnswered."""
    outcomes: list[Outcome] = []
    missing: list[Failed] = []
    for question in plan.questions:
        for model in plan.models:
            found = _outcome(plan, question, plan.job(question, model), journal, failed)
            if isinstance(found, Outcome):
                outcomes.append(found)
            else:
                missing.append(found)
    results.write_missing(plan.folder, missing)
    if not outcomes:
        raise NothingAnswered(f"no model gave an outcome, so there is no benchmark; first reason: {missing[0].why}")
    results.write(plan.folder, plan.questions, plan.models, outcomes, plan.source)
    with_outcome = {outcome.answer.input_id for outcome in outcomes}
    alive = {question.dataset for question in plan.questions if question.id in with_outcome}
    empty = [question.dataset for question in plan.questions if question.dataset not in alive]
    given = _given(plan, journal)
    summaries = tuple(summary(model, outcomes, missing, given.get(model.name, ())) for model in plan.asked)
    return Report(plan.folder, len(plan.questions), summaries, tuple(missing), tuple(dict.fromkeys(empty)))


def _outcome(
    plan: Plan, question: Question, job: Job, journal: Journal, failed: Mapping[Key, Failed]
) -> Outcome | Failed:
    answer = journal.answers.get(job.key)
    if answer is None:
        return failed[job.key]
    if question.mark is not Mark.JUDGE:
        return Outcome(answer, mark(answer.text, question))
    assert plan.judge is not None  # noqa: S101  # whoever makes a plan gives a judge to questions that need one
    asked = judging(question, answer.text, plan.judge.name).key
    said = journal.answers.get(asked)
    if said is None:
        return Unjudged(*job.key, f"not judged: {failed[asked].why}")
    score = verdict(said.text)
    return Unjudged(*job.key, "not judged: no readable verdict") if score is None else Outcome(answer, score)


def _given(plan: Plan, journal: Journal) -> dict[str, list[Answer]]:
    """The answers that count, by who gave them; a judge's verdicts are its answers."""
    jobs = [job for model in plan.models for job in _jobs(plan, model)]
    if plan.judge is not None:
        jobs += _verdicts(plan, plan.judge, journal)
    given: dict[str, list[Answer]] = {}
    for job in jobs:
        if job.key in journal.answers:
            given.setdefault(job.model, []).append(journal.answers[job.key])
    return given
