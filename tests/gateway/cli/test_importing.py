"""`benchroute import`, seen from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.import_results import FormatName
from routing.importing.formats import FORMATS, TABLE_COLUMNS
from routing.importing.tables import FIELDS
from routing.tidy import read_benchmark
from tests.gateway.cli.conftest import run_command


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text("task,q,small,large\nsums,What is 1+1?,1,1\nsums,What is 2+2?,,1\nrivers,Longest?,0,many\n")
    return path


WIDE = ("--map", "text=q, dataset=task", "--models", "small,large")


def test_the_formats_are_the_librarys() -> None:
    assert [str(name) for name in FormatName] == ["auto", *FORMATS]
    assert TABLE_COLUMNS == FIELDS


def test_an_import_says_what_came_of_it(scores: Path, tmp_path: Path) -> None:
    result = run_command("import", "csv", scores, "-o", tmp_path / "b", *WIDE, "--threshold", 0.25)
    assert result.exit_code == 0, result.stderr
    assert "3 inputs, 2 datasets, 2 models, 4 outcomes, 0 with a log-probability" in result.stdout
    assert "66.7%" in result.stdout
    assert (
        "1 invalid rows skipped:\n  scores.csv row 3: score of large 'many' is not a number: use --labels many=SCORE\n"
        in result.stderr
    )
    read = read_benchmark(tmp_path / "b")
    assert read.model_names == ("small", "large")
    assert {dataset.threshold for dataset in read.datasets} == {0.25}


def test_auto_takes_the_format_that_the_files_have(scores: Path, tmp_path: Path) -> None:
    result = run_command("import", "auto", scores, "-o", tmp_path / "b", *WIDE)
    assert result.exit_code == 0, result.stderr
    assert "auto: csv" in result.stderr
    result = run_command("import", "auto", scores, "-o", tmp_path / "c", "--metric", "acc")
    assert result.exit_code == 2
    assert "--metric does not apply to format csv" in result.stderr


@pytest.mark.parametrize("given", [("a", "b"), ("x=a", "x=b"), ("=a",), ("x=",), ("",)])
def test_a_metric_is_given_once(scores: Path, tmp_path: Path, given: tuple[str, ...]) -> None:
    options = [word for one in given for word in ("--metric", one)]
    result = run_command("import", "helm", scores, "-o", tmp_path / "b", *options)
    assert result.exit_code == 2
    assert "expected NAME once, or SCENARIO=NAME once for each scenario" in result.stderr


@pytest.mark.parametrize(
    ("option", "accepting"),
    [
        (("--metric", "x=y"), "helm, lm-eval, open-llm-leaderboard"),
        (("--scorer", "x"), "inspect"),
        (("--filter", "x"), "lm-eval, open-llm-leaderboard"),
        (("--include-failed",), "inspect"),
    ],
)
def test_an_option_of_another_format_is_rejected(
    scores: Path, tmp_path: Path, option: tuple[str, ...], accepting: str
) -> None:
    result = run_command("import", "csv", scores, "-o", tmp_path / "b", *option)
    assert result.exit_code == 2
    assert f"does not apply to format csv, only to {accepting}" in " ".join(result.stderr.split())


def test_the_wrong_format_is_told_which_is_right(scores: Path, tmp_path: Path) -> None:
    result = run_command("import", "helm", scores.parent, "-o", tmp_path / "b")
    assert result.exit_code == 2
    assert "this looks like csv (*.csv: " in result.stderr
    assert "use `benchroute import csv`" in result.stderr
    assert not (tmp_path / "b").exists()


def test_a_limit_keeps_as_many_inputs_of_each_dataset_and_says_so(scores: Path, tmp_path: Path) -> None:
    result = run_command("import", "csv", scores, "-o", tmp_path / "b", *WIDE, "--limit", 1)
    assert result.exit_code == 0, result.stderr
    assert "limit 1: 2 of 3 inputs, at most 1 of each of 2 datasets" in result.stderr
    assert "2 inputs, 2 datasets" in result.stdout
    assert read_benchmark(tmp_path / "b").n_inputs == 2


def test_a_long_list_of_refusals_is_cut(tmp_path: Path) -> None:
    rows = [{"dataset": "d", "text": f"t{n}", "model": "m", "score": 1 if n == 0 else "x"} for n in range(31)]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run_command("import", "jsonl", path, "-o", tmp_path / "b")
    assert "30 invalid rows skipped:" in result.stderr
    assert "s.jsonl line 21: " in result.stderr
    assert "s.jsonl line 22: " not in result.stderr
    assert "  … and 10 more\n" in result.stderr


def test_a_long_list_of_files_left_out_is_in_the_report(scores: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    scores.rename(folder / "scores.csv")
    for number in range(8):
        (folder / f"empty{number}.csv").write_text("")
    result = run_command("import", "csv", folder, "-o", tmp_path / "b", *WIDE, "--keep-going")
    assert result.exit_code == 0, result.stderr
    assert "8 files skipped:" in result.stderr
    assert "empty4.csv: " in result.stderr
    assert "empty5.csv" not in result.stderr
    assert f"  … and 3 more, in {tmp_path}/b/import-report.json\n" in result.stderr
    assert len(json.loads((tmp_path / "b" / "import-report.json").read_text())["left_out"]) == 8


def test_files_left_out_are_told(scores: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    scores.rename(folder / "scores.csv")
    (folder / "other.csv").write_text("")
    result = run_command("import", "csv", folder, "-o", tmp_path / "b", *WIDE)
    assert result.exit_code == 2
    assert not (tmp_path / "b").exists()
    result = run_command("import", "csv", folder, "-o", tmp_path / "b", *WIDE, "--keep-going")
    assert result.exit_code == 0
    assert "1 files skipped:\n" in result.stderr
    assert "other.csv: the first line is not a header" in result.stderr


def test_a_benchmark_is_replaced_only_with_force(scores: Path, tmp_path: Path) -> None:
    command = ("import", "csv", scores, "-o", tmp_path / "b", *WIDE)
    assert run_command(*command).exit_code == 0
    refused = run_command(*command)
    assert (refused.exit_code, "use --force to replace it" in refused.stderr) == (2, True)
    assert run_command(*command, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("format_", "options", "told"),
    [
        ("csv", ("--metric", "acc"), "--metric does not apply to format csv"),
        ("inspect", ("--dataset", "d"), "--dataset does not apply to format inspect"),
        ("routerbench", ("--map", "text=q"), "--map does not apply to format routerbench"),
        ("csv", ("--map", "text"), "--map text: expected FIELD=COLUMN pairs"),
        ("csv", ("--map", "words=q"), "each field once, of input_id, dataset, text"),
        ("csv", ("--map", "text=q,text=r"), "each field once"),
        ("lm-eval", ("--map", "score=acc"), "each field once, of text"),
        ("csv", ("--models", "a,,b"), "--models a,,b: expected different names"),
        ("csv", ("--models", "a,a"), "expected different names"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    scores: Path, tmp_path: Path, format_: str, options: tuple[str, ...], told: str
) -> None:
    result = run_command("import", format_, scores, "-o", tmp_path / "b", *options)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "b").exists()


def test_help_and_the_library_without_a_format_load_nothing_heavy() -> None:
    code = """
