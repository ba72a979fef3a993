"""Policies of tasks, and prices of models, from the configuration and the pack's manifest.

Computed once for a configuration and a pack; the request path and the scorer both use them.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.config import Config
from gateway.config.exclusions import BOTH_GOALS
from gateway.config.schema import TaskConfig
from gateway.errors import ConfigError
from gateway.tasks.decision_table import Policies, Policy
from gateway.usage.prices import Price
from gateway.vocabulary import COLD_START, NO_PACK, PAPER_SCORES, PINNED
from routing.manifest import Manifest
from routing.recommendation import AUTO_DATA, dataset_fault


def build_policies(config: Config, manifest: Manifest | None) -> Policies:
    """Return all policies. Raises ConfigError for a task without candidates, or with conflicting settings."""
    sizes, prices = _sizes(config, manifest), build_prices(config, manifest)
    policies = {name: _policy(config, task, manifest, sizes, prices) for name, task in config.tasks.items()}
    fault = "no candidate fits the limits on size and price; an unknown size or price fits none"
    faults = [(f"tasks.{name}", fault) for name in policies if not policies[name].ranking]
    faults += [fault for name, task in config.tasks.items() for fault in _conflicts(config, f"tasks.{name}", task)]
    if faults:
        raise ConfigError("tasks", faults)
    return Policies(_policy(config, TaskConfig(), manifest, sizes, prices), policies)


def _conflicts(config: Config, path: str, task: TaskConfig) -> Iterator[tuple[str, str]]:
    """Yield settings of a task that exclude each other."""
    score = task.score or config.routing.score
    if task.max_regret is not None and task.dataset is None and score in PAPER_SCORES:
        reason = "requires `score: auto` or `recommended`: only auto estimates the loss of a cheaper model"
        yield f"{path}.max_regret", reason
    if task.objective is not None and task.max_regret is not None:
        yield f"{path}.objective", BOTH_GOALS
    if task.dataset is not None and task.score in PAPER_SCORES:
        reason = f"conflicts with `score: {task.score}`: a task that is a dataset is scored by auto"
        yield f"{path}.dataset", reason


def unknown_datasets(config: Config, manifest: Manifest | None) -> Mapping[str, str]:
    """Return, by task, why the dataset that it names has no effect; a pack without it is no fault of the others."""
    if manifest is None:
        return {}
    named = {name: task.dataset for name, task in config.tasks.items() if task.dataset is not None}
    faults = {name: dataset_fault(manifest, dataset, AUTO_DATA in manifest.files) for name, dataset in named.items()}
    return {name: f"tasks.{name}.dataset has no effect: {fault}" for name, fault in faults.items() if fault is not None}


def models_not_in_pack(config: Config, manifest: Manifest) -> list[str]:
    """Return the configured models of kind chat that are not in the pack: they are never chosen by score."""
    return [model.name for model in config.models if model.kind == "chat" and model.name not in manifest.model_names]


def _policy(
    config: Config,
    task: TaskConfig,
    manifest: Manifest | None,
    sizes: Mapping[str, float | None],
    prices: Mapping[str, Price],
) -> Policy:
    wanted = None if task.candidates is None else frozenset(task.candidates)
    candidates = tuple(
        model.name
        for model in config.models
        if model.kind == "chat"
        and (wanted is None or model.name in wanted)
        and _fits_size(sizes[model.name], task.max_params_b)
        and _fits_price(prices.get(model.name), task)
    )
    ranking = _rank(candidates, manifest.on_average if manifest else ())
    fallbacks = tuple(name for name in task.fallbacks or () if name in candidates)
    first = task.pin or (ranking[0] if ranking else None)
    if first is not None and (task.pin or fallbacks):
        ranking = tuple(dict.fromkeys((first, *fallbacks, *ranking)))
    # Of no model that could be chosen is anything measured: the first of the configuration is no best on average.
    is_measured = manifest is not None and any(name in manifest.on_average for name in candidates)
    reason = PINNED if task.pin else COLD_START if is_measured else NO_PACK
    return Policy(
        candidates,
        ranking,
        reason,
        pin=task.pin is not None,
        input=task.input,
        shadow=task.shadow,
        fallbacks=fallbacks,
        score=task.score,
        dataset=task.dataset,
        **_cost_preference(config, task, candidates, sizes, prices),
        response_cache=task.cache,
        exploration=_exploration(config, task),
        embedding_model=task.embedding_model or _embedding_model(config),
        keep_texts=config.routing.keep_texts if task.keep_texts is None else task.keep_texts,
    )


def _embedding_model(config: Config) -> str | None:
    """Return the gateway's model for embeddings: the configured one, else the only one of that kind."""
    listed = [model.name for model in config.models if model.kind == "embedding"]
    return config.routing.embedding_model or (listed[0] if len(listed) == 1 else None)


