"""List prices of the chosen models."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.cli.price_list import open_price_list

if TYPE_CHECKING:
    from gateway.cli.init.providers import ChosenModel
    from gateway.config.list_prices import ListedPrice


def look_up(chosen: "Sequence[ChosenModel]") -> "Mapping[str, ListedPrice]":
    """Return the list price of every model whose provider has one, by the model's name in the configuration.

    By the provider's name: an endpoint that an option gives to a known provider is a proxy of it.
    """
    prices = open_price_list()
    found = {one.name: prices(one.provider.name, one.upstream) for one in chosen if not one.provider.is_local}
    return {name: price for name, price in found.items() if price is not None}


def describe_prices(chosen: "Sequence[ChosenModel]", prices: "Mapping[str, ListedPrice]") -> Iterator[str]:
    """Yield the lines that tell which models have a price, of which day, and what to do about the others."""
    days = ", ".join(sorted({price.as_of for price in prices.values()}))
    if prices:
        yield f"prices: list prices of {', '.join(prices)} ({days}); compare them with your contract"
    unknown = ", ".join(one.name for one in chosen if one.name not in prices)
    if unknown:
        yield f"prices: not known of {unknown}; their cost shows as unknown until models[].price is set"
