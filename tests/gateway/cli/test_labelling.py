"""`benchroute tasks label` against a real gateway, its scorer, and models that say what they are told."""

import json
from pathlib import Path

import pytest
import yaml

from tests.gateway.asking import ask
from tests.gateway.cli.conftest import run_command
from tests.gateway.evals.models import running_models
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually


@pytest.mark.slow
def test_models_are_asked_and_the_task_learns(good_pack: Path, tmp_path: Path) -> None:
    lines = [{"input": f"say yes {n}", "reference": f"yes {n}"} for n in range(30)]
    dataset = tmp_path / "labelled.jsonl"
    dataset.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with running_models() as seen:
        state = {"url": f"sqlite:///{tmp_path}/state.db"}
        routing = {"pack": str(good_pack), "score": "auto"}
        models = [
            {"name": name, "backends": [{"kind": "openai", "base_url": seen.base_url, "model": there}]}
            for name, there in (("good", "echo"), ("other", "other"))
        ]
        settings = yaml.safe_dump({"models": models, "routing": routing, "state": state})
        config = tmp_path / "config.yaml"
        config.write_text(settings)
        with running_gateway(settings) as url:
            eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
            asked = ("tasks", "label", "t", dataset, "-o", tmp_path / "answers", "--config", config, "--yes")
            told = run_command(*asked, "--url", url)
            assert told.exit_code == 0, told.output
            assert "t: 30 labelled inputs" in told.stdout
            assert "30 labelled" in told.stdout
            before = len(seen.bodies)
            assert run_command(*asked, "--url", url).exit_code == 0
            assert len(seen.bodies) == before, "everything is in the journal"
            shown = ask(url, "/v1/tasks/t").json
            assert (shown["n"], shown["decision"]["score"]) == (30, "auto")
            strange = {"labels": [{"input": "x", "outcomes": {"nobody": 1.0}}]}
            assert ask(url, "/v1/tasks/t/labels", strange, content_type="application/json").status == 404
