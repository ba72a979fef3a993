"""lm-evaluation-harness with `--log_samples`: samples_TASK_DATE.jsonl next to results_DATE.json, a folder per model.

The model is `model_name` in the newest results file next to the log, else the folder's name with `__` for `/`. Of
several logs of one task in one folder the newest is used. A row, as a JSON line or as a row of parquet:

    {"doc_id": 0, "doc": {…}, "target": "…", "arguments": {"gen_args_0": {"arg_0": "prompt", "arg_1": " choice"}, …},
     "resps": [[["-1.2", "False"]], …], "filtered_resps": [["-1.2", "False"], …], "filter": "none",
     "metrics": ["acc"], "doc_hash": "…", "acc": 1.0, "acc_norm": 0.0}

Older logs have `arguments` as lists and numbers as numbers. A document occurs once for each filter.

The text is the document's question, not the prompt: the few-shot examples in a prompt are the same for a whole
dataset and would hide the differences between its inputs. Where no field of the document is known to be its question,
the text is the prompt.

Layout: EleutherAI/lm-evaluation-harness, `EvaluationTracker.save_results_samples`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.readers import collect_rejections, iter_json_rows, list_files, read_json, require_object
from routing.importing.record import (
    ImportedRecord,
    ImportOptions,
    ImportRemark,
    ImportSource,
    Item,
    first_present,
    parse_number,
    parse_text,
)

METRICS = (
    "exact_match",
    "acc",
    "acc_norm",
    "prompt_level_strict_acc",
    "pass@1",
    "pass_at_1",
    "mc2",
    "em",
    "f1",
)
"""Without --metric, the first of these in a log, else the first number that `metrics` names."""

CONTEXTS = ("narrative", "passage", "context", "story", "article", "premise", "sentence1", "support")
QUESTIONS = (
    "question",
    "Question",
    "query",
    "problem",
    "input",
    "prompt",
    "instruction",
    "goal",
    "hypothesis",
    "sentence2",
    "sentence",
    "ctx",
    "text",
)


@dataclass(slots=True)
class SampleLog:
    """State of one log; metric and filter are taken from its first row, unless they are requested.

    Attributes:
        task: name of the task.
        model: name of the model.
        metric: name of the score.
        filter: name of the answer filter.
        text_field: the document's field to use as text.
        question: requested metric, `NAME` or `NAME,FILTER`, as in the harness's own results.
    """

    task: str
    model: str
    metric: str | None = None
    filter: str | None = None
    text_field: str | None = None
    question: str | None = field(default=None)

    def __post_init__(self) -> None:
        if self.question:
            self.metric, _, wanted = self.question.partition(",")
            self.filter = wanted or None


def iter_items(row: Mapping[str, Any], where: str, log: SampleLog) -> Iterator[Item]:
    """Yield the row's record; before the first one, a remark on metric and filter. Raises InvalidRow."""
    chosen = log.metric is not None and log.filter is not None
    if log.metric is None:
        log.metric = _metric(row)
    if log.filter is None:
        log.filter = str(row.get("filter") or "none")
    if not chosen:
        suffix = "" if log.filter == "none" else f", filter {log.filter}"
        yield ImportRemark(f"{log.task}: the score is {log.metric}{suffix}")
    if str(row.get("filter") or "none") != log.filter:
        return
    doc_id = parse_text(row, "doc_id")
    words, whole_prompt = _text(row, log)
    if whole_prompt:
        yield ImportRemark(f"{log.task}: no known question field in its documents; the text is the whole prompt")
    yield ImportedRecord(
        where=where,
        dataset=log.task,
        input_id=f"{log.task}/{doc_id}",
        text=words,
        model=log.model,
        score=parse_number(row.get(log.metric), log.metric),
        loglik=_loglik(row),
        # Prompts of one document differ between models with a chat template; the document's hash does not.
        fingerprint=str(row.get("doc_hash") or "") if whole_prompt else "",
    )


def _metric(row: Mapping[str, Any]) -> str:
    named = row.get("metrics")
    candidates = [*METRICS, *(name for name in named if isinstance(name, str))] if isinstance(named, list) else METRICS
    # METRICS first: the order of `metrics` is the task's own.
    found = next((name for name in candidates if isinstance(row.get(name), bool | int | float)), None)
    if found is None:
        raise InvalidRow(f"no known metric among {', '.join(sorted(row))}; use --metric")
    return found