def _exploration(config: Config, task: TaskConfig) -> float:
    """Return the share of explored requests: 0 for a task whose model is fixed, which no evidence can change."""
    if task.pin is not None or task.shadow:
        return 0.0
    return config.routing.exploration if task.exploration is None else task.exploration


def _cost_preference(
    config: Config,
    task: TaskConfig,
    candidates: Sequence[str],
    sizes: Mapping[str, float | None],
    prices: Mapping[str, Price],
) -> dict[str, Any]:
    """Return the settings of a task that prefers cheaper models; empty for a task that does not."""
    objective = task.objective or config.routing.objective
    if task.max_regret is None and not objective.price:
        return {}
    return {
        "max_regret": task.max_regret,
        "objective": None if task.max_regret is not None else (objective.quality, objective.price),
        "costs": _costs(candidates, sizes, prices),
        "prices": {
            name: (float(prices[name].input_usd_per_mtok), float(prices[name].output_usd_per_mtok))
            for name in candidates
            if name in prices
        },
    }


def _costs(
    candidates: Sequence[str], sizes: Mapping[str, float | None], prices: Mapping[str, Price]
) -> Mapping[str, float]:
    """Return relative costs: the mean of input and output price; parameters, where no price is known."""
    priced = {name: prices[name] for name in candidates if name in prices}
    if priced:
        return {name: float(price.input_usd_per_mtok + price.output_usd_per_mtok) / 2 for name, price in priced.items()}
    known = {name: sizes[name] for name in candidates}
    return {name: size for name, size in known.items() if size is not None}


def _rank(candidates: Sequence[str], on_average: Sequence[str]) -> tuple[str, ...]:
    listed = frozenset(candidates)
    return tuple(dict.fromkeys((*(name for name in on_average if name in listed), *candidates)))


def _fits_size(size: float | None, limit: float | None) -> bool:
    """Return True if a size is within the limit. An unknown size is within none."""
    return limit is None or (size is not None and size <= limit)


def _fits_price(price: Price | None, task: TaskConfig) -> bool:
    """Return True if a price is within the task's limits. An unknown price is within none."""
    limits = task.max_input_usd_per_mtok, task.max_output_usd_per_mtok
    if limits == (None, None):
        return True
    if price is None:
        return False
    both = price.input_usd_per_mtok, price.output_usd_per_mtok
    return all(limit is None or amount <= limit for amount, limit in zip(both, limits, strict=True))


def _sizes(config: Config, manifest: Manifest | None) -> dict[str, float | None]:
    """Return every configured model's parameters in billions: the configuration's number, else the pack's."""
    packed = {model.name: model.params_b for model in manifest.models} if manifest else {}
    return {model.name: model.params_b or packed.get(model.name) for model in config.models}


def build_prices(config: Config, manifest: Manifest | None) -> Mapping[str, Price]:
    """Return the price of every model that has one: the configuration's, else the pack's."""
    found: dict[str, Price] = {}
    for packed in manifest.models if manifest else ():
        if packed.input_usd_per_mtok is not None and packed.output_usd_per_mtok is not None:
            found[packed.name] = Price(
                Decimal(str(packed.input_usd_per_mtok)), Decimal(str(packed.output_usd_per_mtok))
            )
    for model in config.models:
        if model.price is not None:
            found[model.name] = Price.from_config(model.price)
    return found
