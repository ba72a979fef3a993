"""The price lists at hand: litellm's where its package is installed, and the shipped one."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.list_prices import PriceList


def open_price_list(path: Path | None = None) -> "PriceList":
    """Return a look-up of list prices. path: of a file in litellm's format, in place of both lists.

    litellm's list comes first: its package can be newer, and has more providers. Raises ConfigError for another file.
    """
    from gateway.config.shipped_prices import ShippedPrices
    from gateway.upstream.litellm_prices import LitellmPrices

    if path is not None:
        return LitellmPrices(path)
    shipped = ShippedPrices()
    try:
        installed = LitellmPrices()
    except ModuleNotFoundError:
        return shipped
    return lambda provider, model: installed(provider, model) or shipped(provider, model)
