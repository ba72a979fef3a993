"""Inspect AI's logs, zipped and plain."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from routing.importing.errors import UnreadableFile
from tests.routing.importing.conftest import Import, write_json

HEADER = {
    "version": 2,
    "status": "success",
    "eval": {"task": "evals/arith", "model": "openai/gpt-4o", "dataset": {"name": "arith"}, "run_id": "x"},
    "plan": {"steps": []},
    "results": {"scores": []},
}


def sample(id_: object, value: object = "C", epoch: int = 1, **others: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "epoch": epoch,
        "input": f"What is {id_}?",
        "target": "2",
        "messages": [],
        "output": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": "2"}}]},
        "scores": {"match": {"value": value, "answer": "2"}, "grader": {"value": {"style": 0.25, "facts": True}}},
        "attachments": {},
    } | others


def write_log(path: Path, *samples: Any) -> Path:
    return write_json(path, HEADER | {"samples": list(samples), "reductions": []})


def write_eval(path: Path, *samples: Any, header: str = "header.json") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/summaries/1.json", "[]")
        for one in samples:
            archive.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
        archive.writestr(header, json.dumps(HEADER))
    return path


def write_zstandard(path: Path, *samples: Any) -> Path:
    """The same as Inspect writes it today: method 93, which this Python's zipfile cannot write."""
    members = {"header.json": HEADER} | {f"samples/{one['id']}_epoch_1.json": one for one in samples}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in members.items():
            archive.writestr(name, pa.Codec("zstd").compress(json.dumps(value).encode(), asbytes=True))
        infos = archive.infolist()
        directory = archive.fp.tell() if archive.fp else 0
    content = bytearray(path.read_bytes())
    at = directory
    for info in infos:
        content[info.header_offset + 8 : info.header_offset + 10] = (93).to_bytes(2, "little")
        content[at + 10 : at + 12] = (93).to_bytes(2, "little")
        at += 46 + len(info.filename)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("write", "suffix"), [(write_log, "json"), (write_eval, "eval"), (write_zstandard, "eval")])
def test_logs_are_the_same_in_every_layout(tmp_path: Path, bring: Import, write: Any, suffix: str) -> None:
    got = bring(
        "inspect", write(tmp_path / f"log.{suffix}", sample(1), sample("b", "I"), sample(3, "P"), sample(4, "N"))
    )
    assert got.inputs[:2] == [("arith/1", "arith", "What is 1?"), ("arith/b", "arith", "What is b?")]
    assert got.outcomes == {
        ("arith/1", "openai/gpt-4o"): 1.0,
        ("arith/b", "openai/gpt-4o"): 0.0,
        ("arith/3", "openai/gpt-4o"): 0.5,
        ("arith/4", "openai/gpt-4o"): 0.0,
    }
    assert got.summary.warnings == ("arith: the score is match",)


def test_epochs_are_averaged(tmp_path: Path, bring: Import) -> None:
    log = write_eval(
        tmp_path / "log.eval", sample(1), sample(2, 0.5), sample(1, "I", epoch=2), sample(2, True, epoch=2)
    )
    got = bring("inspect", log)
    assert list(got.outcomes.values()) == [0.5, 0.75]
    assert "arith: a sample's score is its mean over epochs" in got.summary.warnings


def test_the_scorer_may_be_asked_for(tmp_path: Path, bring: Import) -> None:
    log = write_log(tmp_path / "log.json", sample(1))
    assert list(bring("inspect", log, metric="grader.style").outcomes.values()) == [0.25]
    assert list(bring("inspect", log, metric="grader.facts").outcomes.values()) == [1.0]


def test_messages_and_attachments_make_the_text(tmp_path: Path, bring: Import) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "attachment://abc"},
        {"role": "user", "content": [{"type": "image", "image": "…"}, {"type": "text", "text": "and this?"}]},
    ]
    log = write_log(tmp_path / "log.json", sample(1, input=messages, attachments={"abc": "What is it"}))
    assert bring("inspect", log).inputs[0][2] == "What is it\nand this?"


def test_log_probabilities_are_kept(tmp_path: Path, bring: Import) -> None:
    tokens = [{"token": "2", "logprob": -0.5}, {"token": ".", "logprob": -1.5}]
    output = {"choices": [{"message": {}, "logprobs": {"content": tokens}}]}
    got = bring("inspect", write_log(tmp_path / "log.json", sample(1, output=output), sample(2)))
    assert got.logliks == {("arith/1", "openai/gpt-4o"): -1.0}


def test_a_log_still_being_written_has_its_header_in_the_journal(tmp_path: Path, bring: Import) -> None:
    log = write_eval(tmp_path / "log.eval", sample(1), header="_journal/start.json")
    assert len(bring("inspect", log).outcomes) == 1


def test_bad_samples_are_refused(tmp_path: Path, bring: Import) -> None:
    image = [{"role": "user", "content": [{"type": "image", "image": "…"}]}]
    log = write_log(
        tmp_path / "log.json",
        sample(1, scores=None),
        sample(2),
        sample(3, float("nan")),
        sample(4, "good"),
        sample(5, input=image),
        sample(None),
        sample(7, 4),
        sample(8, {"a": 1}),
        sample(9, scores={"other": {"value": 1}}),
    )
    assert bring("inspect", log).refused == [
        "log.json record 1: scores are missing",
        "log.json record 3: score match is nan, not a finite number",
        "log.json record 4: score match 'good' is not a number",
        "log.json record 5: input contains no text",
        "log.json record 6: id is missing",
        "log.json record 8: match has several values: use --metric match.KEY with KEY one of a",
        "log.json record 9: unknown scorer match; scorers: other",
        "log.json record 7: score 4 is outside [0, 1]",
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("log.eval", b"no zip", "not a zip file, or truncated"),
        ("log.json", b"{}", "no 'eval'"),
        ("log.json", b'{"eval": {"task": "t"}}', "not the header of an Inspect log: model is missing"),
        ("log.json", b'{"eval": {"task": "t", "model": "m"}, "samples": [', "truncated"),
    ],
)
def test_what_is_no_log_is_unreadable(tmp_path: Path, bring: Import, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=told):
        bring("inspect", tmp_path / name)


def test_a_damaged_zip_is_unreadable(tmp_path: Path, bring: Import) -> None:
    log = write_eval(tmp_path / "log.eval", sample(1), header="other.json")
    with pytest.raises(UnreadableFile, match=r"none of header\.json"):
        bring("inspect", log)
    packed = write_zstandard(tmp_path / "log.eval", sample(1))
    packed.write_bytes(packed.read_bytes().replace(b"\x28\xb5\x2f\xfd", b"\x00\x00\x00\x00"))
    with pytest.raises(UnreadableFile, match=r"header\.json: "):
        bring("inspect", packed)


def test_listings_beside_logs_are_no_logs(tmp_path: Path, bring: Import) -> None:
    write_json(tmp_path / "logs" / "logs.json", {})
    write_log(tmp_path / "logs" / "a.json", sample(1))
    assert len(bring("inspect", tmp_path / "logs").outcomes) == 1
