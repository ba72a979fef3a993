"""The demo's judges: as accurate as they say, and independent from one order to the other unless they are stubborn."""

from collections.abc import Sequence

from demo.judge import DemoJudge, make_judges
from demo.marking import mark_answer
from demo.models import MODELS
from demo.questions import Question, generate_questions
from demo.tasks import TASKS
from gateway.evals.judging.prompts import ORDERS, JudgeMethod, make_prompt
from gateway.evals.marking import parse_verdict

QUESTIONS = generate_questions(TASKS, 7, 20)
PROMPT = make_prompt(JudgeMethod.SCORE)


def verdicts(judge: DemoJudge, questions: Sequence[Question]) -> list[tuple[bool, list[float | None]]]:
    """Whether each model's answer to each question is right, and what the judge says in both orders."""
    found = []
    for question in questions:
        for model in MODELS:
            text = model.answer(question.text)
            said = [
                parse_verdict(judge.answer(PROMPT.render(order, question=question.text, answer=text)))
                for order in ORDERS
            ]
            found.append((mark_answer(text, question.reference, question.rule) >= 0.5, said))
    return found


def test_judges_are_as_accurate_as_they_say() -> None:
    for judge in make_judges(QUESTIONS):
        found = verdicts(judge, QUESTIONS)
        right = sum(verdict == float(truth) for truth, both in found for verdict in both) / (2 * len(found))
        assert abs(right - judge.accuracy) < 0.05, judge.name
        same = sum(both[0] == both[1] for _, both in found) / len(found)
        expected = 1.0 if judge.is_stubborn else judge.accuracy**2 + (1 - judge.accuracy) ** 2
        assert abs(same - expected) < 0.05, judge.name


def test_a_judge_marks_nothing_but_answers_to_its_questions() -> None:
    judge = DemoJudge("j", 1.0, {})
    for text in ("Hello", PROMPT.render(0, question="unknown", answer="x")):
        assert parse_verdict(judge.answer(text)) is None
