"""A judged run against a real HTTP server: what is asked, once, and what is counted."""

import json
import os
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, parse_config
from gateway.evals.ask import NOT_ADMITTED
from gateway.evals.errors import ForeignSession
from gateway.evals.judging.inputs import JudgeSession, question_of, read_session
from gateway.evals.judging.plan import JudgePlan, estimate_judging
from gateway.evals.judging.prompts import JudgeMethod, make_prompt
from gateway.evals.judging.run import run_judging
from gateway.evals.judging.tally import JudgeReport, Share
from gateway.evals.judging.verdicts import MAX_REMINDERS
from gateway.evals.questions import EvalQuestion, Grader, SamplingSettings
from tests.gateway.evals.conftest import config_text, no_pause
from tests.gateway.evals.models import Seen

Made = Callable[..., tuple[JudgePlan, Config]]
PRICE = {"price": {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 0}}
"""A dollar a token: a request that reports ten input tokens costs ten."""


@pytest.fixture
def made(seen: Seen, tmp_path: Path) -> Made:
    """Makes a plan. texts: `say X` is answered with X by `echo`; `other` says `other`."""

    def make(
        texts: list[str],
        judge: str = "judge",
        method: JudgeMethod = JudgeMethod.SCORE,
        references: dict[str, str] | None = None,
        priced: bool = False,
        **changed: Any,
    ) -> tuple[JudgePlan, Config]:
        config = parse_config(config_text(seen, "echo", "other", judge, **(PRICE if priced else {})), "config.yaml", {})
        questions = [question_of(text, "t") for text in texts]
        plan = JudgePlan(
            questions=tuple(_referenced(one, (references or {}).get(one.text)) for one in questions),
            models=config.models[:2],
            judge=config.models[2],
            prompt=make_prompt(method, rubric="be good"),
            baseline="other" if method is JudgeMethod.PAIRWISE else None,
            settings=SamplingSettings(),
            concurrency=2,
            folder=tmp_path / "judged",
        )
        return JudgePlan(**{name: changed.get(name, getattr(plan, name)) for name in JudgePlan.__slots__}), config

    return make


def _referenced(question: EvalQuestion, reference: str | None) -> EvalQuestion:
    if reference is None:
        return question
    return EvalQuestion(question.id, question.dataset, question.messages, question.text, Grader.CONTAINS, (reference,))


def run(made: tuple[JudgePlan, Config]) -> JudgeReport:
    return run_judging(*made, sleep=no_pause)


def outcomes(report: JudgeReport) -> list[dict[str, float]]:
    return [dict(label["outcomes"]) for label in report.labels]


def test_each_answer_is_judged_in_both_orders(made: Made, seen: Seen) -> None:
    report = run(made(["say good", "say bad"]))
    assert outcomes(report) == [{"echo": 1, "other": 0}, {"echo": 0, "other": 0}]
    assert [label["input"] for label in report.labels] == ["say good", "say bad"]
    assert (report.n_marks, report.differ, report.unreadable, report.failed) == (4, 0, 0, ())
    assert report.self_agreement == Share(4, 4)
    prompts = [body["messages"][0]["content"] for body in seen.of("judge")]
    assert len(prompts) == 8
    assert sum(prompt.endswith("VERDICT: right\nVERDICT: wrong") for prompt in prompts) == 4
    assert all(body["temperature"] == 0 for body in seen.of("judge"))


def test_equal_answers_are_judged_and_counted_once(made: Made, seen: Seen) -> None:
    report = run(made(["say other", "say good"], references={"say other": "other"}))
    assert outcomes(report) == [{"echo": 0, "other": 0}, {"echo": 1, "other": 0}]
    assert (report.n_marks, report.self_agreement, report.sensitivity) == (4, Share(3, 3), Share(0, 1))
    assert len(seen.of("judge")) == 6


def test_answers_are_compared_with_the_baselines_in_both_orders(made: Made, seen: Seen) -> None:
    report = run(made(["say good", "say bad", "say other"], "comparing-judge", JudgeMethod.PAIRWISE))
    assert outcomes(report) == [{"echo": 1, "other": 0.5}, {"echo": 0.5, "other": 0.5}, {"echo": 0.5, "other": 0.5}]
    assert (report.n_marks, report.ties, report.equal) == (3, 2, 1)
    assert report.decided == pytest.approx(1 / 3)
    # Equal answers cost nothing, and ties both times say nothing of the judge's agreement.
    assert len(seen.of("comparing-judge")) == 4
    assert report.self_agreement == Share(1, 1)


def test_scores_by_a_rubric_are_compared_with_their_own_mean(made: Made) -> None:
    report = run(made(["say good", "say bad"], "scoring-judge", JudgeMethod.RUBRIC))
    assert outcomes(report) == [{"echo": 1, "other": 0}, {"echo": 0, "other": 0}]


@pytest.mark.parametrize("method", [JudgeMethod.SCORE, JudgeMethod.PAIRWISE])
def test_a_judge_that_goes_by_the_order_disagrees_with_itself(made: Made, method: JudgeMethod) -> None:
    report = run(made(["say good", "say bad"], "fickle-judge", method))
    assert report.self_agreement.value == 0
    assert {value for label in outcomes(report) for value in label.values()} == {0.5}


def test_references_measure_the_judge_and_are_labels_of_their_own(made: Made) -> None:
    references = {"say good": "good", "say bad good": "bad", "say bad": "bad"}
    report = run(made([*references, "say more"], references=references))
    assert [label["outcomes"] for label in report.true_labels] == [{"echo": 1, "other": 0}] * 3
    # `judge` calls right what says good.
    assert (report.sensitivity, report.specificity) == (Share(2, 3), Share(3, 3))
    assert report.sensitivity.interval == pytest.approx((0.2077, 0.9385), abs=1e-3)


