"""The prices that litellm's package lists, read without asking anybody."""

import os
from decimal import Decimal
from typing import Any

from gateway.config.list_prices import ListedPrice

MTOK = Decimal(1_000_000)


class LitellmPrices:
    """litellm's map of models and prices, as it was when the installed version was made."""

    def __init__(self) -> None:
        """Imports litellm, which takes seconds."""
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or the import fetches the map from the net
        import litellm

        self._known: dict[str, dict[str, Any]] = litellm.model_cost

    def __call__(self, provider: str, model: str) -> ListedPrice | None:
        """See gateway.config.list_prices.PriceList."""
        provider, name = (provider, model) if provider else _parted(model)
        for key in (f"{provider}/{name}", name):
            about = self._known.get(key)
            if about is not None and _is_from(about, provider):
                return _listed(key, about)
        return None


def _parted(model: str) -> tuple[str, str]:
    """`anthropic/claude-…` as provider and name; what has no provider in it is OpenAI's."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else ("openai", model)


def _is_from(about: dict[str, Any], provider: str) -> bool:
    """Whether the row is this provider's: two of them may call a model the same, at different prices."""
    return str(about.get("litellm_provider", "")).split("-")[0].startswith(provider)


def _listed(key: str, about: dict[str, Any]) -> ListedPrice | None:
    costs = about.get("input_cost_per_token"), about.get("output_cost_per_token", 0)
    if not all(isinstance(cost, int | float) for cost in costs):
        return None
    given, taken = (_rounded(Decimal(str(cost)) * MTOK) for cost in costs)
    return ListedPrice(key, given, taken)


def _rounded(usd: Decimal) -> Decimal:
    """To a millionth of a dollar, without zeros at the end."""
    shown = format(usd.quantize(Decimal("1e-6")), "f").rstrip("0").rstrip(".")
    return Decimal(shown or "0")
