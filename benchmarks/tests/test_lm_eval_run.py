"""The runner, with a small program in place of the harness, which needs an environment of its own."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.lm_eval_run import main

HARNESS = """
import json, pathlib, sys, urllib.request
said = dict(zip(sys.argv[2::2], sys.argv[3::2]))
given = dict(pair.split("=", 1) for pair in said["--model_args"].split(","))
logs = pathlib.Path(said["--output_path"]) / given["model"]
logs.mkdir(parents=True)
for task, file in (("benchroute_sums", "sums"), ("benchroute_notes", "people-notes")):
    answers = []
    for line in open(f"{file}.jsonl"):
        asked = {"model": given["model"], "messages": [{"role": "user", "content": json.loads(line)["input"]}]}
        request = urllib.request.Request(given["base_url"], json.dumps(asked).encode(), {"x-task-id": task})
        answers.append(urllib.request.urlopen(request).read().decode())
    (logs / f"samples_{task}_now.jsonl").write_text("\\n".join(answers))
sys.exit(LAST)
"""


def harness(folder: Path, code: str) -> Path:
    path = folder / "lm_eval"
    path.write_text(f"#!{sys.executable}\n{HARNESS.replace('LAST', code)}")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 3])
def test_the_harness_asks_a_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int) -> None:
    program, out = harness(tmp_path, str(code)), tmp_path / "out"
    options = ["--lm-eval", str(program), "--models", "calc-1", "--questions", "3", "--output", str(out)]
    assert main(options) == (1 if code else 0)
    assert f"calc-1: 6 requests went through the gateway; logs in {out / 'logs' / 'calc-1'}" in capsys.readouterr().out
    answers = (out / "logs" / "calc-1" / "samples_benchroute_sums_now.jsonl").read_text().splitlines()
    references = [json.loads(line)["reference"] for line in (out / "sums.jsonl").read_text().splitlines()]
    assert all(reference in answer for reference, answer in zip(references, answers, strict=True))


def test_without_the_harness_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lm-eval", str(tmp_path / "nothing"), "--output", str(tmp_path / "out")]) == 1
    assert "nothing is no program; see --lm-eval" in capsys.readouterr().err
