"""Providers with OpenAI's API: known ones, those that are available, and the models to configure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.cli.errors import OptionError
from gateway.cli.init.kinds import guess_kind
from gateway.cli.probe import ProbeResult, ProbeTarget, probe_endpoints
from gateway.config.fields import ModelKind


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider with OpenAI's API.

    Attributes:
        variable: environment variable with the key; None if no key is needed.
        models: offered if the provider's own list is not available.
        speaks_messages: it also serves Anthropic's /v1/messages.
    """

    name: str
    base_url: str
    variable: str | None = None
    models: tuple[str, ...] = ()
    speaks_messages: bool = False

    @property
    def is_local(self) -> bool:
        """True for a server on this machine: all of its models are used, since its user has selected them."""
        return self.variable is None


HOSTED = (
    Provider("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", ("gpt-4o", "gpt-4o-mini")),
    Provider(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        ("claude-sonnet-4-5", "claude-haiku-4-5"),
        speaks_messages=True,
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        ("gemini-2.5-pro", "gemini-2.5-flash"),
    ),
    Provider(
        "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", ("mistral-large-latest", "mistral-small-latest")
    ),
    Provider("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", ("deepseek-chat", "deepseek-reasoner")),
    Provider(
        "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", ("llama-3.3-70b-versatile", "llama-3.1-8b-instant")
    ),
    Provider("xai", "https://api.x.ai/v1", "XAI_API_KEY", ("grok-4", "grok-3-mini")),
    Provider("together_ai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    Provider("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    Provider("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ("openrouter/auto",)),
)
"""In the order of the configuration. Their names are those of providers in the price lists."""

LOCAL = (
    Provider("ollama", "http://127.0.0.1:11434/v1"),
    Provider("vllm", "http://127.0.0.1:8000/v1"),
    Provider("lmstudio", "http://127.0.0.1:1234/v1"),
    Provider("llamacpp", "http://127.0.0.1:8080/v1"),
    Provider("benchroute-demo", "http://127.0.0.1:8101/v1"),
)
"""Default ports of model servers."""


REJECTED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class DetectedProvider:
    """A provider that is available.

    Attributes:
        models: as the provider lists them, else the known ones.
        remark: the problem, if there is one.
    """

    provider: Provider
    models: tuple[str, ...]
    remark: str = ""


def detect_providers(
    providers: Sequence[Provider],
    environment: Mapping[str, str],
    done: Callable[[int, int], None],
    timeout_s: float,
) -> list[DetectedProvider]:
    """Return the providers with a key in the environment or a server on this machine, in the order given."""
    candidates = [one for one in providers if one.variable is None or environment.get(one.variable, "").strip()]
    endpoints = {one: _endpoint(one, environment) for one in candidates}
    probed = probe_endpoints(list(endpoints.values()), done, timeout_s)
    found = (_found(one, probed[endpoints[one]]) for one in candidates)
    return [one for one in found if one is not None]


def _endpoint(provider: Provider, environment: Mapping[str, str]) -> ProbeTarget:
    return ProbeTarget(provider.base_url, environment[provider.variable].strip() if provider.variable else None)


def _found(provider: Provider, probed: ProbeResult) -> DetectedProvider | None:
    if provider.is_local and not probed.models:
        return None
    if probed.status in REJECTED:
        return DetectedProvider(provider, provider.models, f"the key in {provider.variable} is rejected")
    if probed.models is None:
        reason = probed.error or f"/models returned {probed.status}"
        return DetectedProvider(provider, provider.models, f"its models cannot be listed: {reason}")
    # Google lists its models as `models/gemini-…`, and takes the plain name, which its documentation uses.
    return DetectedProvider(provider, tuple(dict.fromkeys(name.removeprefix("models/") for name in probed.models)))


MOST_LOCAL = 20
SHOWN = 40


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model to configure. name: in the configuration. upstream: at the provider."""

    name: str
    provider: Provider
    upstream: str

    @property
    def kind(self) -> ModelKind:
        """Kind of the model, by its name."""
        return guess_kind(self.upstream)


def select_by_name(found: Sequence[DetectedProvider], wanted: Sequence[str]) -> list[ChosenModel]:
    """Return the models that options name, MODEL or PROVIDER:MODEL. Raises OptionError if no provider has one."""
    return _unique([_one(found, text) for text in wanted])


def select_defaults(found: Sequence[DetectedProvider]) -> list[ChosenModel]:
    """Return all models on this machine, and each provider's usual models."""
    return _unique([(one.provider, model) for one in found for model in _usual(one)])


def select_interactively(
    found: Sequence[DetectedProvider], say: Callable[[str], None], ask: Callable[[str, str], str]
) -> list[ChosenModel]:
    """Return the models that the user picks. ask: called with a question and its default. Raises OptionError."""
    pairs: list[tuple[Provider, str]] = []
    for one in found:
        usual = _usual(one)
        offered = list(dict.fromkeys([*usual, *sorted(one.models)]))[:SHOWN]
        say(f"{one.provider.name} ({one.provider.base_url})")
        for number, model in enumerate(offered, 1):
            say(f"  {number:>2}  {model}")
        default = ",".join(str(number) for number in range(1, len(usual) + 1)) or "none"
        picked = ask(f"models of {one.provider.name}: numbers or names, comma-separated, or none", default)
        pairs += [(one.provider, model) for model in _picked(picked, offered, one)]
    return _unique(pairs)


def _usual(found: DetectedProvider) -> list[str]:
    if found.provider.is_local:
        return list(found.models[:MOST_LOCAL])
    known = [model for model in found.provider.models if model in found.models]
    return known or [model for model in found.models if guess_kind(model) == "chat"][:2]


def _picked(text: str, offered: Sequence[str], found: DetectedProvider) -> list[str]:
    picked: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if part.isdigit() and 1 <= int(part) <= len(offered):
            picked.append(offered[int(part) - 1])
        elif part in found.models:
            picked.append(part)
        elif part and part != "none":
            raise OptionError(f"unknown model {part!r} of {found.provider.name}, which lists {len(found.models)}")
    return picked


def _one(found: Sequence[DetectedProvider], text: str) -> tuple[Provider, str]:
    provider, colon, model = text.partition(":")
    for one in found:
        if colon and one.provider.name == provider:
            return one.provider, model
    for one in found:
        if text in one.models:
            return one.provider, text
    known = ", ".join(one.provider.name for one in found) or "none"
    raise OptionError(f"--model {text}: no provider lists it; use PROVIDER:MODEL with one of: {known}")


def _unique(pairs: Sequence[tuple[Provider, str]]) -> list[ChosenModel]:
    """Unique names without spaces: the second provider of a model prefixes its own name."""
    chosen: dict[str, ChosenModel] = {}
    for provider, model in dict.fromkeys(pairs):
        name = model.replace(" ", "-")
        if name in chosen:
            name = f"{provider.name}/{name}"
        chosen[name] = ChosenModel(name, provider, model)
    return list(chosen.values())
