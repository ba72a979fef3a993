"""The public pack: sources read and composed, and the gain on held-out sources, on small made-up sources."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.public_pack.compose import compose_sources
from benchmarks.public_pack.sources import ReadSource, Source, list_sources, read_source, regroup, resolve_name
from benchmarks.public_pack.tables import gain_table
from benchmarks.public_pack.worth import Team, judge_team, list_teams, mean_gain
from routing.benchmark import Dataset, Model
from routing.catalogue.model_ids import read_model_ids
from routing.tidy import write_benchmark

IDS = read_model_ids()
N = 30


def source(name: str, **members: Any) -> Source:
    about: dict[str, Any] = {"folder": name, "limit": N, "title": name, "url": "https://example.org", "commit": ""}
    terms = {"paper": "", "licence": "CC0-1.0", "credit": "x", "measured": "2026-01"}
    return Source(name, **{**about, **terms, **members})


def write_source(root: Path, name: str, datasets: Mapping[str, Mapping[str, float]]) -> None:
    """Write a source. datasets: name to model to accuracy."""
    random = np.random.default_rng(len(name))
    inputs, outcomes = [], []
    for dataset, models in datasets.items():
        for number in range(N):
            inputs.append((f"{dataset}-{number}", dataset, f"{dataset} question {number}"))
            outcomes += [(f"{dataset}-{number}", model, float(random.random() < p)) for model, p in models.items()]
    every = dict.fromkeys(model for models in datasets.values() for model in models)
    write_benchmark(root / name, inputs, outcomes, [Model(m) for m in every], [Dataset(name) for name in datasets])


def test_versions_have_columns_of_their_own_with_the_outcomes_of_others_where_they_lack_some(tmp_path: Path) -> None:
    write_source(tmp_path, "one", {"a": {"gpt-4o": 1.0, "o3": 0.0}})
    write_source(tmp_path, "two", {"b": {"gpt-4o-2024-05-13": 0.0, "gpt-4o-2024-11-20": 1.0, "mystery": 1.0}})
    read = [read_source(source(name), tmp_path, IDS) for name in ("one", "two")]
    composed = compose_sources("both", read, 0.0)
    assert {column.name: dict(column.origins) for column in composed.columns} == {
        "gpt-4o-2024-05-13": {"one": "gpt-4o", "two": "gpt-4o-2024-05-13"},
        "gpt-4o-2024-11-20": {"one": "gpt-4o", "two": "gpt-4o-2024-11-20"},
        "o3": {"one": "o3"},
    }
    averages = composed.benchmark.dataset_averages()
    np.testing.assert_array_equal(averages, [[1, 1, 0], [0, 1, np.nan]])
    assert [dataset.source for dataset in composed.benchmark.datasets] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("qwq-32b-think", "qwq-32b"),
        ("claude-sonnet-4-think", "claude-sonnet-4-think"),
        ("llama3.1_70b", "llama-3.1-70b-instruct"),
        ("odd", "o3"),
        ("gone", None),
        ("nobody-knows", None),
    ],
)
def test_names_of_a_source(name: str, model: str | None) -> None:
    found = resolve_name(source("s", leave_out=["gone"], names={"odd": "o3"}), name, IDS)
    assert (found.model if found else None) == model


def test_groups_join_datasets_and_keep_the_hard_apart(tmp_path: Path) -> None:
    write_source(tmp_path, "one", {"x": {"o3": 1.0}, "y": {"o3": 0.0}, "x-hard": {"o3": 0.0}})
    read = read_source(source("one", limit=1000, groups={"g": ["x", "y"]}), tmp_path, IDS)
    assert [dataset.name for dataset in read.benchmark.datasets] == ["g", "g-hard"]
    np.testing.assert_array_equal(read.benchmark.dataset_sizes(), [2 * N, N])
    with pytest.raises(ValueError, match="dataset y is in no group"):
        regroup(read_source(source("one"), tmp_path, IDS).benchmark, {"g": ["x"]})


def test_the_lists_name_what_exists() -> None:
    names = {about.name for about in list_sources()}
    assert names == {"ikp", "textclass", "reasoning_gym", "mmlu_pro"}
    teams = list_teams()
    assert all(IDS.resolve(model).is_listed for team in teams for model in team.models)


def composed_sources(tmp_path: Path, good: Sequence[str]) -> list[ReadSource]:
    for number, best in enumerate(good):
        accuracies = {model: 0.9 if model == best else 0.3 for model in ("o3", "gpt-4o")}
        write_source(tmp_path, f"s{number}", {f"d{number}{letter}": accuracies for letter in "ab"})
    return [read_source(source(f"s{number}"), tmp_path, IDS) for number in range(len(good))]


def test_a_held_out_source_teaches_nothing_about_itself(tmp_path: Path) -> None:
    """One source favours the other model: its datasets lose by the rest's best on average, and may not know better."""
    read = composed_sources(tmp_path, ["o3", "o3", "gpt-4o"])
    benchmark = compose_sources("all", read, 0.0).benchmark
    vectors = np.random.default_rng(0).normal(size=(benchmark.n_inputs, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    team = Team("t", "Two", {"gpt-4o": [2, 8], "o3": [1, 4]})
    judged = list(judge_team(team, benchmark, vectors))
    assert [one.dataset for one in judged] == ["d0a", "d0b", "d1a", "d1b", "d2a", "d2b"]
    odd = [one for one in judged if one.source == "s2"]
    assert all(one.accuracy["average"] < one.accuracy["first"] == one.accuracy["best"] for one in odd)
    assert all(one.accuracy["auto"] <= one.accuracy["average"] for one in odd)
    mean, low, high = mean_gain(judged, "average", "first")
    assert low <= mean <= high
    table = gain_table([(team, judged)])
    assert table.count("\n") == 3
    assert f"{mean:+.1f}"[0] in "+-"
