"""lm-evaluation-harness with `--log_samples`: samples_TASK_DATE.jsonl beside results_DATE.json, a folder a model.

The model is `model_name` in the newest results file beside the log, else the folder's name with `__` for `/`. Of
several logs of one task in one folder the newest counts. See routing.importing.samples for a row.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from routing.importing.errors import UnreadableError
from routing.importing.readers import an_object, files, json_rows, read_json, refusing
from routing.importing.record import Item, Options, Remark, Source
from routing.importing.samples import Log, items_of

NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl?")

ModelOf = Callable[[Path], str]
"""From a log's path to its model's name."""


def sources(path: Path, options: Options) -> list[Source]:
    """One source for each task and model."""
    return newest(path, files(path, "samples_*.jsonl", "samples_*.json"), options, model_beside)


def newest(path: Path, logs: Sequence[Path], options: Options, model_of: ModelOf) -> list[Source]:
    """The newest log of every task in every folder. model_of: a log's path to its model's name.

    Raises UnreadableError where no file is named like a log.
    """
    latest: dict[tuple[Path, str], tuple[str, Path]] = {}
    older: dict[tuple[Path, str], int] = {}
    for log in logs:
        if match := NAME.fullmatch(log.name):
            key, date = (log.parent, match["task"]), match["date"] or ""
            older[key] = older.get(key, -1) + 1
            latest[key] = max(latest.get(key, ("", log)), (date, log))
    if not latest:
        raise UnreadableError(path, "a log is named samples_TASK_DATE.jsonl")
    return [_source(log, task, older[folder, task], options, model_of) for (folder, task), (_, log) in latest.items()]


def _source(path: Path, task: str, older: int, options: Options, model_of: ModelOf) -> Source:
    def items() -> Iterator[Item]:
        if older:
            yield Remark(
                f"{path.name} is the newest log of its task; older ones in its folder are passed over: {older}"
            )
        log = Log(task, model_of(path), text_field=options.columns.get("text"), asked=options.metric)
        yield from refusing(
            json_rows(path),
            lambda row, where: items_of(an_object(row), where, log),
        )

    return Source(path, items)


def model_beside(log: Path) -> str:
    """The model's name in the newest results file beside a log, else its folder's name."""
    for results in sorted(log.parent.glob("results_*.json"), reverse=True):
        name = read_json(results).get("model_name")
        if isinstance(name, str) and name.strip():
            return name
    return folder_name(log.parent)


def folder_name(folder: Path) -> str:
    """`org__model` as `org/model`."""
    return folder.resolve().name.replace("__", "/", 1)
