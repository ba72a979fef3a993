"""What a task would give for a cheaper model, with costs by the tokens that its own answers took."""

from gateway.scorer.messages import TaskPolicy
from gateway.state.store import Store
from routing.decision import CostPreference

ENOUGH_REQUESTS = 20
"""Answers from which on a task's own tokens weigh prices; before, both directions count alike."""


def cost_preference(policy: TaskPolicy, store: Store, task: str | None) -> CostPreference | None:
    """None where a task would give nothing. task: None for none of those that are known. May raise StateError."""
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
    """Input and output tokens of the task's answers so far; None while there are few."""
    spent = list(store.usage_of([("task", task)]).values())
    into, out = sum(day.input_tokens for day in spent), sum(day.output_tokens for day in spent)
    return (into, out) if sum(day.requests for day in spent) >= ENOUGH_REQUESTS and into + out > 0 else None
