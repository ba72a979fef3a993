"""`route` says of some inputs what Router says of them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from gateway.cli.route import ScoreName
from gateway.vocabulary import ScoreSetting
from routing.decision import explain_decision
from routing.embedder import SentenceTransformerEmbedder
from routing.pack import open_pack, save_pack
from routing.recommendation import RECOMMENDED
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState
from tests.gateway.cli.conftest import run_command
from tests.gateway.packs import inputs as benchmark_inputs

TEXTS = [f"What is {number} plus {7 * number}?" for number in range(3, 25)]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "inputs.txt").write_text("\n\n".join(TEXTS))
    return tmp_path / "inputs.txt"


def routed(*arguments: object, stdin: str | None = None) -> Mapping[str, Any]:
    result = run_command("route", *arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    document: Mapping[str, Any] = json.loads(result.stdout)
    return document


def test_the_json_is_what_router_says(pack: Path, inputs: Path, embedder: SentenceTransformerEmbedder) -> None:
    router = Router(open_pack(pack))
    state = TaskState.from_evidence(router.find_evidence(embedder.embed_texts(TEXTS)))
    scores = router.score_task(state, router.select_candidates())
    decision = router.make_decision(scores)
    document = routed("--pack", pack, inputs, "--score", "s3")
    assert set(document) == {"object", "n", "u", "scores", "nearest_datasets", "decision"}
    assert (document["object"], document["n"]) == ("route", len(TEXTS))
    assert document["u"] == pytest.approx(state.mean_distance)
    by_model = {row["model"]: row for row in document["scores"]}
    for name, s1, s2, s3, p in zip(scores.models, scores.s1, scores.s2, scores.s3, scores.reliability, strict=True):
        assert by_model.pop(name) == {"model": name, "s1": s1, "s2": s2, "s3": s3, "p": p, "n": len(TEXTS)}
    assert by_model == {}
    near = [(row["dataset"], row["cosine"]) for row in document["nearest_datasets"]]
    assert near == router.nearest_datasets(state)
    made = document["decision"]
    assert (made["model"], made["leader"], made["baseline"]) == (decision.model, decision.leader, decision.baseline)
    assert made["ranking"] == list(decision.ranking)
    assert made["p_better"] == decision.p_better
    assert (made["reason"], made["why"]) == (decision.reason.value, explain_decision(decision, scores, 0.6))
    assert (made["eta"], made["score"]) == (0.6, "s3")


def test_files_json_lines_and_standard_input_give_the_same(pack: Path, inputs: Path, tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"messages": [{"role": "user", "content": text}]}) for text in TEXTS)
    (tmp_path / "inputs.jsonl").write_text(lines)
    first = routed("--pack", pack, inputs)
    assert routed("--pack", pack, tmp_path / "inputs.jsonl") == first
    assert routed("--pack", pack, stdin=lines) == first
    assert routed("--pack", pack, "-", stdin="\n".join(TEXTS)) == first


def test_the_table_shows_scores_sizes_prices_and_the_reason(pack: Path, inputs: Path) -> None:
    document = routed("--pack", pack, inputs, "--score", "s3")
    result = run_command("route", "--pack", pack, inputs, "--score", "s3")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:5] == ["model", "S1", "S2", "S3", "p"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:6]}
    assert list(rows) == document["decision"]["ranking"]
    for row in document["scores"]:
        assert rows[row["model"]][:4] == [f"{row[key]:.3f}" for key in ("s1", "s2", "s3", "p")]
    assert rows["calc"][4:] == ["7", "0.3", "/", "0.6"]
    assert f"n = 22, u = {document['u']:.3f}; nearest datasets (cosine): sums 0." in result.stdout
    assert lines[-3] == f"{document['decision']['model']}  ({document['decision']['reason']})"
    assert lines[-2] == document["decision"]["why"]
    assert lines[-1] == document["decision"]["would_change"]["text"]


@pytest.mark.slow
def test_a_pipe_into_a_process_of_its_own_works(pack: Path, inputs: Path) -> None:
    command = [sys.executable, "-m", "gateway.cli", "route", "--pack", str(pack)]
    done = subprocess.run(command, input="\n".join(TEXTS), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == run_command("route", "--pack", pack, inputs).stdout
    assert "loading embedder sentence-transformers/all-MiniLM-L6-v2\n" in done.stderr
    assert "Loading weights" not in done.stderr


def test_candidates_narrow_the_choice(pack: Path, inputs: Path) -> None:
    document = routed("--pack", pack, inputs, "--candidates", " atlas,secret ")
    assert sorted(row["model"] for row in document["scores"]) == ["atlas", "secret"]
    assert document["decision"]["baseline"] == "atlas"


def test_a_size_limit_leaves_out_larger_models_and_those_of_unknown_size(pack: Path, inputs: Path) -> None:
    document = routed("--pack", pack, inputs, "--max-params-b", 8)
    assert sorted(row["model"] for row in document["scores"]) == ["atlas", "calc"]


@pytest.mark.parametrize("score", list(ScoreKind))
def test_the_leading_score_can_be_chosen(score: ScoreKind, pack: Path, inputs: Path) -> None:
    document = routed("--pack", pack, inputs, "--score", score.value)
    best = max(row[score.value] for row in document["scores"])
    leaders = {row["model"] for row in document["scores"] if row[score.value] == pytest.approx(best, abs=1e-12)}
    assert document["decision"]["leader"] in leaders


def test_the_scores_to_choose_from_are_the_librarys() -> None:
    assert [score.value for score in ScoreName] == [RECOMMENDED, *(score.value for score in ScoreKind)]
    assert [score.value for score in ScoreName] == list(get_args(ScoreSetting))


@pytest.mark.parametrize("named", ["s3", "auto"])
def test_the_score_is_the_one_that_the_packs_report_names(named: str, pack: Path, inputs: Path, tmp_path: Path) -> None:
    opened = open_pack(pack)
    save_pack(replace(opened, report={**opened.report, "recommended": named}), tmp_path / "told")
    decision = routed("--pack", tmp_path / "told", inputs)["decision"]
    assert (decision["score"], decision["score_setting"]) == (named, "recommended")
    assert "report recommends it" in decision["score_why"]
    assert routed("--pack", tmp_path / "told", inputs, "--score", "s3")["decision"]["score"] == "s3"
    shown = run_command("route", "--pack", tmp_path / "told", inputs).stdout
    assert f"score: {named.upper() if named == 's3' else named}; the pack's report recommends it" in shown


def test_a_pack_of_before_says_why_it_is_s3(pack: Path, inputs: Path, tmp_path: Path) -> None:
    opened = open_pack(pack)
    older = {name: value for name, value in opened.report.items() if name != "recommended"}
    save_pack(replace(opened, report=older), tmp_path / "older")
    decision = routed("--pack", tmp_path / "older", inputs)["decision"]
    assert decision["score"] == "s3"
    assert "rebuild the pack" in decision["score_why"]


def test_inputs_can_be_declared_to_be_a_dataset(pack: Path, inputs: Path) -> None:
    """Whatever they are."""
    document = routed("--pack", pack, inputs, "--dataset", "rivers")
    assert (document["decision"]["model"], document["decision"]["score"]) == ("atlas", "auto")
    assert document["membership"]["kind"] == "declared"
    shown = run_command("route", "--pack", pack, inputs, "--dataset", "rivers").stdout
    assert "score: auto; the task is declared to be dataset rivers" in shown
    assert "The task is declared to be dataset rivers, where atlas is right on" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dataset", "river"), "no dataset 'river'; similar: rivers"),
        (("--dataset", "weather"), "it has sums, prices, capitals, rivers"),
        (("--dataset", "rivers", "--score", "s3"), "--dataset conflicts with --score s3"),
    ],
)
def test_a_dataset_that_cannot_be_meant_is_refused(
    pack: Path, inputs: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = run_command("route", "--pack", pack, inputs, *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_what_the_inputs_match_is_said(pack: Path) -> None:
    alike = "\n".join(benchmark_inputs("rivers", 20))
    document = routed("--pack", pack, "--score", "auto", stdin=alike)
    told = document["membership"]["text"]
    assert told in run_command("route", "--pack", pack, "--score", "auto", stdin=alike).stdout
    assert "dataset rivers" in told


def test_eta_is_the_packs_unless_given(pack: Path, inputs: Path, tmp_path: Path) -> None:
    opened = open_pack(pack)
    careful = replace(opened.manifest, routing={**opened.manifest.routing, "eta": 0.97})
    save_pack(replace(opened, manifest=careful), tmp_path / "careful")
    assert routed("--pack", tmp_path / "careful", inputs)["decision"]["eta"] == 0.97
    assert routed("--pack", tmp_path / "careful", inputs, "--eta", 0.2)["decision"]["eta"] == 0.2


def test_inputs_far_off_the_benchmark_are_warned_of(pack: Path, inputs: Path) -> None:
    far = run_command("route", "--pack", pack, "--json", stdin="Ode to a nightingale, in hexameters, about jazz")
    assert "warning: distance u = " in far.stderr
    assert "p is extrapolated" in far.stderr
    json.loads(far.stdout)
    assert "warning" not in run_command("route", "--pack", pack, inputs).stderr


def test_a_pack_without_calibration_pairs_is_warned_of(pack: Path, inputs: Path, tmp_path: Path) -> None:
    opened = open_pack(pack)
    none = replace(
        opened.calibration,
        **{one.name: getattr(opened.calibration, one.name)[:0] for one in fields(opened.calibration) if one.init},
    )
    save_pack(replace(opened, calibration=none), tmp_path / "alone")
    result = run_command("route", "--pack", tmp_path / "alone", inputs)
    assert result.exit_code == 0
    assert "warning: the pack has no calibration pairs" in result.stderr


def test_a_model_that_the_benchmark_is_silent_on_has_null_scores_and_a_dash(
    pack: Path, inputs: Path, tmp_path: Path
) -> None:
    opened = open_pack(pack)
    outcomes = opened.outcomes.copy()
    outcomes[:, opened.manifest.model_names.index("secret")] = np.nan
    save_pack(replace(opened, outcomes=outcomes), tmp_path / "silent")
    [row] = [row for row in routed("--pack", tmp_path / "silent", inputs)["scores"] if row["model"] == "secret"]
    assert (row["s1"], row["s2"], row["s3"], row["n"]) == (None, None, None, 0)
    [line] = [
        line
        for line in run_command("route", "--pack", tmp_path / "silent", inputs).stdout.splitlines()
        if line.startswith("secret ")
    ]
    assert line.split()[1:4] == ["–", "–", "–"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("--candidates", "calc,gpt"), "x", "--candidates: not in the pack: gpt; it contains "),
        (("--candidates", ","), "x", "no candidate left"),
        (("--max-params-b", "2"), "x", "no candidate of at most 2 B parameters left"),
        ((), "", "standard input contains no input"),
        ((), '{"text": "a"}\n{"txt": "b"}', "standard input line 2: expected a string"),
        (("nothing.txt",), None, "nothing.txt cannot be read"),
        (("--score", "s4"), "x", "'s4'"),
        (("--eta", "2"), "x", "--eta"),
    ],
)
def test_what_cannot_be_routed_is_the_callers_fault(
    arguments: tuple[str, ...], stdin: str | None, message: str, pack: Path
) -> None:
    result = run_command("route", "--pack", pack, *arguments, stdin=stdin)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_pack_of_another_embedder_is_refused(pack: Path, inputs: Path, tmp_path: Path) -> None:
    opened = open_pack(pack)
    other = replace(opened.manifest.embedder, revision="0ther")
    save_pack(replace(opened, manifest=replace(opened.manifest, embedder=other)), tmp_path / "other")
    result = run_command("route", "--pack", tmp_path / "other", inputs)
    assert result.exit_code == 1
    assert "(revision 0ther, 384 dimensions), but tasks are embedded with" in result.stderr
