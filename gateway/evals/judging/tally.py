"""What a judged run found: labels, the judge's agreement with itself and with references, failures and cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Any

from gateway.config import ModelConfig
from gateway.evals.answers import JournalKey
from gateway.evals.ask import FailedRequest
from gateway.evals.estimate import model_price
from gateway.evals.judging.plan import AnswerMark, Answers, JudgePlan
from gateway.evals.judging.prompts import JudgeMethod
from gateway.evals.marking import grade_answer
from gateway.evals.questions import EvalQuestion, Grader
from gateway.scorer.messages import JudgeCounts

Z = 1.96
"""Deviations on both sides of a Gaussian's mean that contain 95 % of it."""
RIGHT = 0.5
"""Grade by a reference from which on an answer is right."""

Label = Mapping[str, Any]
"""`input` and `outcomes`, as the labels endpoint takes them."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of counted cases. Counts may be fractions."""

    hits: float
    n: float

    @property
    def value(self) -> float | None:
        """The share; None without any case."""
        return self.hits / self.n if self.n > 0 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval (Wilson 1927); None without any case."""
        if self.n <= 0:
            return None
        share, more = self.hits / self.n, Z**2 / self.n
        middle = (share + more / 2) / (1 + more)
        half = sqrt(share * (1 - share) * more + more**2 / 4) / (1 + more)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """Answers of a model, the judge's verdicts among them. cost_usd: None without a price."""

    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    without_usage: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Result of a run.

    Attributes:
        labels: by the judge, of inputs with any.
        true_labels: by references, of inputs with a rule and references.
        means: mean label of each candidate, None without any.
        n_marks: answers with two verdicts.
        ties: of those, ties in comparisons.
        equal: of those, comparisons of equal answers, which the judge was not asked.
        differ: of those, answers on which the judge's verdicts differ.
        unreadable: verdicts that could not be parsed.
        failed: requests without an answer.
        agreement: with itself and with references.
        decided: share of comparisons without a tie.
    """

    labels: tuple[Label, ...]
    true_labels: tuple[Label, ...]
    means: Mapping[str, float | None]
    n_marks: int
    ties: int
    equal: int
    differ: int
    unreadable: int
    failed: tuple[FailedRequest, ...]
    agreement: JudgeCounts
    decided: float
    spending: tuple[ModelSpending, ...]

    @property
    def self_agreement(self) -> Share:
        """Answers on which both verdicts agree."""
        counted = self.agreement
        same = counted.both_right + counted.both_wrong
        return Share(same, same + counted.differ)

    @property
    def sensitivity(self) -> Share:
        """Verdicts `right` on answers that are right by a reference."""
        return Share(self.agreement.right_as_right, self.agreement.right_as_right + self.agreement.right_as_wrong)

    @property
    def specificity(self) -> Share:
        """Verdicts `wrong` on answers that are wrong by a reference."""
        return Share(self.agreement.wrong_as_wrong, self.agreement.wrong_as_wrong + self.agreement.wrong_as_right)

    @property
    def total_usd(self) -> Decimal | None:
        """Cost of all answers, US dollars; None if a model that answered has no price."""
        costs = [one.cost_usd for one in self.spending if one.answers]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


@dataclass(frozen=True, slots=True)
class _Marked:
    """An answer with both verdicts, right (1) or wrong (0), or 0.5 for a tie."""

    mark: AnswerMark
    here: float
    there: float

    @property
    def label(self) -> float:
        return (self.here + self.there) / 2


def build_report(plan: JudgePlan, answers: Answers, failed: Mapping[JournalKey, FailedRequest]) -> JudgeReport:
    """Count what the journal's answers say."""
    marks = list(plan.marks(answers))
    marked = _marked(marks, plan.method)
    by_question: dict[str, dict[str, float]] = {}
    for one in marked:
        by_question.setdefault(one.mark.question.id, {})[one.mark.model] = one.label
    labels: tuple[Label, ...] = tuple(
        {"input": question.text, "outcomes": _with_baseline(by_question[question.id], plan.baseline)}
        for question in plan.questions
        if question.id in by_question
    )
    grades = _grades(plan, answers)
    compared = [one for one in marked if plan.method is JudgeMethod.PAIRWISE]
    ties = sum(one.label == RIGHT and one.here == RIGHT for one in compared)
    return JudgeReport(
        labels=labels,
        true_labels=tuple(
            {"input": question.text, "outcomes": grades[question.id]}
            for question in plan.questions
            if grades.get(question.id)
        ),
        means={model.name: _mean([label["outcomes"].get(model.name) for label in labels]) for model in plan.models},
        n_marks=len(marked),
        ties=ties,
        equal=sum(not one.mark.verdicts for one in compared),
        differ=sum(one.here != one.there for one in marked),
        unreadable=sum(verdict.is_unreadable for mark in marks for verdict in mark.verdicts),
        failed=tuple(failed.values()),
        agreement=_count_agreement(plan, marked, grades),
        decided=1 - ties / len(compared) if compared else 1.0,
        spending=tuple(_spending(model, answers) for model in plan.all_models),
    )


