"""HELM's run folders."""

from pathlib import Path
from typing import Any

import pytest

from routing.importing.errors import UnreadableFile
from tests.routing.importing.conftest import Import, write_json


def stat(name: str, mean: float, split: str = "test") -> dict[str, Any]:
    return {"name": {"name": name, "split": split}, "count": 1, "sum": mean, "min": mean, "max": mean, "mean": mean}


def state(number: int, **others: Any) -> dict[str, Any]:
    instance = {"input": {"text": f"Question {number}?"}, "references": [], "split": "test", "id": f"id{number}"}
    instance |= others.pop("instance", {})
    tokens = [{"text": " B", "logprob": -0.5, "top_logprobs": {}}, {"text": ".", "logprob": -1.5, "top_logprobs": {}}]
    result = {"success": True, "completions": [{"text": " B.", "logprob": -2.0, "tokens": tokens}], "cached": True}
    request = {"model": "openai/davinci", "prompt": "…", "echo_prompt": False}
    whole = {"instance": instance, "train_trial_index": 0, "output_mapping": {"A": "x"}, "request": request}
    return whole | {"result": result, "num_train_instances": 5, "prompt_truncated": False} | others


def entry(number: int, *stats: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"instance_id": f"id{number}", "train_trial_index": 0, "stats": list(stats)} | others


def write_run(
    folder: Path, states: list[Any], entries: list[Any], model: str = "openai/davinci", scenario: str = "mmlu"
) -> Path:
    spec = {
        "name": f"{scenario}:subject=anatomy,method=multiple_choice_joint,model={model.replace('/', '_')}",
        "scenario_spec": {"class_name": "helm.scenarios.MMLUScenario", "args": {"subject": "anatomy"}},
        "adapter_spec": {"method": "multiple_choice_joint", "model": model, "num_train_trials": 1},
        "metric_specs": [],
        "groups": [scenario],
    }
    write_json(folder / "run_spec.json", spec)
    write_json(folder / "scenario.json", {"name": scenario, "description": "…", "tags": []})
    write_json(folder / "scenario_state.json", {"adapter_spec": spec["adapter_spec"], "request_states": states})
    write_json(folder / "per_instance_stats.json", entries)
    return folder


PERTURBED = {"perturbation": {"name": "typos", "robustness": True}}


def test_a_suite_of_runs_is_one_benchmark(tmp_path: Path, bring: Import) -> None:
    entries = [entry(1, stat("num_bytes", 7)), entry(1, stat("exact_match", 1.0)), entry(2, stat("exact_match", 0.0))]
    write_run(tmp_path / "suite" / "a", [state(1), state(2)], entries)
    write_run(tmp_path / "suite" / "b", [state(1)], entries, "meta/llama")
    got = bring("helm", tmp_path / "suite")
    assert got.inputs == [
        ("mmlu:subject=anatomy/id1", "mmlu:subject=anatomy", "Question 1?"),
        ("mmlu:subject=anatomy/id2", "mmlu:subject=anatomy", "Question 2?"),
    ]
    assert got.outcomes == {
        ("mmlu:subject=anatomy/id1", "openai/davinci"): 1.0,
        ("mmlu:subject=anatomy/id2", "openai/davinci"): 0.0,
        ("mmlu:subject=anatomy/id1", "meta/llama"): 1.0,
    }
    assert set(got.logliks.values()) == {-1.0}
    assert got.summary.warnings == ("mmlu:subject=anatomy: the score is exact_match, on split test",)


def test_perturbed_inputs_other_splits_and_later_trials_are_left_aside(tmp_path: Path, bring: Import) -> None:
    states = [
        state(1),
        state(1, instance=PERTURBED),
        state(2, instance={"split": "train"}),
        state(1, train_trial_index=1),
    ]
    entries = [
        entry(1, stat("exact_match", 1.0)),
        entry(1, stat("exact_match", 0.0), **PERTURBED),
        entry(1, stat("exact_match", 0.0), train_trial_index=1),
        entry(3, stat("exact_match", 1.0, "valid")),
    ]
    got = bring("helm", write_run(tmp_path / "run", states, entries))
    assert list(got.outcomes.values()) == [1.0]
    assert got.refused == []


def test_a_run_without_a_test_split_gives_its_valid_split(tmp_path: Path, bring: Import) -> None:
    run = write_run(
        tmp_path / "run", [state(1, instance={"split": "valid"})], [entry(1, stat("quasi_exact_match", 1.0, "valid"))]
    )
    assert bring("helm", run).summary.warnings == (
        "mmlu:subject=anatomy: the score is quasi_exact_match, on split valid",
    )


def test_another_metric_may_be_asked_for(tmp_path: Path, bring: Import) -> None:
    run = write_run(tmp_path / "run", [state(1)], [entry(1, stat("exact_match", 0.0), stat("rouge_2", 0.25))])
    assert list(bring("helm", run, metric="rouge_2").outcomes.values()) == [0.25]
    with pytest.raises(
        UnreadableFile, match=r"no bleu_4 on split test or valid; values for --metric: exact_match, rouge_2"
    ):
        bring("helm", run, metric="bleu_4")


def test_one_request_a_reference_is_one_outcome_without_log_probability(tmp_path: Path, bring: Import) -> None:
    run = write_run(
        tmp_path / "run",
        [state(1, reference_index=0), state(1, reference_index=1), state(2, request={"echo_prompt": True})],
        [entry(1, stat("exact_match", 1.0)), entry(2, stat("exact_match", 1.0))],
    )
    got = bring("helm", run)
    assert len(got.outcomes) == 2
    assert got.logliks == {}


def test_bad_records_are_refused_by_their_place(tmp_path: Path, bring: Import) -> None:
    states = [state(1), state(2), "nonsense", state(3, instance={"input": {}}), state(4, result=None)]
    entries = [entry(n, stat("exact_match", 1.0)) for n in (1, 3, 4)] + ["nonsense", {"stats": [3, {"name": 4}]}]
    got = bring("helm", write_run(tmp_path / "run", states, entries))
    assert got.refused == [
        "run/scenario_state.json record 2: instance id2 has no exact_match in per_instance_stats.json",
        "run/scenario_state.json record 3: expected an object, found str",
        "run/scenario_state.json record 4: text is missing",
    ]
    assert len(got.outcomes) == 2
    assert len(got.logliks) == 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: (run / "run_spec.json").write_text("{}"), "not a run specification: name is missing"),
        (lambda run: (run / "run_spec.json").write_text("[]"), "expected an object"),
        (lambda run: (run / "scenario_state.json").write_text("{}"), "no 'request_states'"),
        (lambda run: (run / "per_instance_stats.json").unlink(), "No such file"),
        (lambda run: (run / "run_spec.json").unlink(), "no file in it matches run_spec.json"),
    ],
)
def test_an_unusable_run_is_unreadable(tmp_path: Path, bring: Import, spoil: Any, told: str) -> None:
    run = write_run(tmp_path / "run", [state(1)], [entry(1, stat("exact_match", 1.0))])
    spoil(run)
    with pytest.raises(UnreadableFile, match=told):
        bring("helm", run)


def test_a_file_is_no_run(tmp_path: Path, bring: Import) -> None:
    with pytest.raises(UnreadableFile, match=r"no run folder found .a folder with run_spec\.json"):
        bring("helm", write_json(tmp_path / "other.json", {}))
