"""The requests of a judged run: the candidates' answers, then two verdicts on each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from gateway.config import ModelConfig
from gateway.evals.answers import AnswerJournal, JournalKey, ModelAnswer
from gateway.evals.estimate import CostEstimate, assumed_answer_tokens, estimate_cost
from gateway.evals.judging.prompts import ORDERS, JudgeMethod, JudgePrompt
from gateway.evals.judging.verdicts import Verdict, follow_verdict
from gateway.evals.questions import EvalQuestion, EvalRequest, SamplingSettings

Answers = Mapping[JournalKey, ModelAnswer]


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """Inputs, candidates, judge and settings of a run.

    Attributes:
        questions: the inputs; those with a rule and references also measure the judge.
        baseline: the candidate that all others are compared with, for JudgeMethod.PAIRWISE.
        settings: of the candidates' answers. The judge's have temperature 0.
        concurrency: requests per model at a time.
        max_usd: limit on what the run spends, None for none.
    """

    questions: tuple[EvalQuestion, ...]
    models: tuple[ModelConfig, ...]
    judge: ModelConfig
    prompt: JudgePrompt
    baseline: str | None
    settings: SamplingSettings
    concurrency: int
    folder: Path
    max_usd: Decimal | None = None

    @property
    def all_models(self) -> tuple[ModelConfig, ...]:
        """The candidates, and the judge if it is none of them."""
        return self.models if self.judge in self.models else (*self.models, self.judge)

    @property
    def method(self) -> JudgeMethod:
        """The method of the prompt."""
        return self.prompt.method

    @property
    def judged_models(self) -> tuple[str, ...]:
        """Candidates that get verdicts: all, but the baseline of comparisons."""
        return tuple(model.name for model in self.models if model.name != self.baseline)

    def answer_request(self, question: EvalQuestion, model: str) -> EvalRequest:
        """Return the request for a candidate's answer."""
        return EvalRequest(question.id, model, question.messages, self.settings)

    def find_answer(self, question: EvalQuestion, model: str, answers: Answers) -> str | None:
        """Return a candidate's answer, None if there is none."""
        found = answers.get(self.answer_request(question, model).journal_key)
        return None if found is None else found.text

    def marks(self, answers: Answers, assumed: str | None = None) -> "Iterator[AnswerMark]":
        """Yield the marks of all answers that there are. assumed: in place of missing answers, for an estimate."""
        for question in self.questions:
            against = "" if self.baseline is None else self.find_answer(question, self.baseline, answers)
            for model in self.judged_models:
                text = self.find_answer(question, model, answers)
                if text is not None and against is not None:
                    yield AnswerMark.make_mark(self, question, model, text, against, answers)
                elif assumed is not None:
                    # Unlike the baseline's, or there would be nothing to compare.
                    other = f"{assumed}." if against is None else against
                    mark = AnswerMark.make_mark(self, question, model, assumed if text is None else text, other, {})
                    yield replace(mark, is_assumed=True)


@dataclass(frozen=True, slots=True)
class AnswerMark:
    """A candidate's answer with its verdicts, one in each order; none where two compared answers are equal.

    Attributes:
        asked: key of its first request, the same for equal answers; None without verdicts.
        is_assumed: the answer is not known yet.
    """

    question: EvalQuestion
    model: str
    verdicts: tuple[Verdict, ...]
    asked: JournalKey | None = None
    is_assumed: bool = False

    @classmethod
    def make_mark(
        cls, plan: JudgePlan, question: EvalQuestion, model: str, text: str, against: str, answers: Answers
    ) -> "AnswerMark":
        """Return the mark of an answer by the judge's answers so far. against: the baseline's, for comparisons."""
        if plan.baseline is not None and text == against:
            return cls(question, model, ())
        requests = [_verdict_request(plan, question, text, against, order) for order in ORDERS]
        found = (follow_verdict(request, plan.method, answers) for request in requests)
        return cls(question, model, tuple(found), requests[0].journal_key)

    @property
    def pending(self) -> list[EvalRequest]:
        """Requests that would complete it."""
        return [verdict.pending for verdict in self.verdicts if verdict.pending is not None]

    def values(self, method: JudgeMethod) -> tuple[float, float] | None:
        """Return both verdicts for this answer, in [0, 1]; None while one is missing or unreadable."""
        if not self.verdicts:
            return 0.5, 0.5
        here, there = (verdict.value for verdict in self.verdicts)
        if here is None or there is None:
            return None
        # In the second order the answers of a comparison have changed places.
        return here, 1 - there if method is JudgeMethod.PAIRWISE else there


def _verdict_request(plan: JudgePlan, question: EvalQuestion, text: str, against: str, order: int) -> EvalRequest:
    if plan.method is JudgeMethod.PAIRWISE:
        first, second = (text, against) if order == 0 else (against, text)
        content = plan.prompt.render(order, question=question.text, first=first, second=second)
    else:
        content = plan.prompt.render(order, question=question.text, answer=text)
    return EvalRequest(question.id, plan.judge.name, ({"role": "user", "content": content},), SamplingSettings())


def estimate_judging(plan: JudgePlan) -> CostEstimate:
    """Estimate the requests that a run still has to send, without reminders. Raises JournalCorrupted."""
    with AnswerJournal(plan.folder) as journal:
        answers = journal.answers
        jobs = {
            model.name: [
                request
                for request in (plan.answer_request(question, model.name) for question in plan.questions)
                if request.journal_key not in answers
            ]
            for model in plan.models
        }
        # Equal answers are one request; of answers that are not known yet, each is one.
        verdicts = {
            (request.journal_key, mark.model if mark.is_assumed else ""): request
            for mark in plan.marks(answers, assumed_answer_tokens(plan.settings))
            for request in mark.pending
        }
        jobs[plan.judge.name] = [*jobs.get(plan.judge.name, ()), *verdicts.values()]
    return estimate_cost(plan.all_models, jobs)
