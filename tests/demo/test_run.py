"""The demo from end to end: models asked, pack built, gateway started, tasks routed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from demo.run import run_demo
from demo.tasks import MADE_FOR, TASKS

TOP = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_real_tasks_move_to_the_models_that_are_right_for_them(tmp_path: Path) -> None:
    said = StringIO()
    results = tmp_path / "results" / "demo.json"
    found = run_demo(tmp_path / "work", TOP / "config.yaml", results, Console(file=said, width=120))
    written = json.loads(results.read_text())
    assert [task["task"] for task in written["tasks"]] == list(TASKS)
    specialised = [result for result in found if result.task in MADE_FOR]
    assert sum(result.model == result.oracle for result in specialised) >= len(specialised) - 1
    totals = written["totals"]
    assert totals["accuracy"]["best_on_average"] < totals["accuracy"]["routed"] <= totals["accuracy"]["oracle"]
    assert totals["cost_usd"]["routed"] < totals["cost_usd"]["best_on_average"]
    shown = " ".join(said.getvalue().split())
    for result in found:
        assert result.n == sum(result.routed_to.values()) == 40
        assert result.history[-1]["model"] == result.model
        assert " ".join(result.why.split()) in shown
