"""litellm's price list, read from its package without importing it."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.upstream.litellm_prices import LitellmPrices, read_row


def test_a_price_is_found_by_provider_and_model() -> None:
    prices = LitellmPrices()
    price = prices("openai", "gpt-4o-2024-08-06")
    assert price is not None
    assert (price.name, f"{price.input_usd_per_mtok:f}", f"{price.output_usd_per_mtok:f}") == (
        "gpt-4o-2024-08-06",
        "2.5",
        "10",
    )
    assert prices("anthropic", "gpt-4o-2024-08-06") is None
    assert prices("", "no-such-model") is None


@pytest.mark.slow
def test_the_list_has_the_models_that_litellm_has_with_its_prices() -> None:
    """Aliases included. In a process of its own: importing litellm takes seconds, and patches things."""
    code = """
import os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from gateway.upstream.litellm_prices import LitellmPrices
ours = {name: price for _, name, price in LitellmPrices().list_prices()}
missing = [name for name in litellm.model_cost if name not in ours]
other = [
    name for name, row in litellm.model_cost.items()
    if ours.get(name) and abs(float(ours[name].input_usd_per_mtok) - 1e6 * row["input_cost_per_token"]) > 1e-5
]
print(len(ours) > 1000, missing, other)
"""
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True [] []"


def test_reading_the_list_does_not_import_litellm() -> None:
    code = """
import sys
from gateway.upstream.litellm_prices import LitellmPrices
LitellmPrices()
print("litellm" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


ROW = {
    "input_cost_per_token": 3e-06,
    "output_cost_per_token": 1.5e-05,
    "cache_read_input_token_cost": 3e-07,
    "cache_creation_input_token_cost": 3.75e-06,
    "input_cost_per_token_above_200k_tokens": 6e-06,
    "output_cost_per_token_above_200k_tokens": 2.25e-05,
    "cache_read_input_token_cost_above_200k_tokens": 6e-07,
    "litellm_provider": "anthropic",
}


def test_a_row_gives_every_part_of_a_price() -> None:
    price = read_row("claude", ROW)
    assert price is not None
    assert price.to_yaml() == (
        "{input_usd_per_mtok: 3, output_usd_per_mtok: 15, cached_input_usd_per_mtok: 0.3, "
        "cache_write_usd_per_mtok: 3.75, long_context: {above_tokens: 200000, input_usd_per_mtok: 6, "
        "output_usd_per_mtok: 22.5, cached_input_usd_per_mtok: 0.6}}"
    )


def test_a_row_without_an_input_price_has_none_and_embedding_models_have_no_output() -> None:
    assert read_row("m", {"output_cost_per_token": 1e-06}) is None
    assert read_row("m", {"input_cost_per_token": True}) is None
    price = read_row("m", {"input_cost_per_token": 1e-07})
    assert price is not None
    assert (price.input_usd_per_mtok, price.output_usd_per_mtok) == (Decimal("0.1"), Decimal(0))
    assert price.long_context is None


@pytest.mark.parametrize(
    "row",
    [
        {"input_cost_per_token": 0, "output_cost_per_token": 0, "mode": "chat"},
        {"input_cost_per_token": 0.0, "mode": "embedding"},
        {"input_cost_per_token": 1e-06, "mode": "chat"},
        {"output_cost_per_token": 1e-06, "mode": "responses"},
    ],
)
def test_a_price_that_is_not_known_is_not_zero(row: dict[str, object]) -> None:
    assert read_row("m", row) is None


def test_a_list_of_another_day_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(json.dumps({"claude": {**ROW, "max_input_tokens": 200_000}}))
    price = LitellmPrices(tmp_path / "prices.json")("anthropic", "claude")
    assert price is not None
    assert (price.as_of, price.context_window) == ("prices.json", 200_000)


@pytest.mark.parametrize("text", ["[]", '{"claude": 3}', "{", "\x00"])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.json"):
        LitellmPrices(tmp_path / "prices.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        LitellmPrices(tmp_path / "missing.json")