def test_comparisons_are_measured_where_references_tell_the_answers_apart(made: Made) -> None:
    references = {"say good": "good", "say bad": "nothing"}
    report = run(made([*references], "comparing-judge", JudgeMethod.PAIRWISE, references))
    assert (report.sensitivity, report.specificity.value) == (Share(1, 1), None)


def test_a_judge_is_reminded_of_the_expected_lines(made: Made, seen: Seen) -> None:
    report = run(made(["say good"], "mumbling-judge"))
    assert (outcomes(report), report.unreadable) == ([{"echo": 1, "other": 0}], 0)
    longest = max((body["messages"] for body in seen.of("mumbling-judge")), key=len)
    assert [message["role"] for message in longest] == ["user", "assistant", "user"]
    assert "VERDICT: right\nVERDICT: wrong" in longest[-1]["content"]


def test_reminders_are_bounded_and_an_unreadable_verdict_counts_as_none(made: Made, seen: Seen) -> None:
    plan = made(["say good"], "unreadable-judge")
    report = run(plan)
    assert (report.labels, report.unreadable, report.n_marks) == ((), 4, 0)
    assert report.self_agreement.value is None
    assert len(seen.of("unreadable-judge")) == 4 * (1 + MAX_REMINDERS)
    seen.bodies.clear()
    run(plan)
    assert seen.bodies == []


def test_an_answer_that_is_missing_leaves_a_label_without_it(made: Made) -> None:
    plan, config = made(["say hard good", "say good"])
    picky = parse_config(config_text_of(plan, "picky"), "config.yaml", {})
    both = JudgePlan(**{**fields(plan), "models": picky.models[:2]})
    report = run_judging(both, config.model_copy(update={"models": picky.models}), sleep=no_pause)
    assert outcomes(report) == [{"other": 0}, {"picky": 1, "other": 0}]
    assert [one.reason for one in report.failed] == ["answered 400: too hard for me"]


def config_text_of(plan: JudgePlan, *names: str) -> str:
    backends = [backend.model_dump(exclude_defaults=True) for backend in plan.models[0].backends]
    return json.dumps({"models": [{"name": name, "backends": backends} for name in (*names, "other", "judge")]})


def fields(plan: JudgePlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in JudgePlan.__slots__}


def test_a_judge_that_does_not_answer_gives_no_labels(made: Made) -> None:
    report = run(made(["say good"], "locked"))
    assert report.labels == ()
    assert report.failed[0].reason == "no backend could answer: locked/1 answered 401"


@pytest.mark.parametrize("after", range(1, 6))
def test_a_run_that_is_interrupted_at_any_call_asks_nothing_twice(made: Made, seen: Seen, after: int) -> None:
    plan, config = made(["say good"], concurrency=1)
    calls = 0

    def interrupt(activity: str, done: int, total: int) -> None:
        nonlocal calls
        calls += bool(done)
        if calls == after and done:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="answers are saved in"):
        run_judging(plan, config, interrupt, no_pause)
    assert after <= len(seen.bodies) <= 6  # one more may be on its way when the signal comes
    report = run_judging(plan, config, sleep=no_pause)
    assert outcomes(report) == [{"echo": 1, "other": 0}]
    asked = [json.dumps(body, sort_keys=True) for body in seen.bodies]
    assert len(asked) == len(set(asked)) == 6


def test_the_estimate_is_what_is_asked(made: Made, seen: Seen) -> None:
    for method, judge in ((JudgeMethod.SCORE, "judge"), (JudgeMethod.PAIRWISE, "comparing-judge")):
        plan = made(["say good", "say bad"], judge, method, folder=made(["x"])[0].folder / method)
        estimate = {one.model: one.requests for one in estimate_judging(plan[0]).models}
        assert estimate == {"echo": 2, "other": 2, judge: 8 if method is JudgeMethod.SCORE else 4}
        seen.bodies.clear()
        run(plan)
        assert {name: len(seen.of(name)) for name in estimate} == estimate
        assert estimate_judging(plan[0]).total_requests == 0


def test_a_limit_ends_a_run_before_it_costs_more_and_a_higher_one_resumes(made: Made, seen: Seen) -> None:
    texts = [f"say {text:36}" for text in ("good", "bad")]  # forty characters are estimated at ten tokens
    report = run(made(texts, priced=True, max_usd=Decimal(25), concurrency=1))
    assert {one.reason for one in report.failed} == {NOT_ADMITTED}
    assert (report.total_usd, len(seen.bodies)) == (Decimal(20), 2)
    whole = run(made(texts, priced=True, max_usd=Decimal(10_000)))
    assert (whole.total_usd, len(whole.labels), len(seen.bodies)) == (Decimal(120), 2, 12)


def test_calls_are_bounded(made: Made, seen: Seen) -> None:
    run(made([f"say {number}" for number in range(6)], concurrency=2))
    assert max(seen.most.values()) <= 2


def test_a_session_is_of_one_task_and_method(tmp_path: Path) -> None:
    session = JudgeSession("t", JudgeMethod.SCORE).with_inputs(["a", "b", "a"])
    session.save_to(tmp_path)
    assert read_session(tmp_path, "t", JudgeMethod.SCORE) == session
    assert session.inputs == ("a", "b")
    with pytest.raises(ForeignSession, match="session of task t with method score"):
        read_session(tmp_path, "other", JudgeMethod.SCORE)
    with pytest.raises(ForeignSession, match="method score"):
        read_session(tmp_path, "t", JudgeMethod.PAIRWISE)
    (tmp_path / "session.json").write_text("{}")
    with pytest.raises(ForeignSession, match="is not a session"):
        read_session(tmp_path, "t", JudgeMethod.SCORE)
