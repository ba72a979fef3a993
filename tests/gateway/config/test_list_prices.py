"""List prices go into a configuration's text, and the rest of it stays."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import parse_config
from gateway.config.list_prices import ListedPrice, LongContextListedPrice, models_without_price
from gateway.config.price_lines import insert_prices, read_list_prices
from gateway.config.schema import PriceConfig
from gateway.config.shipped_prices import ShippedPrices, write_price_list
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


NEW = ListedPrice("m", Decimal("0.1"), Decimal("0.4"), as_of="2026-12-01")


def test_a_list_price_is_replaced_and_the_operators_own_is_not() -> None:
    text = TEXT.replace(
        "# cheap\n", "# cheap\n    price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}  # list price, 2025\n"
    )
    text = text.replace(
        'backends: [{kind: openai, base_url: "http://gpu', '# ours\n    backends: [{kind: openai, base_url: "http://gpu'
    )
    assert list(read_list_prices(text, "c")) == ["gpt-4o-mini"]
    written = insert_prices(text, "c", dict.fromkeys(("gpt-4o-mini", "known", "mine", "claude"), NEW))
    prices = {
        model.name: model.price and model.price.input_usd_per_mtok for model in parse_config(written, "c", {}).models
    }
    assert prices == {
        "gpt-4o-mini": NEW.input_usd_per_mtok,
        "known": 1,
        "mine": NEW.input_usd_per_mtok,
        "posing": None,
        "claude": NEW.input_usd_per_mtok,
    }
    assert {name: price.as_of for name, price in read_list_prices(written, "c").items()} == {
        "gpt-4o-mini": "2026-12-01",
        "mine": "2026-12-01",
    }
    assert insert_prices(written, "c", {"gpt-4o-mini": NEW}) == written


@pytest.mark.parametrize(
    "price",
    [
        "price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}",
        "price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}  # ours since May",
        "price:\n      input_usd_per_mtok: 9  # list price, 2025\n      output_usd_per_mtok: 9",
        "price: {input_usd_per_mtok: 9,  # list price, 2025\n      output_usd_per_mtok: 9}",
    ],
)
def test_only_a_whole_line_with_the_comment_is_a_list_price(price: str) -> None:
    text = TEXT.replace("price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}", price)
    assert read_list_prices(text, "c") == {}
    assert insert_prices(text, "c", {"known": NEW}) == text


class TestShippedPrices:
    """The list that the distribution has."""

    def test_it_has_common_models_with_a_day_and_a_source(self) -> None:
        shipped = ShippedPrices()
        assert date.fromisoformat(shipped.as_of) > date(2026, 1, 1)
        listed = list(shipped.list_prices())
        assert len(listed) > 200
        assert {provider for provider, _, _ in listed} == set(shipped.sources)
        for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-pro")):
            price = shipped(provider, model)
            assert price is not None
            assert price.as_of == shipped.as_of
            assert price.context_window is not None
        assert shipped("", "gpt-4o") == shipped("openai", "gpt-4o")
        assert shipped("groq", "gpt-4o") is None

    def test_no_unknown_price_is_zero(self) -> None:
        for provider, model, price in ShippedPrices().list_prices():
            assert price.input_usd_per_mtok > 0, (provider, model)
            assert price.output_usd_per_mtok > 0 or "embed" in model, (provider, model)
            assert PriceConfig.model_validate(yaml.safe_load(price.to_yaml())), (provider, model)

    def test_the_file_is_small(self) -> None:
        assert len((files("routing.catalogue") / "prices.toml").read_bytes()) < 100_000


USD = st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False, allow_infinity=False)
MAYBE = st.none() | USD
LONG = st.builds(LongContextListedPrice, st.integers(1000, 10**7), USD, USD, MAYBE, MAYBE)
PRICES = st.builds(
    ListedPrice, st.just("x"), USD, USD, MAYBE, MAYBE, MAYBE, st.none() | LONG, st.none() | st.integers(1, 10**7)
)


@given(st.dictionaries(st.tuples(st.sampled_from(("openai", "x_ai")), st.text(min_size=1)), PRICES, min_size=1))
def test_a_price_list_is_read_as_it_was_written(prices: dict[tuple[str, str], ListedPrice]) -> None:
    read = ShippedPrices(write_price_list(prices, date(2026, 11, 28), 'a "list"', {"openai": "https://a"}))
    assert {(provider, model): price for provider, model, price in read.list_prices()} == {
        place: replace(price, name="/".join(place), as_of="2026-11-28") for place, price in prices.items()
    }