def _marked(marks: Iterable[AnswerMark], method: JudgeMethod) -> list[_Marked]:
    """Return the answers with both verdicts. Scores by a rubric are right above the mean of all scores.

    A judge has its own habits on a scale: only the order of its scores can be compared with other evidence.
    """
    found = [(mark, values) for mark in marks if (values := mark.values(method)) is not None]
    if method is not JudgeMethod.RUBRIC:
        return [_Marked(mark, *values) for mark, values in found]
    middle = _mean([value for _, values in found for value in values]) or 0.0
    return [_Marked(mark, *(float(value > middle) for value in values)) for mark, values in found]


def _with_baseline(outcomes: dict[str, float], baseline: str | None) -> dict[str, float]:
    return outcomes if baseline is None else {**outcomes, baseline: RIGHT}


def _grades(plan: JudgePlan, answers: Answers) -> dict[str, dict[str, float]]:
    """Return the grades by references, by input and model, of inputs that have a rule and references."""
    return {
        question.id: {
            model.name: grade_answer(text, question)
            for model in plan.models
            if (text := plan.find_answer(question, model.name, answers)) is not None
        }
        for question in plan.questions
        if question.mark is not Grader.JUDGE
    }


def _count_agreement(
    plan: JudgePlan, marked: Sequence[_Marked], grades: Mapping[str, Mapping[str, float]]
) -> JudgeCounts:
    """Count pairs of verdicts, and verdicts against references.

    Equal answers of several candidates are one answer that was judged. Two equal answers, and ties both times, say
    nothing.
    """
    marked = list({one.mark.asked or (one.mark.question.id, one.mark.model, ""): one for one in marked}.values())
    pairs = [(one.here, one.there) for one in marked if one.mark.verdicts and not one.here == one.there == RIGHT]
    truths = [
        (one, truth) for one in marked if (truth := _truth(plan, one.mark.question, one.mark.model, grades)) is not None
    ]
    right = [one.label for one, truth in truths if truth]
    wrong = [one.label for one, truth in truths if not truth]
    return JudgeCounts(
        both_right=sum(here * there for here, there in pairs),
        both_wrong=sum((1 - here) * (1 - there) for here, there in pairs),
        differ=sum(here * (1 - there) + there * (1 - here) for here, there in pairs),
        right_as_right=sum(right),
        right_as_wrong=len(right) - sum(right),
        wrong_as_right=sum(wrong),
        wrong_as_wrong=len(wrong) - sum(wrong),
    )


def _truth(
    plan: JudgePlan, question: EvalQuestion, model: str, grades: Mapping[str, Mapping[str, float]]
) -> bool | None:
    """Return whether an answer is right, or better than the baseline's, by references; None where they do not say."""
    found = grades.get(question.id, {})
    if plan.baseline is None:
        return found[model] >= RIGHT if model in found else None
    here, there = found.get(model), found.get(plan.baseline)
    return None if here is None or there is None or here == there else here > there


def _spending(model: ModelConfig, answers: Answers) -> ModelSpending:
    own = [answer for answer in answers.values() if answer.model == model.name]
    usages = [answer.usage for answer in own if answer.usage is not None]
    price = model_price(model)
    return ModelSpending(
        model=model.name,
        answers=len(own),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        without_usage=len(own) - len(usages),
        cost_usd=sum((price.cost_usd(usage) for usage in usages), Decimal(0)) if price else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def split_labels(labels: Sequence[Label], size: int) -> Iterator[Sequence[Label]]:
    """Yield labels in batches."""
    for start in range(0, len(labels), size):
        yield labels[start : start + size]
