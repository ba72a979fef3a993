"""lm-evaluation-harness with `--log_samples`: samples_TASK_DATE.jsonl beside results_DATE.json, a folder a model.

The model is `model_name` in the newest results file beside the log, else the folder's name with `__` for `/`. Of
several logs of one task in one folder the newest counts. See routing.importing.samples for a row.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from routing.importing.errors import UnreadableFile
from routing.importing.readers import collect_rejections, iter_json_rows, list_files, read_json, require_object
from routing.importing.record import ImportOptions, ImportRemark, ImportSource, Item
from routing.importing.samples import SampleLog, iter_items

NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl?")

ModelOf = Callable[[Path], str]
"""From a log's path to its model's name."""


def read_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """One source for each task and model."""
    return latest_logs(path, list_files(path, "samples_*.jsonl", "samples_*.json"), options, model_of_folder)


def latest_logs(path: Path, logs: Sequence[Path], options: ImportOptions, model_of: ModelOf) -> list[ImportSource]:
    """The newest log of every task in every folder. model_of: a log's path to its model's name.

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
        raise UnreadableFile(path, "a log is named samples_TASK_DATE.jsonl")
    return [_source(log, task, older[folder, task], options, model_of) for (folder, task), (_, log) in latest.items()]


def _source(path: Path, task: str, older: int, options: ImportOptions, model_of: ModelOf) -> ImportSource:
    def items() -> Iterator[Item]:
        if older:
            yield ImportRemark(
                f"{path.name} is the newest log of its task; older ones in its folder are passed over: {older}"
            )
        log = SampleLog(task, model_of(path), text_field=options.columns.get("text"), question=options.metric)
        yield from collect_rejections(
            iter_json_rows(path),
            lambda row, where: iter_items(require_object(row), where, log),
        )

    return ImportSource(path, items)


def model_of_folder(log: Path) -> str:
    """The model's name in the newest results file beside a log, else its folder's name."""
    for results in sorted(log.parent.glob("results_*.json"), reverse=True):
        name = read_json(results).get("model_name")
        if isinstance(name, str) and name.strip():
            return name
    return folder_name(log.parent)


def folder_name(folder: Path) -> str:
    """`org__model` as `org/model`."""
    return folder.resolve().name.replace("__", "/", 1)
