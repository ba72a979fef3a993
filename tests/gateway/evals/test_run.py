"""A run against a real HTTP server: what is asked, marked, kept, and written."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gateway.evals.ask import MAX_CONSECUTIVE_FAILURES
from gateway.evals.errors import ForeignFolder, NoAnswers
from gateway.evals.run import EvalReport
from routing.tidy import read_benchmark
from tests.gateway.evals.conftest import says
from tests.gateway.evals.models import Seen

Bench = Callable[..., EvalReport]


def outcomes(folder: Path) -> dict[tuple[str, str], tuple[float, float | None]]:
    rows = pq.read_table(folder / "outcomes.parquet").to_pylist()
    return {(row["input_id"], row["model"]): (row["score"], row["loglik"]) for row in rows}


def test_answers_become_a_tidy_benchmark(bench: Bench, seen: Seen) -> None:
    report = bench(says("yes", "no"), "echo", "other", max_tokens=9)
    benchmark = read_benchmark(report.folder)
    assert benchmark.model_names == ("echo", "other")
    assert benchmark.texts == ("say yes", "say no")
    assert benchmark.outcomes.tolist() == [[1, 0], [0, 0]]
    assert [(model.params_b, model.input_usd_per_mtok) for model in benchmark.models] == [(7, None)] * 2
    assert [(dataset.name, dataset.source) for dataset in benchmark.datasets] == [("questions", "questions.jsonl")]
    asked = {"messages": [{"role": "user", "content": "say yes"}], "temperature": 0.0, "max_tokens": 9}
    assert {"model": "echo", **asked} in seen.bodies
    assert not list(report.folder.glob(".*"))


def test_the_summary_counts_answers_tokens_and_money(bench: Bench) -> None:
    report = bench(says("yes", "no", "yes, yes"), "echo", "cut", "untold")
    echo, cut, untold = report.models
    assert (echo.answered, echo.failed, echo.truncated) == (3, 0, 0)
    assert echo.score == pytest.approx(1 / 3)
    assert (echo.input_tokens, echo.output_tokens, echo.without_usage, echo.cost_usd) == (30, 6, 0, None)
    assert (cut.truncated, untold.without_usage, untold.input_tokens) == (3, 3, 0)
    assert report.total_usd is None


def test_log_probabilities_are_kept_where_they_are_given(bench: Bench, seen: Seen) -> None:
    report = bench(says("yes"), "likely", "echo", "no-logprobs", "forbids-logprobs", logprobs=True)
    assert outcomes(report.folder) == {
        ("questions-1", "likely"): (1, -1.0),
        ("questions-1", "echo"): (1, None),
        ("questions-1", "no-logprobs"): (1, None),
        ("questions-1", "forbids-logprobs"): (1, None),
    }
    assert [body.get("logprobs") for body in seen.of("no-logprobs")] == [True, None]
    assert [body.get("logprobs") for body in seen.of("echo")] == [True]
    assert read_benchmark(report.folder).loglik is not None


def test_a_model_that_refused_log_probabilities_is_not_asked_for_them_again(bench: Bench, seen: Seen) -> None:
    bench(says("yes", "no", "maybe"), "no-logprobs", logprobs=True, concurrency=1)
    assert [body.get("logprobs") for body in seen.of("no-logprobs")] == [True, None, None, None]


def test_without_the_wish_nobody_is_asked_for_log_probabilities(bench: Bench, seen: Seen) -> None:
    assert outcomes(bench(says("yes"), "likely").folder) == {("questions-1", "likely"): (1, None)}
    assert "logprobs" not in seen.bodies[0]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("down", "no backend could answer: down/1 answered 500; down/1 answered 500; down/1 answered 500; down/1 answ"),
        ("locked", "no backend could answer: locked/1 answered 401"),
        ("plain", 'answered 422: {"detail": "no envelope"}'),
        ("odd", "response without a message"),
        ("textless", "response without a text (finish_reason stop)"),
        ("filtered", "response without a text (finish_reason content_filter)"),
    ],
)
def test_a_model_without_an_answer_has_no_outcome_rather_than_a_bad_one(bench: Bench, model: str, why: str) -> None:
    report = bench(says("yes"), "echo", model, logprobs=True)
    assert outcomes(report.folder) == {("questions-1", "echo"): (1, None)}
    assert [(one.model, one.reason.startswith(why)) for one in report.missing] == [(model, True)], report.missing
    listed = [json.loads(line) for line in (report.folder / "missing.jsonl").read_text().splitlines()]
    assert listed == [{"input_id": "questions-1", "model": model, "reason": report.missing[0].reason}]
    assert (report.models[1].answered, report.models[1].failed, report.models[1].score) == (0, 1, None)


def test_a_refusal_is_an_answer(bench: Bench) -> None:
    assert outcomes(bench(says("yes"), "refuses").folder) == {("questions-1", "refuses"): (0, None)}


def test_a_run_asks_only_for_what_is_missing(bench: Bench, seen: Seen) -> None:
    lines = says("yes", "hard", "no")
    first = bench(lines, "picky", "echo")
    assert [one.reason for one in first.missing] == ["answered 400: too hard for me"]
    seen.bodies.clear()
    bench(lines, "picky", "echo")
    assert [(body["model"], body["messages"][0]["content"]) for body in seen.bodies] == [("picky", "say hard")]
    assert len(outcomes(first.folder)) == 5


def test_what_is_asked_otherwise_is_asked_again(bench: Bench, seen: Seen) -> None:
    bench(says("yes"), "echo")
    bench(says("yes"), "echo", temperature=0.5)
    bench([{"id": "questions-1", "input": "say no", "reference": "yes"}], "echo")
    assert [body["temperature"] for body in seen.bodies] == [0, 0.5, 0]


def test_marking_by_another_rule_asks_nothing(bench: Bench, seen: Seen) -> None:
    assert bench(says("yes indeed"), "echo").models[0].score == 0
    changed = bench([{**line, "mark": "contains"} for line in says("yes indeed")], "echo")
    assert (changed.models[0].score, len(seen.bodies)) == (1, 1)


def test_nothing_missing_leaves_no_list(bench: Bench, tmp_path: Path) -> None:
    bench(says("hard", "yes"), "picky")
    assert (tmp_path / "out" / "missing.jsonl").exists()
    bench(says("yes"), "picky")
    assert not (tmp_path / "out" / "missing.jsonl").exists()


def test_each_model_is_asked_so_much_at_a_time_and_no_more(bench: Bench, seen: Seen) -> None:
    bench(says(*(str(number) for number in range(12))), "slow", concurrency=3)
    assert seen.most["slow"] == 3


def test_a_model_that_never_answers_is_given_up(bench: Bench, seen: Seen) -> None:
    report = bench(
        says(*(str(number) for number in range(MAX_CONSECUTIVE_FAILURES + 5))), "locked", "echo", concurrency=1
    )
    assert len(seen.of("locked")) == MAX_CONSECUTIVE_FAILURES
    assert report.models[0].failed == MAX_CONSECUTIVE_FAILURES + 5
    assert report.missing[-1].reason == "not asked: 20 questions in a row had failed"
    assert report.models[1].answered == MAX_CONSECUTIVE_FAILURES + 5


def test_no_outcome_at_all_is_no_benchmark(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NoAnswers, match=r"first reason: no backend could answer: locked/1 answered 401"):
        bench(says("yes"), "locked")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["missing.jsonl"]


def test_a_dataset_without_an_outcome_is_named(bench: Bench) -> None:
    lines = [{**line, "dataset": name} for line, name in zip(says("yes", "hard"), ("fine", "gone"), strict=True)]
    assert bench(lines, "picky").empty == ("gone",)


def test_a_benchmark_of_someone_else_is_not_written_over(bench: Bench, tmp_path: Path, seen: Seen) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "inputs.parquet").write_bytes(b"precious")
    with pytest.raises(ForeignFolder, match="contains a benchmark without a journal"):
        bench(says("yes"), "echo")
    assert (tmp_path / "out" / "inputs.parquet").read_bytes() == b"precious"
    assert seen.bodies == []


def test_a_judge_gives_the_marks(bench: Bench, seen: Seen) -> None:
    lines = [{**line, "mark": "judge"} for line in says("good", "bad", "riddle")]
    report = bench(lines, "echo", "other", judge="judge")
    assert outcomes(report.folder) == {
        ("questions-1", "echo"): (1, None),
        ("questions-2", "echo"): (0, None),
        **{(f"questions-{number}", "other"): (0, None) for number in (1, 2, 3)},
    }
    assert [(one.input_id, one.model, one.reason) for one in report.missing] == [
        ("questions-3", "echo", "not judged: invalid verdict")
    ]
    assert (report.models[0].unjudged, report.models[0].failed) == (1, 0)
    assert (report.models[2].model, report.models[2].input_tokens) == ("judge", 60)
    assert "<reference>\nyes\n</reference>" in seen.of("judge")[0]["messages"][0]["content"]
    seen.bodies.clear()
    bench(lines, "echo", "other", judge="judge")
    assert seen.bodies == []


def test_equal_answers_are_judged_once(bench: Bench, seen: Seen) -> None:
    bench([{"input": "say good", "mark": "judge"}], "echo", "likely", judge="judge")
    assert len(seen.of("judge")) == 1
    assert "reference" not in seen.of("judge")[0]["messages"][0]["content"]


def test_a_judge_that_does_not_answer_leaves_outcomes_missing(bench: Bench) -> None:
    lines = [*says("yes"), {"input": "say good", "mark": "judge"}]
    report = bench(lines, "echo", judge="locked")
    assert [one.reason for one in report.missing] == ["not judged: no backend could answer: locked/1 answered 401"]
    assert len(outcomes(report.folder)) == 1
