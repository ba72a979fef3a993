"""What is told before money is spent."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.config import parse_config
from gateway.evals.dataset import read_dataset
from gateway.evals.questions import SamplingSettings
from gateway.evals.run import EvalPlan, estimate_plan
from gateway.http.token_usage import Usage
from tests.gateway.evals.conftest import config_text, labelled
from tests.gateway.evals.models import Seen

PRICE = {"price": {"input_usd_per_mtok": 2, "output_usd_per_mtok": 10}}


def plan(folder: Path, lines: list[dict[str, Any]], priced: dict[str, Any], judged: bool = False) -> EvalPlan:
    config = parse_config(config_text(Seen(port=1), "one", "two", **priced), "config.yaml", {})
    questions = read_dataset(labelled(folder / "q.jsonl", lines))
    judge = config.models[1] if judged else None
    return EvalPlan(questions, "q.jsonl", config.models[:1], judge, SamplingSettings(max_tokens=100), 1, folder / "out")


def test_an_estimate_is_characters_by_four_times_the_price(tmp_path: Path) -> None:
    lines = [{"input": "x" * 400, "reference": "y"}, {"input": "x" * 401, "reference": "y"}]
    (one,) = estimate_plan(plan(tmp_path, lines, PRICE)).models
    assert (one.requests, one.usage) == (2, Usage(100 + 101, 200))
    assert one.usd == Decimal("0.002402")
    assert not (tmp_path / "out").exists()


def test_parts_that_are_no_texts_are_counted_as_they_are_sent(tmp_path: Path) -> None:
    content = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "x" * 4000}}]
    (one,) = estimate_plan(
        plan(tmp_path, [{"messages": [{"role": "user", "content": content}], "reference": "y"}], {})
    ).models
    assert one.usage.input_tokens > 1000


def test_verdicts_are_estimated_for_answers_still_to_come(tmp_path: Path) -> None:
    lines = [{"input": "x" * 400, "mark": "judge"}, {"input": "y" * 400, "reference": "z"}]
    found = estimate_plan(plan(tmp_path, lines, PRICE, judged=True))
    asked, judged = found.models
    assert (asked.requests, judged.requests, found.total_requests) == (2, 1, 3)
    assert judged.usage.input_tokens > 100 + 100
    assert judged.usage.output_tokens == 256
    assert not found.is_free


def test_without_a_price_nothing_is_known_and_nothing_is_free(tmp_path: Path) -> None:
    found = estimate_plan(plan(tmp_path, [{"input": "x", "reference": "y"}], {}))
    assert (found.total_usd, found.is_free) == (None, False)


def test_what_costs_nothing_is_free(tmp_path: Path) -> None:
    nothing = {"price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}}
    assert estimate_plan(plan(tmp_path, [{"input": "x", "reference": "y"}], nothing)).is_free
