"""Inspect AI logs: `.eval`, zip files with header.json and samples/ID_epoch_N.json; or the same as one `.json`.

| tidy format | Inspect |
|---|---|
| dataset | `eval.task` |
| input_id, text | `id`, `input`: the text, or the texts of the messages, without the system's |
| model | `eval.model` |
| score | one scorer's `value`: C 1, P 0.5, I and N 0, as Inspect counts them; numbers and booleans as they are |
| loglik | mean over `output.choices[0].logprobs.content[].logprob` |

A sample that was run in several epochs gets their mean, which is Inspect's default reducer. --metric names the
scorer, and with `SCORER.KEY` one of its values; without it the first scorer is used. A value that is not a number,
which Inspect writes for unscored, is rejected.

Newer `.eval` files are compressed with Zstandard, which Python's zipfile reads only from 3.14 on: they are
decompressed by pyarrow. Layout: UKGovernmentBEIS/inspect_ai, `EvalSample`, `Score`, `EvalRecorder`.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.readers import iter_json_elements, iter_json_member, list_files, require_object
from routing.importing.record import (
    ImportedRecord,
    ImportOptions,
    ImportRemark,
    ImportSource,
    Item,
    RejectedRow,
    mean_logprob,
    parse_number,
    parse_text,
)

GRADES: Mapping[str, float] = MappingProxyType({"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "no": 0.0})
HEADERS = ("header.json", "_journal/start.json", "start.json")
"""Members with a log's specification; the second while it is still being written, the third in the first version."""

LISTINGS = frozenset({"logs.json", "eval-set.json"})
"""Files of Inspect that are not logs."""

ZSTANDARD = 93
LOCAL_HEADER_BYTES = 30


@dataclass(slots=True)
class _Sample:
    """Scores and log-likelihoods of one sample's epochs."""

    where: str
    words: str
    scores: list[float] = field(default_factory=list)
    logliks: list[float] = field(default_factory=list)


def read_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each log."""
    logs = [log for log in list_files(path, "*.eval", "*.json") if log.name not in LISTINGS]
    return [_source(log, options) for log in logs]


def _source(log: Path, options: ImportOptions) -> ImportSource:
    return ImportSource(log, lambda: _items(log, options))


def _items(path: Path, options: ImportOptions) -> Iterator[Item]:
    """Yield the items of a log. All texts and scores are held until it ends: epochs of one sample are not adjacent."""
    zipped = path.suffix == ".eval"
    task, model = _header(path, _zip_header(path) if zipped else iter_json_member(path, "eval"))
    scorer = options.metric
    found: dict[str, _Sample] = {}
    for where, value in _zip_samples(path) if zipped else iter_json_elements(path, "samples"):
        try:
            row = require_object(value)
            # Fixed by the first sample, so that all scores of a log are of one scorer.
            scorer = scorer or _first_scorer(row)
            _note(row, where, scorer, found)
        except InvalidRow as bad:
            yield RejectedRow(where, str(bad))
    if found:
        yield ImportRemark(f"{task}: the score is {scorer}")
    if any(len(sample.scores) > 1 for sample in found.values()):
        yield ImportRemark(f"{task}: a sample's score is its mean over epochs")
    for sample_id, sample in found.items():
        loglik = math.fsum(sample.logliks) / len(sample.logliks) if sample.logliks else None
        score = math.fsum(sample.scores) / len(sample.scores)
        yield ImportedRecord(sample.where, task, f"{task}/{sample_id}", sample.words, model, score, loglik)


def _header(path: Path, spec: object) -> tuple[str, str]:
    """Return (task, model). Raises UnreadableFile."""
    try:
        header = require_object(spec)
        return parse_text(header, "task").rpartition("/")[2], parse_text(header, "model")
    except InvalidRow as error:
        raise UnreadableFile(path, f"not the header of an Inspect log: {error}") from error


def _first_scorer(row: Mapping[str, Any]) -> str:
    for name in require_object(row.get("scores") or {}):
        return name
    raise InvalidRow("scores are missing")


def _note(row: Mapping[str, Any], where: str, scorer: str, found: dict[str, _Sample]) -> None:
    sample_id, words = parse_text(row, "id"), _words(row)
    score = _score(row, scorer)
    sample = found.setdefault(sample_id, _Sample(where, words))
    sample.scores.append(score)
    loglik = _loglik(row)
    if loglik is not None:
        sample.logliks.append(loglik)


def _score(row: Mapping[str, Any], scorer: str) -> float:
    scores = require_object(row.get("scores") or {})
    name, _, key = (scorer, "", "") if scorer in scores else scorer.partition(".")
    if name not in scores:
        raise InvalidRow(f"unknown scorer {name}; scorers: {', '.join(scores) or 'none'}")
    value = require_object(scores[name]).get("value")
    if isinstance(value, dict):
        if key not in value:
            raise InvalidRow(f"{name} has several values: use --metric {name}.KEY with KEY one of {', '.join(value)}")
        value = value[key]
    if isinstance(value, str) and value in GRADES:
        return GRADES[value]
    return parse_number(value, f"score {scorer}")


def _words(row: Mapping[str, Any]) -> str:
    """Return the input's text. Raises InvalidRow without any: a text embedder cannot use an image."""
    given = row.get("input")
    parts = [given] if isinstance(given, str) else _of_messages(given)
    # Inspect moves long texts out of messages and leaves a reference.
    attachments = row.get("attachments") or {}
    words = "\n".join(attachments.get(part.removeprefix("attachment://"), part) for part in parts)
    if not words.strip():
        raise InvalidRow("input contains no text")
    return words


def _of_messages(messages: object) -> list[str]:
    parts: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) and message.get("role") != "system" else None
        if isinstance(content, str):
            parts.append(content)
        elif isinstance(content, list):
            parts += [str(piece["text"]) for piece in content if isinstance(piece, dict) and "text" in piece]
    return parts


def _loglik(row: Mapping[str, Any]) -> float | None:
    try:
        tokens = row["output"]["choices"][0]["logprobs"]["content"]
        return mean_logprob(token.get("logprob") for token in tokens)
    except (KeyError, IndexError, TypeError, AttributeError):
        # Most logs have no log-probabilities, at any depth of the object.
        return None


def _zip_header(path: Path) -> object:
    with _open_zip(path) as archive:
        names = set(archive.namelist())
        for name in HEADERS:
            if name in names:
                return _member(path, archive, archive.getinfo(name)).get("eval")
    raise UnreadableFile(path, f"none of {', '.join(HEADERS)} found in it")


def _zip_samples(path: Path) -> Iterator[tuple[str, object]]:
    with _open_zip(path) as archive:
        for info in archive.infolist():
            if info.filename.startswith("samples/") and info.filename.endswith(".json"):
                yield f"{path.name}/{info.filename}", _member(path, archive, info)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableFile(path, f"not a zip file, or truncated: {error}") from error


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    try:
        content = _zstandard(path, info) if info.compress_type == ZSTANDARD else archive.read(info)
        return require_object(json.loads(content))
    except (OSError, ValueError, NotImplementedError, RecursionError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableFile(path, f"{info.filename}: {error}") from error


def _zstandard(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, decompressed. Raises OSError where that fails."""
    import pyarrow as pa

    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER_BYTES)
        # The local header repeats name and extra field with lengths of its own (APPNOTE 4.3.7); zipfile does not
        # expose the data's offset.
        name_bytes, extra_bytes = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        file.seek(name_bytes + extra_bytes, 1)
        packed = file.read(info.compress_size)
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        return bytes(stream.read())
