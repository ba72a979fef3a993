"""List prices inserted into the text of a configuration file; comments, order and variables are preserved.

YAML's parser marks the position of each node, which gives the place of the new line. Models with a `price` keep it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import yaml

from gateway.config.schema import AzureBackendConfig, BackendConfig, Config, LitellmBackendConfig, OpenAIBackendConfig
from gateway.errors import ConfigError

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
    """

    name: str
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    reasoning_usd_per_mtok: Decimal | None = None
    long_context: "LongContextListedPrice | None" = None

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


def lookup_price(backends: Sequence[BackendConfig], name: str, prices: PriceList) -> ListedPrice | None:
    """Return the first price found among a model's backends. name: the model's."""
    return next(filter(None, (_of_backend(backend, name, prices) for backend in backends)), None)


def models_without_price(config: Config, prices: PriceList) -> Mapping[str, ListedPrice | None]:
    """Return the models without a price, each with its list price or None."""
    return {
        model.name: lookup_price(model.backends, model.name, prices) for model in config.models if model.price is None
    }


def insert_prices(text: str, source: str, found: Mapping[str, ListedPrice]) -> str:
    """Return the text with a `price` for each of the models found. Raises ConfigError for a text without models."""
    lines = text.splitlines(keepends=True)
    for name, column, row, is_flow in sorted(_names(text, source), key=lambda place: place[2:0:-1], reverse=True):
        if name.value not in found:
            continue
        member = f"price: {found[name.value].to_yaml()}"
        if is_flow:
            at = name.end_mark.column
            lines[row] = f"{lines[row][:at]}, {member}{lines[row][at:]}"
        else:
            end = "" if lines[row].endswith("\n") else "\n"
            lines[row] += f"{end}{' ' * column}{member}\n"
    return "".join(lines)


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


def _names(text: str, source: str) -> Iterator[tuple[yaml.ScalarNode, int, int, bool]]:
    """Each model's name: its node, the column of the mapping's keys, the name's last line, True for a {} mapping."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    models = _member(root, "models")
    if not isinstance(models, yaml.SequenceNode):
        raise ConfigError(source, [("models", "expected a list of models")])
    for model in models.value:
        name = _member(model, "name")
        if isinstance(name, yaml.ScalarNode):
            yield name, model.start_mark.column, name.end_mark.line, bool(model.flow_style)


def _member(node: Any, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
