"""A task's preference for cheaper models, with costs by the tokens that its own responses took."""

from gateway.scorer.messages import TaskPolicy
from gateway.state.store import Store
from routing.decision import CostPreference

ENOUGH_REQUESTS = 20
"""Responses from which on a task's own tokens weigh prices; before, input and output weigh the same."""


def cost_preference(policy: TaskPolicy, store: Store, task: str | None) -> CostPreference | None:
    """Return a task's preference, None where it has none. task: None for inputs of no task. May raise StateError."""
    if policy.max_regret is None and policy.objective is None:
        return None
    quality, price = policy.objective or (1.0, 0.0)
    tokens = _tokens(store, task) if policy.prices and task is not None else None
    if tokens is None:
        return CostPreference(policy.max_regret, policy.costs, quality, price)
    share = tokens[0] / sum(tokens)
    costs = {model: share * into + (1 - share) * out for model, (into, out) in policy.prices.items()}
    return CostPreference(policy.max_regret, costs, quality, price, tokens)


def _tokens(store: Store, task: str) -> tuple[int, int] | None:
    """Return input and output tokens of the task's responses so far; None while they are few."""
    usage = list(store.usage_of([("task", task)]).values())
    into, out = sum(day.input_tokens for day in usage), sum(day.output_tokens for day in usage)
    return (into, out) if sum(day.requests for day in usage) >= ENOUGH_REQUESTS and into + out > 0 else None
