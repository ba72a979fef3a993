"""The rows of litellm's list that the shipped price list takes."""

from datetime import date
from typing import Any

from benchmarks.list_prices import select_prices, sources_of
from routing.catalogue.model_ids import ModelIds

DAY = date(2026, 11, 28)


def row(provider: str = "openai", **members: Any) -> dict[str, Any]:
    prices = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
    return {"litellm_provider": provider, "mode": "chat", **prices, **members}


ROWS = {
    "plain": row(),
    "anthropic/with-prefix": row("anthropic"),
    "ft:plain": row(),
    "plain-audio-preview": row(),
    "picture": row(mode="image_generation"),
    "free": row(input_cost_per_token=0, output_cost_per_token=0),
    "gone": row(deprecation_date="2026-11-28"),
    "going": row(deprecation_date="2026-11-29", source="https://prices.example"),
    "together_ai/known": row("together_ai"),
    "together_ai/unknown": row("together_ai"),
    "elsewhere/plain": row("elsewhere"),
}


def test_models_of_known_providers_with_a_price_are_taken() -> None:
    chosen = dict(select_prices(ROWS, ModelIds({"known": []}), DAY))
    assert list(chosen) == [
        ("anthropic", "with-prefix"),
        ("openai", "going"),
        ("openai", "plain"),
        ("together_ai", "known"),
    ]
    assert sources_of(ROWS, chosen) == {"openai": "https://prices.example"}
