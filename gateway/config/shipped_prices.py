"""The dated list of prices that the distribution ships: routing/catalogue/prices.toml.

date = "2026-11-28"
origin = "the list it was made from"

[sources]
openai = "https://…"

[openai]
"gpt-4o" = {input = 2.5, output = 10, cached_input = 1.25, context_window = 128000}

US dollars per million tokens. What is not known is left out.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

from gateway.config.list_prices import ListedPrice, LongContextListedPrice, split_provider

PARTS = ("input", "output", "cached_input", "cache_write", "reasoning")
"""Members of an entry; a price has each as PART_usd_per_mtok."""


class ShippedPrices:
    """The shipped list. Prices of a provider alone: another one may charge another price for the same model."""

    def __init__(self, text: str | None = None) -> None:
        """text: of a price list; None for the shipped one."""
        if text is None:
            text = files("routing.catalogue").joinpath("prices.toml").read_text(encoding="utf-8")
        document = tomllib.loads(text, parse_float=Decimal)
        self.as_of = str(document.pop("date"))
        """Day of the list, ISO 8601."""
        self.origin = str(document.pop("origin"))
        self.sources: Mapping[str, str] = document.pop("sources")
        self._providers: Mapping[str, Mapping[str, dict[str, Any]]] = document

    def __call__(self, provider: str, model: str) -> ListedPrice | None:
        """Return the list price of a provider's model; None where the list has none."""
        provider, name = (provider, model) if provider else split_provider(model)
        row = self._providers.get(provider, {}).get(name)
        return None if row is None else _price(f"{provider}/{name}", row, self.as_of)

    def list_prices(self) -> Iterator[tuple[str, str, ListedPrice]]:
        """Yield provider, model and price of every entry."""
        for provider, rows in self._providers.items():
            for name, row in rows.items():
                yield provider, name, _price(f"{provider}/{name}", row, self.as_of)


def write_price_list(
    prices: Mapping[tuple[str, str], ListedPrice], day: date, origin: str, sources: Mapping[str, str]
) -> str:
    """Return the text of a price list. prices: by (provider, model)."""
    lines = [
        "# List prices in US dollars per million tokens, and context windows in tokens. Facts from the providers'",
        "# public price lists; `python -m benchmarks.list_prices` writes this file. What is not known is left out.",
        f"date = {_text(day.isoformat())}",
        f"origin = {_text(origin)}",
        "",
        "[sources]",
        *(f"{provider} = {_text(url)}" for provider, url in sorted(sources.items())),
    ]
    for provider in sorted({provider for provider, _ in prices}):
        rows = sorted((name, price) for (of, name), price in prices.items() if of == provider)
        lines += ["", f"[{provider}]", *(f"{_text(name)} = {{{_members(price)}}}" for name, price in rows)]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Return a TOML string: JSON's, where surrogates are no escapes and DEL is one."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _members(price: ListedPrice) -> str:
    parts = _parts(price)
    if price.long_context is not None:
        above = f"above = {price.long_context.above_tokens}"
        parts.append(f"long = {{{', '.join([above, *_parts(price.long_context)])}}}")
    if price.context_window is not None:
        parts.append(f"context_window = {price.context_window}")
    return ", ".join(parts)


def _parts(price: ListedPrice | LongContextListedPrice) -> list[str]:
    values = [(part, getattr(price, f"{part}_usd_per_mtok", None)) for part in PARTS]
    return [f"{part} = {value:f}" for part, value in values if value is not None]


def _price(name: str, row: Mapping[str, Any], as_of: str) -> ListedPrice:
    above = row.get("long")
    long = None if above is None else LongContextListedPrice(above["above"], **_amounts(above))
    return ListedPrice(name, **_amounts(row), long_context=long, context_window=row.get("context_window"), as_of=as_of)


def _amounts(row: Mapping[str, Any]) -> dict[str, Decimal]:
    return {f"{part}_usd_per_mtok": Decimal(row[part]) for part in PARTS if part in row}
