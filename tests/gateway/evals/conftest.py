import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.evals.dataset import read_dataset
from gateway.evals.questions import SamplingSettings
from gateway.evals.run import EvalPlan, EvalReport, run_plan
from tests.gateway.evals.models import Seen, running_models

Line = dict[str, Any]


@pytest.fixture(scope="session")
def shared_models() -> Iterator[Seen]:
    with running_models() as seen:
        yield seen


@pytest.fixture
def seen(shared_models: Seen) -> Seen:
    shared_models.bodies.clear()
    shared_models.most.clear()
    return shared_models


def config_text(seen: Seen, *names: str, **priced: Any) -> str:
    """priced: one price for all models."""
    backends = [{"kind": "openai", "base_url": seen.base_url}]
    return yaml.safe_dump({"models": [{"name": name, "params_b": 7, "backends": backends, **priced} for name in names]})


def labelled(path: Path, lines: list[Line]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def says(*texts: str, reference: str = "yes") -> list[Line]:
    """Questions that tell the models what to answer."""
    return [{"input": f"say {text}", "reference": reference} for text in texts]


async def no_pause(_: float) -> None:
    """In place of the pauses between rounds."""


@pytest.fixture
def bench(seen: Seen, tmp_path: Path) -> Callable[..., EvalReport]:
    """Runs a benchmark of the named models into `out`; the keywords are Settings', or judge, or concurrency."""

    def made(
        lines: list[Line], *names: str, judge: str | None = None, concurrency: int = 4, **settings: Any
    ) -> EvalReport:
        everyone = [*names, *([judge] if judge and judge not in names else [])]
        config: Config = parse_config(config_text(seen, *everyone), "config.yaml", {})
        by_name = {model.name: model for model in config.models}
        plan = EvalPlan(
            questions=read_dataset(labelled(tmp_path / "questions.jsonl", lines)),
            source="questions.jsonl",
            models=tuple(by_name[name] for name in names),
            judge=by_name[judge] if judge else None,
            settings=SamplingSettings(**settings),
            concurrency=concurrency,
            folder=tmp_path / "out",
        )
        return run_plan(plan, config, sleep=no_pause)

    return made
