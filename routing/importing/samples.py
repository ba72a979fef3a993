"""One row of an lm-evaluation-harness sample log, as a JSON line or as a row of parquet.

    {"doc_id": 0, "doc": {…}, "target": "…", "arguments": {"gen_args_0": {"arg_0": "prompt", "arg_1": " choice"}, …},
     "resps": [[["-1.2", "False"]], …], "filtered_resps": [["-1.2", "False"], …], "filter": "none",
     "metrics": ["acc"], "doc_hash": "…", "acc": 1.0, "acc_norm": 0.0}

Older logs have `arguments` as lists and numbers as numbers. A document comes once for each filter.

The text is the document's question, not the prompt: few-shot examples before it are the same for a whole dataset and
would hide what tells its inputs apart. Where no field of the document is known to be its question, it is the prompt.

Layout: EleutherAI/lm-evaluation-harness, `EvaluationTracker.save_results_samples`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.importing.errors import InvalidRow
from routing.importing.fields import first_present, parse_number, parse_text
from routing.importing.record import ImportedRecord, ImportRemark, Item

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
"""Without --metric, a log's first of these, else the first number that `metrics` names."""

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
    """What is known of one log; metric and filter are settled by its first row, unless they are asked for.

    metric: `NAME` or `NAME,FILTER`, as in the harness's own results. text_field: the document's field to take.
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
    """The row's record; before the first one, what was chosen. Raises InvalidRow."""
    chosen = log.metric is not None and log.filter is not None
    if log.metric is None:
        log.metric = _metric(row)
    if log.filter is None:
        log.filter = str(row.get("filter") or "none")
    if not chosen:
        beside = "" if log.filter == "none" else f", filter {log.filter}"
        yield ImportRemark(f"{log.task}: the score is {log.metric}{beside}")
    if str(row.get("filter") or "none") != log.filter:
        return
    doc_id = parse_text(row, "doc_id")
    words, whole_prompt = _text(row, log)
    if whole_prompt:
        yield ImportRemark(
            f"{log.task}: no field of its documents is known as the question; the text is the whole prompt"
        )
    yield ImportedRecord(
        where=where,
        dataset=log.task,
        input_id=f"{log.task}/{doc_id}",
        text=words,
        model=log.model,
        score=parse_number(row.get(log.metric), log.metric),
        loglik=_loglik(row),
        fingerprint=str(row.get("doc_hash") or "") if whole_prompt else "",
    )


def _metric(row: Mapping[str, Any]) -> str:
    named = row.get("metrics")
    candidates = [*METRICS, *(name for name in named if isinstance(name, str))] if isinstance(named, list) else METRICS
    found = next((name for name in candidates if isinstance(row.get(name), bool | int | float)), None)
    if found is None:
        raise InvalidRow(f"no metric known here among {', '.join(sorted(row))}; name it with --metric")
    return found


def _text(row: Mapping[str, Any], log: SampleLog) -> tuple[str, bool]:
    """The text, and whether it is the whole prompt."""
    doc = row.get("doc")
    if isinstance(doc, Mapping):
        if log.text_field:
            return parse_text(doc, log.text_field), False
        said = {key: value for key, value in doc.items() if isinstance(value, str) and value.strip()}
        question = first_present(QUESTIONS, said)
        if question is not None:
            context = first_present(CONTEXTS, said)
            return (f"{said[context]}\n{said[question]}" if context else said[question]), False
    for prompt, _ in _arguments(row):
        if isinstance(prompt, str):
            return prompt, True
    raise InvalidRow("neither a question in doc nor a prompt in arguments")


def _arguments(row: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """(prompt, continuation or generation settings) of every request; none where they are laid out otherwise."""
    given = row.get("arguments")
    if isinstance(given, Mapping):
        given = [
            [request.get("arg_0"), request.get("arg_1")] for request in given.values() if isinstance(request, Mapping)
        ]
    if not isinstance(given, list):
        return []
    return [(one[0], one[1]) for one in given if isinstance(one, list | tuple) and len(one) >= 2]


def _loglik(row: Mapping[str, Any]) -> float | None:
    """The log-probability of the choice that the model took, where every choice is one character.

    A log holds the sum over a choice's tokens and not their number. One character is one token, so there, and only
    there, the sum is the mean a token.
    """
    answers, requests = row.get("filtered_resps"), _arguments(row)
    if not isinstance(answers, list) or len(answers) < 2 or len(answers) != len(requests):
        return None
    if not all(isinstance(choice, str) and len(choice.strip()) == 1 for _, choice in requests):
        return None
    try:
        sums = [parse_number(answer[0], "filtered_resps") for answer in answers]
    except (InvalidRow, TypeError, IndexError, KeyError):
        return None
    return max(sums) if max(sums) <= 0 else None
