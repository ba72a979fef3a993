"""HELM run folders: run_spec.json, scenario_state.json and per_instance_stats.json of one model on one scenario.

| tidy format | HELM |
|---|---|
| dataset | the run's name before the colon, and the scenario's arguments: `mmlu:subject=anatomy` |
| input_id, text | `instance.id`, `instance.input.text` |
| model | `adapter_spec.model` |
| score | the mean of one metric in per_instance_stats.json |
| loglik | mean over `result.completions[0].tokens[].logprob` |

Imported: inputs without perturbation, of the split `test` (of `valid`, in a run that has no `test`: HELM itself
reports BoolQ or HellaSwag on it), of the first train trial. One instance may have several entries in
per_instance_stats.json, one for each class of metrics. Layout: stanford-crfm/helm, `RunSpec`, `ScenarioState`,
`PerInstanceStats`, `Stat`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.readers import collect_rejections, iter_json_elements, list_files, read_json, require_object
from routing.importing.record import (
    ImportedRecord,
    ImportOptions,
    ImportRemark,
    ImportSource,
    Item,
    mean_logprob,
    parse_number,
    parse_text,
)

METRICS = (
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "exact_match_indicator",
    "final_number_exact_match",
    "math_equiv_chain_of_thought",
    "math_equiv",
    "chain_of_thought_correctness",
    "ifeval_strict_accuracy",
    "f1_score",
    "rouge_l",
)
"""Without --metric, the first of these that a run has."""

SPLITS = ("test", "valid")


@dataclass(frozen=True, slots=True)
class _Run:
    dataset: str
    model: str
    metric: str
    split: str
    scores: Mapping[str, object]


def read_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each run folder at or under the path."""
    runs = [spec.parent for spec in list_files(path, "run_spec.json") if spec.name == "run_spec.json"]
    if not runs:
        raise UnreadableFile(path, "no run folder found (a folder with run_spec.json)")
    return [_source(run, options) for run in runs]


def _source(run: Path, options: ImportOptions) -> ImportSource:
    return ImportSource(run, lambda: _items(run, options))


def _items(folder: Path, options: ImportOptions) -> Iterator[Item]:
    run = _run(folder, options)
    yield ImportRemark(f"{run.dataset}: the score is {run.metric}, on split {run.split}")
    states = iter_json_elements(folder / "scenario_state.json", "request_states")
    given: set[str] = set()
    yield from collect_rejections(
        ((f"{folder.name}/{where}", state) for where, state in states),
        lambda state, where: _records(state, where, run, given),
    )


def _run(folder: Path, options: ImportOptions) -> _Run:
    """Read run_spec.json and per_instance_stats.json. Raises UnreadableFile."""
    spec_path = folder / "run_spec.json"
    spec = read_json(spec_path)
    try:
        name = parse_text(spec, "name")
        model = parse_text(require_object(spec.get("adapter_spec")), "model")
        arguments = require_object(require_object(spec.get("scenario_spec")).get("args") or {})
    except InvalidRow as error:
        raise UnreadableFile(spec_path, f"not a run specification: {error}") from error
    suffix = ",".join(
        f"{key}={value}" for key, value in sorted(arguments.items()) if isinstance(value, str | int | float)
    )
    scenario = name.partition(":")[0]
    metric, split, scores = _scores(folder, options.metric)
    return _Run(f"{scenario}:{suffix}" if suffix else scenario, model, metric, split, scores)


def _scores(folder: Path, requested: str | None) -> tuple[str, str, Mapping[str, object]]:
    """Return (metric, split, instance id to score). Raises UnreadableFile where the run has no such metric."""
    path = folder / "per_instance_stats.json"
    known = (requested,) if requested else METRICS
    found: dict[tuple[str, str], dict[str, object]] = {}
    seen: set[str] = set()
    for _, entry in iter_json_elements(path):
        # Perturbed copies and further train trials repeat the same instances with other prompts.
        if not isinstance(entry, dict) or entry.get("perturbation") or entry.get("train_trial_index", 0) != 0:
            continue
        stats = entry.get("stats")
        for stat in stats if isinstance(stats, list) else []:
            name, split = _metric_and_split(stat)
            seen.add(name)
            if name in known:
                found.setdefault((name, split), {})[str(entry.get("instance_id"))] = stat.get("mean")
    # Split before metric: a preferred metric on the validation split must not replace another one on the test split.
    for split in SPLITS:
        for metric in known:
            if (metric, split) in found:
                return metric, split, found[metric, split]
    raise UnreadableFile(path, f"no {' or '.join(known)} on split test or valid; values for --metric: {_list(seen)}")


def _metric_and_split(stat: object) -> tuple[str, str]:
    name = stat.get("name") if isinstance(stat, dict) else None
    if not isinstance(name, dict) or name.get("perturbation"):
        return "", ""
    return str(name.get("name", "")), str(name.get("split", ""))


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names - {""})[:20]) or "none, it has no statistics"


def _records(state: object, where: str, run: _Run, given: set[str]) -> Iterator[ImportedRecord]:
    state = require_object(state)
    instance = require_object(state.get("instance"))
    if instance.get("perturbation") or instance.get("split") != run.split or state.get("train_trial_index", 0) != 0:
        return
    instance_id = parse_text(instance, "id")
    # One request for each reference: the same instance appears several times.
    if instance_id in given:
        return
    if instance_id not in run.scores:
        raise InvalidRow(f"instance {instance_id} has no {run.metric} in per_instance_stats.json")
    given.add(instance_id)
    yield ImportedRecord(
        where=where,
        dataset=run.dataset,
        input_id=f"{run.dataset}/{instance_id}",
        text=parse_text(require_object(instance.get("input")), "text"),
        model=run.model,
        score=parse_number(run.scores[instance_id], run.metric),
        loglik=_loglik(state),
    )


def _loglik(state: Mapping[str, Any]) -> float | None:
    """Return the completion's mean log-probability; None where the request scored a reference, or echoed its prompt."""
    try:
        if state.get("reference_index") is not None or state["request"].get("echo_prompt"):
            return None
        return mean_logprob(token["logprob"] for token in state["result"]["completions"][0]["tokens"])
    except (AttributeError, IndexError, KeyError, TypeError):
        # A failed request has no result, at any depth of the object.
        return None
