"""What the configuration and the pack's manifest say of every task before any input has come.

Computed once for a configuration and a pack; the request path and the scorer both start from it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.config import Config
from gateway.config.schema import TaskConfig
from gateway.errors import ConfigError
from gateway.tasks.decision_table import Policies, Policy
from gateway.usage.ledger import Price
from gateway.vocabulary import COLD_START, PINNED, ROUTER_UNAVAILABLE
from routing.manifest import Manifest


def build_policies(config: Config, manifest: Manifest | None) -> Policies:
    """Raises ConfigError where a task has no candidate left."""
    sizes, charges = _sizes(config, manifest), build_prices(config, manifest)
    made = {name: _policy(config, task, manifest, sizes, charges) for name, task in config.tasks.items()}
    fault = "no candidate is known to be small and cheap enough"
    empty = [(f"tasks.{name}", fault) for name in made if not made[name].ranking]
    empty += [
        (f"tasks.{name}.max_regret", "takes score: auto, which knows how much a cheaper model may lose")
        for name, task in config.tasks.items()
        if task.max_regret is not None and (task.score or config.routing.score) != "auto"
    ]
    empty += [
        (f"tasks.{name}.objective", "max_regret says already what a cheaper model may lose: only one of them")
        for name, task in config.tasks.items()
        if task.objective is not None and task.max_regret is not None
    ]
    if empty:
        raise ConfigError("tasks", empty)
    return Policies(_policy(config, TaskConfig(), manifest, sizes, charges), made)


def models_not_in_pack(config: Config, manifest: Manifest) -> list[str]:
    """The configured models that the pack does not know: they are never chosen by score."""
    return [model.name for model in config.models if model.name not in manifest.model_names]


def _policy(
    config: Config,
    task: TaskConfig,
    manifest: Manifest | None,
    sizes: Mapping[str, float | None],
    charges: Mapping[str, Price],
) -> Policy:
    candidates = tuple(
        model.name
        for model in config.models
        if (task.candidates is None or model.name in task.candidates)
        and _fits(sizes[model.name], task.max_params_b)
        and _is_cheap(charges.get(model.name), task)
    )
    ranking = _ranked(candidates, manifest.on_average if manifest else ())
    fallbacks = tuple(name for name in task.fallbacks or () if name in candidates)
    first = task.pin or (ranking[0] if ranking else None)
    if first is not None and (task.pin or fallbacks):
        ranking = tuple(dict.fromkeys((first, *fallbacks, *ranking)))
    reason = PINNED if task.pin else COLD_START if manifest else ROUTER_UNAVAILABLE
    return Policy(
        candidates,
        ranking,
        reason,
        pin=task.pin is not None,
        input=task.input,
        shadow=task.shadow,
        fallbacks=fallbacks,
        score=task.score,
        **_thrift(config, task, candidates, sizes, charges),
        response_cache=task.cache,
        exploration=_exploration(config, task),
        keep_texts=config.routing.keep_texts if task.keep_texts is None else task.keep_texts,
    )


def _exploration(config: Config, task: TaskConfig) -> float:
    """None where requests go where somebody says, and not where evidence does."""
    if task.pin is not None or task.shadow:
        return 0.0
    return config.routing.exploration if task.exploration is None else task.exploration


def _thrift(
    config: Config,
    task: TaskConfig,
    candidates: Sequence[str],
    sizes: Mapping[str, float | None],
    charges: Mapping[str, Price],
) -> dict[str, Any]:
    """What a task would give for a cheaper model, and what models cost; nothing where it would give nothing."""
    objective = task.objective or config.routing.objective
    if task.max_regret is None and not objective.price:
        return {}
    return {
        "max_regret": task.max_regret,
        "objective": None if task.max_regret is not None else (objective.quality, objective.price),
        "costs": _costs(candidates, sizes, charges),
        "prices": {
            name: (float(charges[name].input_usd_per_mtok), float(charges[name].output_usd_per_mtok))
            for name in candidates
            if name in charges
        },
    }


def _costs(
    candidates: Sequence[str], sizes: Mapping[str, float | None], charges: Mapping[str, Price]
) -> Mapping[str, float]:
    """What candidates cost beside each other: prices, mean of both directions; sizes, where no price is known."""
    priced = {name: charges[name] for name in candidates if name in charges}
    if priced:
        return {name: float(one.input_usd_per_mtok + one.output_usd_per_mtok) / 2 for name, one in priced.items()}
    known = {name: sizes[name] for name in candidates}
    return {name: size for name, size in known.items() if size is not None}


def _ranked(candidates: Sequence[str], on_average: Sequence[str]) -> tuple[str, ...]:
    known = [name for name in on_average if name in candidates]
    return (*known, *(name for name in candidates if name not in known))


def _fits(size: float | None, largest: float | None) -> bool:
    """A model of unknown size fits no limit: whoever sets one hates surprises."""
    return largest is None or (size is not None and size <= largest)


def _is_cheap(price: Price | None, task: TaskConfig) -> bool:
    """A model of unknown price fits no limit."""
    most = task.max_input_usd_per_mtok, task.max_output_usd_per_mtok
    if most == (None, None):
        return True
    if price is None:
        return False
    asked = price.input_usd_per_mtok, price.output_usd_per_mtok
    return all(limit is None or charge <= limit for charge, limit in zip(asked, most, strict=True))


def _sizes(config: Config, manifest: Manifest | None) -> dict[str, float | None]:
    """Billions of parameters of every configured model: the configuration's figure, else the pack's."""
    packed = {model.name: model.params_b for model in manifest.models} if manifest else {}
    return {model.name: model.params_b or packed.get(model.name) for model in config.models}


def build_prices(config: Config, manifest: Manifest | None) -> Mapping[str, Price]:
    """Of the models whose price is known: the configuration's, else the pack's."""
    found: dict[str, Price] = {}
    for packed in manifest.models if manifest else ():
        if packed.input_usd_per_mtok is not None and packed.output_usd_per_mtok is not None:
            found[packed.name] = Price(
                Decimal(str(packed.input_usd_per_mtok)), Decimal(str(packed.output_usd_per_mtok))
            )
    for model in config.models:
        if model.price is not None:
            found[model.name] = Price(model.price.input_usd_per_mtok, model.price.output_usd_per_mtok)
    return found
