"""A newcomer's first minutes: from API keys to routed, explained calls without an edit."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from demo.first_day import APPLICATIONS, live_first_day, print_first_day
from demo.providers import LISTED
from gateway.config import parse_config

CALLS = 60


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_calls_without_tags_become_routed_tasks(tmp_path: Path) -> None:
    """Each application is one task; prices, evidence and URLs need no edit; nothing is claimed of no evidence."""
    day = live_first_day(tmp_path, CALLS)
    config = parse_config(
        day.config, "config.yaml", dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "x")
    )
    assert config.routing.pack == "public"
    assert len(config.models) == 6
    assert all(model.price is not None and model.price.input_usd_per_mtok > 0 for model in config.models)
    assert {name.removeprefix("models/") for listed in LISTED.values() for name in listed} > {
        model.name for model in config.models
    }
    assert day.init.count("evidence: ") >= len(config.models)

    tasks = dict(day.by_application.keys())
    assert len(day.by_application) == len(tasks) == len(set(tasks.values())) == len(APPLICATIONS)
    assert sum(day.by_application.values()) == CALLS
    assert {task["id"] for task in day.tasks} == set(tasks.values())
    for task in day.tasks:
        assert task["decision"]["reason"] in ("score", "best-on-average", "current")
        assert task["evidence"][task["decision"]["model"]]["name"]
        assert task["n"] > 0
    assert (day.usage["requests"], day.usage["unpriced_requests"]) == (CALLS, 0)
    assert day.usage["routed_cost_usd"] == pytest.approx(day.usage["cost_usd"])

    out = io.StringIO()
    print_first_day(day, Console(file=out, width=160))
    told = out.getvalue()
    assert "dashboard: http://127.0.0.1:" in told
    assert all(task in told for task in tasks.values())
    assert f"overview: {len(tasks)} tasks" in told
