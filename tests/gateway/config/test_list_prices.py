"""List prices go into a configuration's text, and the rest of it stays."""

from decimal import Decimal

import pytest

from gateway.config import parse_config
from gateway.config.list_prices import ListedPrice, insert_prices, models_without_price
from gateway.errors import ConfigError

TEXT = """\
# ours
models:
  - name: gpt-4o-mini   # cheap
    backends:
      - {kind: openai, base_url: "https://api.openai.com/v1"}   # theirs
  - {name: claude, backends: [{kind: litellm, model: anthropic/claude-x}]}
  - name: mine
    backends: [{kind: openai, base_url: "http://gpu:8000/v1", model: gpt-4o-mini}]
  - name: "posing"
    backends: [{kind: openai, base_url: "https://api.openai.com.example/v1", model: gpt-4o-mini}]
  - name: known
    price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}
    backends: [{kind: openai, base_url: "https://api.openai.com/v1", model: gpt-4o-mini}]
server: {port: 8100}
"""
LIST = {("openai", "gpt-4o-mini"): ("0.15", "0.6"), ("", "anthropic/claude-x"): ("3", "15")}


def prices(provider: str, model: str) -> ListedPrice | None:
    found = LIST.get((provider, model))
    return ListedPrice(model, Decimal(found[0]), Decimal(found[1])) if found else None


def test_only_whose_prices_an_endpoint_charges_is_looked_up() -> None:
    found = models_without_price(parse_config(TEXT, "config.yaml", {}), prices)
    assert {name: price and price.name for name, price in found.items()} == {
        "gpt-4o-mini": "gpt-4o-mini",
        "claude": "anthropic/claude-x",
        "mine": None,
        "posing": None,
    }


def test_every_other_byte_of_the_text_stays() -> None:
    found = {name: price for name, price in models_without_price(parse_config(TEXT, "c", {}), prices).items() if price}
    written = insert_prices(TEXT, "c", found)
    assert written == TEXT.replace(
        "# cheap\n", "# cheap\n    price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6}\n"
    ).replace("{name: claude,", "{name: claude, price: {input_usd_per_mtok: 3, output_usd_per_mtok: 15},")
    config = parse_config(written, "c", {})
    assert [model.price and model.price.input_usd_per_mtok for model in config.models] == [
        Decimal("0.15"),
        Decimal(3),
        None,
        None,
        Decimal(1),
    ]
    assert insert_prices(written, "c", {}) == written


def test_a_file_that_ends_with_a_name_gets_its_line() -> None:
    text = "models:\n- backends: [{kind: openai, base_url: 'https://api.openai.com/v1'}]\n  name: gpt-4o-mini"
    found = {name: price for name, price in models_without_price(parse_config(text, "c", {}), prices).items() if price}
    assert parse_config(insert_prices(text, "c", found), "c", {}).models[0].price is not None


def test_a_text_without_models_is_refused() -> None:
    with pytest.raises(ConfigError, match="models: expected a list of models"):
        insert_prices("server: {}", "c", {})
