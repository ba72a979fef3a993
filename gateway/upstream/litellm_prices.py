"""List prices from litellm's package, read without the network and without importing it, which takes seconds."""

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gateway.config.list_prices import ListedPrice, LongContextListedPrice, split_provider
from gateway.errors import ConfigError

MTOK = Decimal(1_000_000)

ANSWERING = ("chat", "completion", "responses")
"""Modes of models that are paid for their output."""

_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


PRICE_FILE = "model_prices_and_context_window_backup.json"


class LitellmPrices:
    """litellm's map of models and prices, as it was when the installed version was made."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the map. path: of a file in its format, in place of the package's.

        Raises ModuleNotFoundError if litellm is not installed, ConfigError for another file.
        """
        self.as_of = path.name if path is not None else f"litellm {_version()}"
        """Name of the list."""
        self.rows: dict[str, dict[str, Any]] = _with_aliases(_read_rows(path or _package_file()))

    def list_prices(self) -> Iterator[tuple[str, str, ListedPrice | None]]:
        """Yield provider, name and price of every model; None where the map has no price by tokens."""
        for name, row in self.rows.items():
            yield str(row.get("litellm_provider", "")), name, read_row(name, row)

    def __call__(self, provider: str, model: str) -> ListedPrice | None:
        """Return the list price of a provider's model, None where litellm has none."""
        provider, name = (provider, model) if provider else split_provider(model)
        for key in (f"{provider}/{name}", name):
            row = self.rows.get(key)
            if row is not None and _is_from(row, provider):
                price = read_row(key, row)
                return price and replace(price, as_of=self.as_of)
        return None


def _version() -> str:
    try:
        return version("litellm")
    except PackageNotFoundError:
        raise ModuleNotFoundError("litellm is not installed", name="litellm") from None


def _package_file() -> Path:
    package = importlib.util.find_spec("litellm")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("litellm is not installed", name="litellm")
    return Path(package.origin).parent / PRICE_FILE


def _read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file. Raises ConfigError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), [("", f"cannot be read as a price list: {error}")]) from error
    if not isinstance(document, dict) or not all(isinstance(row, dict) for row in document.values()):
        fault = "expected an object of objects, as litellm's model_prices_and_context_window.json"
        raise ConfigError(str(path), [("", fault)])
    return document


def _with_aliases(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the rows with those of aliases in their place: a row with `alias_of`, or names in a row's `aliases`."""
    found = {alias: row for row in rows.values() for alias in row.get("aliases", ())}
    found |= {name: rows.get(row.get("alias_of", name), row) for name, row in rows.items()}
    return found


def _is_from(row: dict[str, Any], provider: str) -> bool:
    """Return whether a row is this provider's: two of them may use one name at different prices."""
    return str(row.get("litellm_provider", "")).split("-")[0].startswith(provider)


def read_row(key: str, row: dict[str, Any]) -> ListedPrice | None:
    """Return the price of a row of litellm's model_prices_and_context_window.json; None where it is not known."""
    input_usd, output_usd = _price(row, "input_cost_per_token"), _price(row, "output_cost_per_token")
    # The list has 0 where a price is not known, and no output's price where a model has no output by tokens.
    is_known = input_usd is not None and (output_usd is not None or row.get("mode") not in ANSWERING)
    if input_usd is None or not is_known or not (input_usd or output_usd):
        return None
    return ListedPrice(
        key,
        input_usd,
        output_usd or Decimal(0),
        _price(row, "cache_read_input_token_cost"),
        _price(row, "cache_creation_input_token_cost"),
        _price(row, "output_cost_per_reasoning_token"),
        _long_context(row, input_usd, output_usd or Decimal(0)),
        _tokens(row),
    )


def _tokens(row: dict[str, Any]) -> int | None:
    """Return the tokens that a request may have."""
    found = row.get("max_input_tokens")
    return found if isinstance(found, int) and found > 0 else None


def _long_context(row: dict[str, Any], input_usd: Decimal, output_usd: Decimal) -> LongContextListedPrice | None:
    """Return the price of long prompts: input_cost_per_token_above_200k_tokens and its like, the lowest limit's."""
    limits = sorted(int(found[1]) for name in row if (found := _ABOVE.fullmatch(name)))
    if not limits:
        return None
    # A few models have two limits (128k, 200k); the first is where a caller's costs begin to differ.
    suffix = f"_above_{limits[0]}k_tokens"
    return LongContextListedPrice(
        1000 * limits[0],
        _price(row, f"input_cost_per_token{suffix}") or input_usd,
        _price(row, f"output_cost_per_token{suffix}") or output_usd,
        _price(row, f"cache_read_input_token_cost{suffix}"),
        _price(row, f"cache_creation_input_token_cost{suffix}"),
    )


def _price(row: dict[str, Any], name: str) -> Decimal | None:
    cost = row.get(name)
    is_number = isinstance(cost, int | float) and not isinstance(cost, bool)
    return _rounded(Decimal(str(cost)) * MTOK) if is_number else None


def _rounded(usd: Decimal) -> Decimal:
    """Round to a millionth of a dollar, without zeros at the end."""
    shown = format(usd.quantize(Decimal("1e-6")), "f").rstrip("0").rstrip(".")
    return Decimal(shown or "0")