import sys
import routing.importing.formats
from gateway.cli.app import app
app(["import", "--help"], standalone_mode=False)
print("loaded:", [name for name in ("numpy", "torch", "pyarrow", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


def test_the_command_is_explained() -> None:
    result = run_command("import", "--help")
    assert result.exit_code == 0
    for name in ("--metric", "--threshold", "--dataset", "--map", "--models", "--force", "--keep-going"):
        assert name in result.stdout


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text("text,model,score\n" + "".join(f"Question {n}?,m,{1 + n % 10}\n" for n in range(40)))
    return path


def test_ratings_are_refused_until_their_range_is_given(ratings: Path, tmp_path: Path) -> None:
    command = ("import", "csv", ratings, "-o", tmp_path / "b", "--dataset", "d")
    refused = run_command(*command)
    assert refused.exit_code == 2
    assert "36 of 40 scores are outside [0, 1]" in refused.stderr
    assert "ratings from 1 to 10: use --score-range 1,10" in refused.stderr
    assert not (tmp_path / "b").exists()
    assert run_command(*command, "--keep-going").exit_code == 2
    assert run_command(*command, "--score-range", "1,10", "--threshold", 7).exit_code == 0
    read = read_benchmark(tmp_path / "b")
    assert read.outcomes.mean() == pytest.approx(0.5)
    correct = (read.outcomes[:, 0] > read.datasets[0].threshold).sum()
    assert correct == 12  # the ratings 8, 9 and 10, four of each


def test_percentages_have_a_scale(ratings: Path, tmp_path: Path) -> None:
    options = ("--dataset", "d", "--scale", "percent", "--threshold", 5)
    assert run_command("import", "csv", ratings, "-o", tmp_path / "b", *options).exit_code == 0
    read = read_benchmark(tmp_path / "b")
    assert (read.outcomes.max(), read.datasets[0].threshold) == (0.1, 0.05)


def test_a_lower_score_may_be_better_and_a_range_negative(ratings: Path, tmp_path: Path) -> None:
    options = ("--dataset", "d", "--score-range", "-10,10", "--lower-is-better")
    assert run_command("import", "csv", ratings, "-o", tmp_path / "b", *options).exit_code == 0
    assert (read_benchmark(tmp_path / "b").outcomes.max(), read_benchmark(tmp_path / "b").outcomes.min()) == (0.45, 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--score-range", "1"), "--score-range 1: expected two numbers, as 1,10"),
        (("--score-range", "1,x"), "expected two numbers"),
        (("--score-range", "5,1"), "--score-range 5,1: expected two finite numbers, the smaller one first"),
        (("--score-range", "0,inf"), "expected two finite numbers"),
        (("--score-range", "0,5", "--scale", "percent"), "--score-range and --scale: give one of them"),
        (("--threshold", "7"), "--threshold 7 is outside [0, 1]"),
        (("--score-range", "1,10", "--threshold", "0.5"), "--threshold 0.5 is outside [1, 10]"),
        (("--labels", "good"), "--labels good: expected LABEL=SCORE pairs"),
        (("--labels", "good=1,Good=0"), "each label once"),
        (("--labels", "good=nan"), "expected LABEL=SCORE pairs"),
        (("--choices", "a,a"), "--choices a,a: expected different names"),
        (("--from-name", "{x}.csv"), "only {dataset} and {model}"),
        (("--from-name", "{dataset}.csv"), "--dataset and --from-name both give the dataset"),
        (("--model", "m", "--map", "model=llm"), "--model and --map both give the model"),
        (("--records", "results"), "--records does not apply to format csv, only to json"),
        (("--rename", "none.csv"), "none.csv"),
        (("--correct", "gold", "--scale", "percent"), "--correct gives scores of 0 and 1"),
        (("--correct", "gold", "--labels", "a=1"), "it takes no scale and no labels"),
        (("--models", "score", "--model", "m"), "--models names the models"),
        (("--models", "score", "--map", "model=llm"), "--models names the models"),
    ],
)
def test_values_that_cannot_be_are_refused(ratings: Path, tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    result = run_command("import", "csv", ratings, "-o", tmp_path / "b", "--dataset", "d", *options)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "b").exists()


def test_answers_labels_and_names_in_one_import(tmp_path: Path) -> None:
    for model in ("gpt4", "small"):
        path = tmp_path / "f" / model / "colours.json"
        path.parent.mkdir(parents=True)
        rows = [{"q": "Sky?", "opts": ["red", "blue"], "said": "B. blue" if model == "gpt4" else "A", "gold": "B"}]
        path.write_text(json.dumps({"results": rows}))
    (tmp_path / "names.yaml").write_text("gpt4: gpt-4\n")
    options = ("--records", "results", "--from-name", "{model}/{dataset}.json", "--map", "text=q,answer=said")
    result = run_command(
        "import", "json", tmp_path / "f", "-o", tmp_path / "b", *options,
        "--correct", "gold", "--choices", "opts", "--rename", tmp_path / "names.yaml",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    read = read_benchmark(tmp_path / "b")
    assert (read.model_names, read.texts) == (("gpt-4", "small"), ("Sky?\nA. red\nB. blue",))
    assert read.outcomes.tolist() == [[1.0, 0.0]]
