"""List prices of a configuration's models, looked up by the providers of their backends."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from urllib.parse import urlsplit

from gateway.config.schema import AzureBackendConfig, BackendConfig, Config, LitellmBackendConfig, OpenAIBackendConfig

HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks_ai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
    "generativelanguage.googleapis.com": "gemini",
    "openrouter.ai": "openrouter",
}
"""Providers by the host of their endpoint. Other hosts have unknown prices, whatever their models are called."""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """A list price, US dollars per million tokens.

    Attributes:
        name: its entry in the price list.
        cached_input_usd_per_mtok: None where the list has no price of its own for it; likewise the others.
        context_window: tokens of input, None where the list has none.
        as_of: the list's day (ISO 8601), or its name and version.
    """

    name: str
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    reasoning_usd_per_mtok: Decimal | None = None
    long_context: "LongContextListedPrice | None" = None
    context_window: int | None = None
    as_of: str = ""

    def to_yaml(self) -> str:
        """Return the value of `price` as one line of YAML."""
        parts = [f"{name}: {value:f}" for name, value in _known_prices(self)]
        if self.long_context is not None:
            parts.append(f"long_context: {self.long_context.to_yaml()}")
        return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True, slots=True)
class LongContextListedPrice:
    """List price of requests with more than `above_tokens` of input, US dollars per million tokens."""

    above_tokens: int
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None

    def to_yaml(self) -> str:
        """Return the value of `long_context` as YAML."""
        parts = [f"above_tokens: {self.above_tokens}", *(f"{name}: {value:f}" for name, value in _known_prices(self))]
        return f"{{{', '.join(parts)}}}"


def _known_prices(price: "ListedPrice | LongContextListedPrice") -> list[tuple[str, Decimal]]:
    values = [(field.name, getattr(price, field.name)) for field in fields(price)]
    return [(name, value) for name, value in values if isinstance(value, Decimal)]


PriceList = Callable[[str, str], ListedPrice | None]
"""Looks up a price by provider ("" if the model's name includes it) and model."""


def split_provider(model: str) -> tuple[str, str]:
    """Return the provider and the name in `anthropic/claude-…`; a name without a provider is OpenAI's."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else ("openai", model)


def lookup_price(backends: Sequence[BackendConfig], name: str, prices: PriceList) -> ListedPrice | None:
    """Return the first price found among a model's backends. name: the model's."""
    return next(filter(None, (_of_backend(backend, name, prices) for backend in backends)), None)


def models_without_price(
    config: Config, prices: PriceList, also: Collection[str] = ()
) -> Mapping[str, ListedPrice | None]:
    """Return the models without a price, and those in `also`, each with its list price or None."""
    return {
        model.name: lookup_price(model.backends, model.name, prices)
        for model in config.models
        if model.price is None or model.name in also
    }


def _of_backend(backend: BackendConfig, name: str, prices: PriceList) -> ListedPrice | None:
    if isinstance(backend, LitellmBackendConfig):
        return prices("", backend.model)
    if isinstance(backend, AzureBackendConfig):
        # A deployment's name is its owner's choice; where it is a model's too, Azure has a price for it.
        return prices("azure", backend.model or name)
    if not isinstance(backend, OpenAIBackendConfig):
        return None
    provider = HOSTS.get(urlsplit(backend.base_url).hostname or "")
    return prices(provider, backend.model or name) if provider else None
