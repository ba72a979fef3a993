"""`benchroute models`: a model joins a pack by some of its outcomes, and a running gateway takes it up."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.manifest import read_manifest
from routing.pack import INPUTS, open_pack, save_pack
from routing.tidy import read_benchmark
from tests.gateway.asking import ask
from tests.gateway.cli.conftest import run_command, write_questions
from tests.gateway.evals.models import running_models
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def half(questions: Path, path: Path, chance: float = 0.9) -> Path:
    """Outcomes of a model that is mostly right, on every other input."""
    draw = random.Random(3)  # noqa: S311 - an example, no secret
    benchmark = read_benchmark(questions)
    return lines(path, [{"input_id": one, "score": float(draw.random() < chance)} for one in benchmark.input_ids[::2]])


def test_half_a_column_makes_a_pack_that_says_so(pack: Path, questions: Path, tmp_path: Path) -> None:
    made = tmp_path / "grown.tar"
    outcomes = half(questions, tmp_path / "new.jsonl")
    told = run_command("models", "add", "new", "--outcomes", outcomes, "--pack", pack, "-o", made)
    assert told.exit_code == 0, told.output
    assert "estimated from 40 of 80 inputs" in told.stdout
    assert "rank     1 of 5" in told.stdout
    assert "no model new" in told.stderr
    shown = run_command("pack", "inspect", made)
    assert "new (estimated from 40 of 80 inputs)" in shown.stdout
    assert " ± 0.0" in shown.stdout
    assert f"new to {read_manifest(pack).hash}" in shown.stdout
    assert json.loads(run_command("pack", "inspect", made, "--json").stdout)["added"][0]["n_measured"] == 40
    assert run_command("pack", "verify", made, "--no-embedder-check").exit_code == 0
    again = run_command("models", "add", "new", "--outcomes", outcomes, "--pack", made, "-o", tmp_path / "twice")
    assert (again.exit_code, "already has a model 'new'" in again.stderr) == (2, True)


def test_what_the_configuration_says_of_the_model_goes_into_the_pack(
    pack: Path, questions: Path, tmp_path: Path
) -> None:
    backends = [{"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}]
    price = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 2}
    config = tmp_path / "config.yaml"
    settings = {"models": [{"name": "org/new", "params_b": 9, "price": price, "backends": backends}]}
    beside = Path(tmp_path / "packs" / "one")
    save_pack(open_pack(pack), beside)
    config.write_text(yaml.safe_dump({**settings, "routing": {"pack": str(beside)}}))
    outcomes = half(questions, tmp_path / "new.jsonl")
    told = run_command("models", "add", "org/new", "--outcomes", outcomes, "--config", config, "--json")
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["pack"] == str(tmp_path / "packs" / "one+org-new")
    assert (document["n_measured"], document["active"]) == (40, None)
    model = read_manifest(Path(document["pack"])).models[-1]
    assert (model.name, model.params_b, model.input_usd_per_mtok, model.output_usd_per_mtok) == ("org/new", 9, 0.5, 2)


def test_a_strange_input_leaves_everything_as_it_was(pack: Path, tmp_path: Path) -> None:
    outcomes = lines(tmp_path / "new.jsonl", [{"input_id": "nowhere-1", "score": 1}])
    told = run_command("models", "add", "new", "--outcomes", outcomes, "--pack", pack, "-o", tmp_path / "grown")
    assert told.exit_code == 2
    assert "new.jsonl line 1: the pack has no input 'nowhere-1'" in told.stderr
    assert not (tmp_path / "grown").exists()


def test_too_few_outcomes_are_refused(pack: Path, tmp_path: Path) -> None:
    outcomes = lines(tmp_path / "new.jsonl", [{"input_id": "sums-1", "score": 1}])
    told = run_command("models", "add", "new", "--outcomes", outcomes, "--pack", pack, "-o", tmp_path / "grown")
    assert told.exit_code == 2
    assert "1 inputs have an outcome, at least 20 are required" in told.stderr


def test_a_pack_that_knows_no_names_takes_its_benchmark(pack: Path, questions: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    old = tmp_path / "old"
    save_pack(replace(open_pack(pack), input_index=None), old)
    add = ("models", "add", "new", "--outcomes", half(questions, tmp_path / "new.jsonl"), "--pack", old)
    told = run_command(*add, "-o", tmp_path / "grown")
    assert (told.exit_code, "name its benchmark with --benchmark" in told.stderr) == (2, True)
    write_questions(tmp_path / "other", 21)
    told = run_command(*add, "-o", tmp_path / "grown", "--benchmark", tmp_path / "other")
    assert (told.exit_code, "was built from other inputs" in told.stderr) == (1, True)
    told = run_command(*add, "-o", tmp_path / "grown", "--benchmark", questions)
    assert told.exit_code == 0, told.output
    assert INPUTS in read_manifest(tmp_path / "grown").files


def test_chosen_inputs_are_written_down(pack: Path, questions: Path, tmp_path: Path) -> None:
    file = tmp_path / "chosen.jsonl"
    told = run_command("models", "choose", "-n", 24, "--pack", pack, "-o", file, "--benchmark", questions)
    assert told.exit_code == 0, told.output
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    benchmark = read_benchmark(questions)
    assert len({row["input_id"] for row in rows}) == 24
    assert all(row["text"] == benchmark.texts[benchmark.input_ids.index(row["input_id"])] for row in rows)
    labelled = lines(
        tmp_path / "labelled.jsonl",
        [{"input": text, "reference": "x", "more": 1} for text in benchmark.texts[:30]]
        + [{"input": "?", "reference": "!"}],
    )
    told = run_command("models", "choose", "-n", 9, "--pack", pack, "-o", file, "--questions", labelled, "--json")
    assert json.loads(told.stdout)["inputs"] == 9
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["input"] for row in rows} <= set(benchmark.texts[:30])
    assert all(row["more"] == 1 and row["id"].startswith("labelled-") for row in rows)
    none = lines(tmp_path / "none.jsonl", [{"input": "?", "reference": "!"}])
    told = run_command("models", "choose", "--pack", pack, "-o", file, "--questions", none)
    assert (told.exit_code, "no question is an input of the pack" in told.stderr) == (2, True)


def test_without_a_pack_anywhere_the_option_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    backends = [{"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}]
    config.write_text(yaml.safe_dump({"models": [{"name": "a", "backends": backends}]}))
    told = run_command("models", "choose", "-o", tmp_path / "x", "--config", config)
    assert (told.exit_code, "sets no routing.pack; use --pack" in told.stderr) == (2, True)


@pytest.mark.slow
def test_a_running_gateway_asks_a_new_model_and_takes_it_up(good_pack: Path, tmp_path: Path) -> None:
    """`echo` says what it is told, so it is right on everything: a live task has it as soon as the pack is in force."""
    from tests.gateway.packs import small_benchmark

    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "good").symlink_to(good_pack)
    texts = small_benchmark().texts
    labelled = lines(tmp_path / "labelled.jsonl", [{"input": text, "reference": "nothing to say"} for text in texts])
    with running_models() as seen:
        models = [
            {"name": name, "backends": [{"kind": "openai", "base_url": seen.base_url, "model": there}]}
            for name, there in (("good", "other"), ("other", "other"), ("new", "echo"))
        ]
        state = {"url": f"sqlite:///{tmp_path}/state.db"}
        settings = yaml.safe_dump(
            {"models": models, "routing": {"pack": str(packs / "good"), "score": "auto"}, "state": state}
        )
        config = tmp_path / "config.yaml"
        config.write_text(settings)
        with running_gateway(settings) as url:
            eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
            for text in texts[-6:]:
                body = {"model": "task/t", "messages": [{"role": "user", "content": text}]}
                ask(url, body=body)
            eventually(lambda: ask(url, "/v1/tasks/t").json.get("n") == 6, 30)
            before = ask(url, "/v1/tasks/t").json["decision"]
            assert before["model"] != "new"
            asked = ("models", "estimate", "new", "--questions", labelled, "--answers", tmp_path / "answers", "-n", 40)
            told = run_command(*asked, "--config", config, "--url", url, "--activate", "--yes")
            assert told.exit_code == 0, told.output
            assert "active   good+new" in told.stdout
            eventually(lambda: ask(url, "/v1/tasks/t").json["decision"]["model"] == "new", 30)
            assert ask(url, "/v1/tasks/t").json["n"] == 6, "from its ring, without a new input"
            assert len(seen.of("echo")) == 40
