"""Labels of judge models in a task's state: weighed by agreement, and beside true labels."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import StateError
from gateway.scorer.judged_labels import MAX_JUDGED, MAX_JUDGES
from gateway.scorer.messages import (
    AddJudgedLabels,
    JudgeCounts,
    JudgeVerdicts,
    Question,
    RemoveJudgedLabels,
    ScoredResponse,
    ScoreSettings,
    SeedInputs,
)
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_labels import TaskLabels, text_digest
from gateway.scorer.task_reader import TaskReader
from gateway.state.sqlite import SqliteStore
from routing.auto.judge_noise import NO_INFORMATION
from routing.pack import Pack
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack
from tests.gateway.scorer.test_scorer import ALL, START, explanation_of, seen

LETTERS = Letters()
SURE = JudgeCounts(100, 100, 2)
COIN = JudgeCounts(50, 50, 100)
TEXTS = inputs("sums", 40)


def judge(agreement: JudgeCounts = SURE, model: str = "j", method: str = "score") -> JudgeVerdicts:
    return JudgeVerdicts(model, method, agreement)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(LETTERS)


@pytest.fixture
def made(pack: Pack, tmp_path: Path) -> Scorer:
    """A scorer by auto that has seen a few inputs of task `t`."""
    start = msgspec.structs.replace(START, routing=ScoreSettings(score="auto"))
    store = SqliteStore(str(tmp_path / "state.db"))
    scorer = Scorer(TaskReader(Router(pack), store, start, itertools.count(100).__next__), LETTERS)
    scorer.observe_batch(seen("t", *TEXTS[:4]))
    return scorer


def add(made: Scorer, right: str, by: JudgeVerdicts, texts: Sequence[str] = TEXTS, task: str = "t") -> dict[str, Any]:
    """That one model alone is right on these, a judge says."""
    outcomes = [{name: float(name == right) for name in ALL} for _ in texts]
    return made.add_judged(AddJudgedLabels(1, task, texts, outcomes, by))[1]


def worst(made: Scorer) -> str:
    ranking: tuple[str, ...] = made._store.read_task("t").decision.ranking  # type: ignore[union-attr]
    return ranking[-1]


def test_labels_of_a_reliable_judge_turn_a_task_and_are_shown_as_such(made: Scorer) -> None:
    last = worst(made)
    told = add(made, last, judge())
    assert (told["labels"], told["judged"], told["decision"]["model"]) == (0, {"judge:j": 40}, last)
    explanation = explanation_of(made)
    (shown,) = explanation["auto"]["judged"]
    assert (shown["source"], shown["n"], explanation["auto"]["labels"]) == ("judge:j", 40, 0)
    assert 0.7 < shown["weight"] < 1
    assert 0.9 < shown["noise"]["slope"] < 1
    assert "40 inputs labelled by judge:j (weight 0." in explanation["decision"]["why"]


def test_labels_of_a_judge_that_disagrees_with_itself_half_of_the_time_move_nothing(made: Scorer) -> None:
    before = explanation_of(made)
    told = add(made, worst(made), judge(COIN))
    after = explanation_of(made)
    assert told["judged"] == {"judge:j": 40}
    assert after["auto"]["expected"] == before["auto"]["expected"]
    assert after["auto"]["deviation"] == before["auto"]["deviation"]
    assert after["scores"] == before["scores"]
    assert after["auto"]["judged"][0]["weight"] == 0


def test_true_labels_of_an_input_take_precedence(made: Scorer) -> None:
    last = worst(made)
    first = made._store.read_task("t").decision.model  # type: ignore[union-attr]
    made.seed_task(SeedInputs(1, "t", TEXTS, [{name: float(name == first) for name in ALL} for _ in TEXTS]))
    before = explanation_of(made)["scores"]
    told = add(made, last, judge())
    assert (told["labels"], told["judged"], told["decision"]["model"]) == (40, {"judge:j": 40}, first)
    assert explanation_of(made)["scores"] == before


def test_the_labels_of_a_judge_are_removed_alone(made: Scorer) -> None:
    before = explanation_of(made)["scores"]
    add(made, worst(made), judge(), TEXTS[:4])
    add(made, "calc", judge(COIN, "k"), TEXTS[:4])
    decisions, told = made.remove_judged(RemoveJudgedLabels(1, "t", "j"))
    assert (told["removed"], told["judged"], len(decisions)) == (4, {"judge:k": 4}, 1)
    assert explanation_of(made)["scores"] == before
    assert made.remove_judged(RemoveJudgedLabels(1, "t", "j"))[1]["removed"] == 0


def test_judged_inputs_begin_a_task_and_are_added_to_no_other(made: Scorer) -> None:
    assert add(made, "calc", judge(), TEXTS[:12], "new")["n"] == 12
    assert add(made, "calc", judge(), TEXTS[:14], "new")["n"] == 12
    assert add(made, "calc", judge(), TEXTS[4:])["n"] == 4


def test_the_latest_agreement_of_a_judge_holds_and_another_method_begins_anew() -> None:
    given = [{"calc": 1.0}]
    labels = TaskLabels().with_judged(judge(), ["x"], given).with_judged(judge(COIN), ["y"], given)
    found = labels.judges.by_source["judge:j"]
    assert (len(found.outcomes), found.noise) == (2, NO_INFORMATION)
    again = labels.with_judged(judge(method="rubric"), ["y"], given).judges.by_source["judge:j"]
    assert (again.method, list(again.outcomes)) == ("rubric", [text_digest("y")])


def test_comparisons_count_for_less_than_marks() -> None:
    given = [{"calc": 1.0}]
    marks = TaskLabels().with_judged(judge(), ["x"], given).judges.by_source["judge:j"].noise
    by = msgspec.structs.replace(judge(method="pairwise"), decided=0.5)
    compared = TaskLabels().with_judged(by, ["x"], given).judges.by_source["judge:j"].noise
    assert compared.slope == pytest.approx(marks.slope / 2)
    assert compared.variance == 0.125
    assert compared.weight(0.4) < marks.weight(0.4)


def test_one_candidate_may_win_every_comparison_but_not_every_mark() -> None:
    """A judge that says right of everything says nothing; one that prefers a candidate in both orders does."""
    given, always = [{"calc": 1.0}], JudgeCounts(60)
    noises = [
        TaskLabels().with_judged(judge(always, method=method), ["x"], given).judges.by_source["judge:j"].noise
        for method in ("score", "pairwise")
    ]
    assert noises[0] == NO_INFORMATION
    assert noises[1].slope > 0.4


def test_judges_and_their_inputs_are_bounded() -> None:
    labels = TaskLabels()
    for name in range(MAX_JUDGES + 2):
        labels = labels.with_judged(judge(model=str(name)), ["x"], [{"calc": 1.0}])
    assert (len(labels.judges.by_source), "judge:1" in labels.judges.by_source) == (MAX_JUDGES, False)
    texts = [str(number) for number in range(MAX_JUDGED + 3)]
    many = TaskLabels().with_judged(judge(), texts, [{"calc": 1.0}] * len(texts))
    assert many.judges.counts == {"judge:j": MAX_JUDGED}
    assert text_digest("2") not in many.judges.by_source["judge:j"].outcomes


def test_state_without_judges_is_the_bytes_of_before() -> None:
    """Versions that know no judges read it, and this one reads theirs."""
    true = TaskLabels().with_labels(["x"], [{"calc": 1.0}])
    assert true.to_bytes() == msgspec.msgpack.encode({text_digest("x"): {"calc": 1.0}})
    rated = true.with_feedback([ScoredResponse(b"12345678", "calc", 1.0, None, "s", 1.0)])
    before = ({text_digest("x"): {"calc": 1.0}}, [("calc", "s", None, [(b"12345678", 1.0, 1.0)])])
    assert rated.to_bytes() == msgspec.msgpack.encode(before)
    for labels in (TaskLabels(), true, rated, rated.with_judged(judge(), ["y"], [{"calc": 0.5}])):
        assert TaskLabels.from_bytes(labels.to_bytes()) == labels


def test_labels_of_judges_that_cannot_be_read_are_refused() -> None:
    data = TaskLabels().with_judged(judge(), ["y"], [{"calc": 0.5}]).to_bytes()
    with pytest.raises(StateError, match="labels"):
        TaskLabels.from_bytes(data[:-1])
    with pytest.raises(StateError, match="labels"):
        TaskLabels.from_bytes(b"\x94" + data[1:])


def test_a_scorer_of_an_earlier_version_refuses_judged_labels() -> None:
    """It must not take them for true ones."""
    message = AddJudgedLabels(1, "t", ["x"], [{"calc": 1.0}], judge())
    encoded = msgspec.msgpack.encode(message)
    assert msgspec.msgpack.decode(encoded, type=Question) == message
    with pytest.raises(msgspec.ValidationError, match="Judge"):
        msgspec.msgpack.decode(encoded, type=SeedInputs)