def _text(row: Mapping[str, Any], log: SampleLog) -> tuple[str, bool]:
    """Return the text, and True if it is the whole prompt."""
    doc = row.get("doc")
    if isinstance(doc, Mapping):
        if log.text_field:
            return parse_text(doc, log.text_field), False
        fields = {key: value for key, value in doc.items() if isinstance(value, str) and value.strip()}
        question = first_present(QUESTIONS, fields)
        if question is not None:
            context = first_present(CONTEXTS, fields)
            return (f"{fields[context]}\n{fields[question]}" if context else fields[question]), False
    # Several requests of one document share the prompt and differ in the continuation: the first is enough.
    for prompt, _ in _arguments(row):
        if isinstance(prompt, str):
            return prompt, True
    raise InvalidRow("neither a question in doc nor a prompt in arguments")


def _arguments(row: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Return (prompt, continuation or generation settings) of every request; empty for another layout."""
    given = row.get("arguments")
    if isinstance(given, Mapping):
        given = [
            [request.get("arg_0"), request.get("arg_1")] for request in given.values() if isinstance(request, Mapping)
        ]
    if not isinstance(given, list):
        return []
    return [(one[0], one[1]) for one in given if isinstance(one, list | tuple) and len(one) >= 2]


def _loglik(row: Mapping[str, Any]) -> float | None:
    """Return the log-probability of the choice that the model made, where every choice is one character.

    A log has the sum over a choice's tokens and not their number. One character is one token, so there, and only
    there, the sum is the mean per token.
    """
    answers, requests = row.get("filtered_resps"), _arguments(row)
    if not isinstance(answers, list) or len(answers) < 2 or len(answers) != len(requests):
        return None
    # Longer choices have an unknown number of tokens, so their sum has no mean.
    if not all(isinstance(choice, str) and len(choice.strip()) == 1 for _, choice in requests):
        return None
    try:
        sums = [parse_number(answer[0], "filtered_resps") for answer in answers]
    except (InvalidRow, TypeError, IndexError, KeyError):
        return None
    return max(sums) if max(sums) <= 0 else None


NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl?")

ModelOf = Callable[[Path], str]
"""From a log's path to its model's name."""


def read_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each task and model."""
    return latest_logs(path, list_files(path, "samples_*.jsonl", "samples_*.json"), options, model_of_folder)


def latest_logs(path: Path, logs: Sequence[Path], options: ImportOptions, model_of: ModelOf) -> list[ImportSource]:
    """Return the newest log of every task in every folder. model_of: a log's path to its model's name.

    Raises UnreadableFile where no file is named like a log.
    """
    latest: dict[tuple[Path, str], tuple[str, Path]] = {}
    older: dict[tuple[Path, str], int] = {}
    for log in logs:
        if match := NAME.fullmatch(log.name):
            key, date = (log.parent, match["task"]), match["date"] or ""
            older[key] = older.get(key, -1) + 1
            latest[key] = max(latest.get(key, ("", log)), (date, log))
    if not latest:
        raise UnreadableFile(path, "no log found (named samples_TASK_DATE.jsonl)")
    return [_source(log, task, older[folder, task], options, model_of) for (folder, task), (_, log) in latest.items()]


def _source(path: Path, task: str, older: int, options: ImportOptions, model_of: ModelOf) -> ImportSource:
    def items() -> Iterator[Item]:
        if older:
            yield ImportRemark(
                f"{path.name} is the newest log of its task; older ones in its folder were ignored: {older}"
            )
        log = SampleLog(task, model_of(path), text_field=options.columns.get("text"), question=options.metric)
        yield from collect_rejections(
            iter_json_rows(path),
            lambda row, where: iter_items(require_object(row), where, log),
        )

    return ImportSource(path, items)


def model_of_folder(log: Path) -> str:
    """Return the model's name in the newest results file next to a log, else its folder's name."""
    # Names contain the date, so the first in reverse order is the newest.
    for results in sorted(log.parent.glob("results_*.json"), reverse=True):
        name = read_json(results).get("model_name")
        if isinstance(name, str) and name.strip():
            return name
    return folder_name(log.parent)


def folder_name(folder: Path) -> str:
    """Return `org__model` as `org/model`."""
    return folder.resolve().name.replace("__", "/", 1)
