"""Which of the models that were found the configuration names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.cli.errors import OptionError
from gateway.cli.init.detect import DetectedProvider
from gateway.cli.init.providers import Provider

MOST_LOCAL = 20
SHOWN = 40


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model at a provider. name: what the configuration calls it."""

    name: str
    provider: Provider
    upstream: str


def select_by_name(found: Sequence[DetectedProvider], wanted: Sequence[str]) -> list[ChosenModel]:
    """Those that options name, MODEL or PROVIDER:MODEL. Raises OptionError for one that nobody has."""
    return _unique([_one(found, text) for text in wanted])


def select_defaults(found: Sequence[DetectedProvider]) -> list[ChosenModel]:
    """All that run on this machine, and of the others those known of a provider that it has."""
    return _unique([(one.provider, model) for one in found for model in _usual(one)])


def select_interactively(
    found: Sequence[DetectedProvider], say: Callable[[str], None], ask: Callable[[str, str], str]
) -> list[ChosenModel]:
    """Those that somebody at a terminal picks. ask: a question and the default answer. Raises OptionError."""
    pairs: list[tuple[Provider, str]] = []
    for one in found:
        usual = _usual(one)
        offered = list(dict.fromkeys([*usual, *sorted(one.models)]))[:SHOWN]
        say(f"{one.provider.name} ({one.provider.base_url})")
        for number, model in enumerate(offered, 1):
            say(f"  {number:>2}  {model}")
        default = ",".join(str(number) for number in range(1, len(usual) + 1)) or "none"
        picked = ask(f"which of {one.provider.name}'s, by comma; or names, or none", default)
        pairs += [(one.provider, model) for model in _picked(picked, offered, one)]
    return _unique(pairs)


def _usual(found: DetectedProvider) -> list[str]:
    if found.provider.is_local:
        return list(found.models[:MOST_LOCAL])
    known = [model for model in found.provider.models if model in found.models]
    return known or list(found.models[:2])


def _picked(text: str, offered: Sequence[str], found: DetectedProvider) -> list[str]:
    picked: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if part.isdigit() and 1 <= int(part) <= len(offered):
            picked.append(offered[int(part) - 1])
        elif part in found.models:
            picked.append(part)
        elif part and part != "none":
            raise OptionError(f"{part!r} is none of {found.provider.name}'s models; its list has {len(found.models)}")
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
    raise OptionError(f"--model {text}: no provider lists it; PROVIDER:MODEL names one, found are {known}")


def _unique(pairs: Sequence[tuple[Provider, str]]) -> list[ChosenModel]:
    """Names without spaces, each once: a model that two providers have carries the second one's name."""
    chosen: dict[str, ChosenModel] = {}
    for provider, model in dict.fromkeys(pairs):
        name = model.replace(" ", "-")
        if name in chosen:
            name = f"{provider.name}/{name}"
        chosen[name] = ChosenModel(name, provider, model)
    return list(chosen.values())
