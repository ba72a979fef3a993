"""Explanation of `auto`'s expectations, as numbers from which they can be recomputed.

    new      = level + average + sum over views of strength * departure
    prior    = sum over datasets of probability * share * accuracy there + rest + (1 - known) * new
    p_better = Phi(lead / deviation),   lead = expected(leader) - expected(baseline)

expected is the prior without labels and feedback scores, and the posterior mean with them. It is shown in [0, 1] (see
`reported_accuracy`); the terms of sums and the lead are not bounded, since they would not add up.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from routing.arrays import Floats
from routing.auto.fit import LEVEL, MIN_WEIGHT, AutoFit
from routing.auto.membership import TaskMembership
from routing.auto.posterior import AccuracyPosterior, reported_accuracy
from routing.auto.views import VIEWS

MAX_DATASETS = 5


def explain_fit(
    fit: AutoFit,
    centre: Floats,
    near: Floats,
    posterior: AccuracyPosterior,
    datasets: Sequence[str],
    pair: tuple[int, int],
) -> dict[str, Any]:
    """Return the explanation, ready for JSON. centre, near: as AutoFit.prior_accuracy takes them. pair: leader,
    baseline.
    """
    weights = fit.view_weights(centre)
    order = np.argsort(-weights, kind="stable")[:MAX_DATASETS]
    prior, new = fit.prior_accuracies(np.array([centre] * 2), np.array([near] * 2), (posterior.membership, None))
    # Views without strength contribute nothing to the prior and are left out.
    trusted = [(view, float(s)) for view, s in zip(VIEWS, fit.strengths, strict=True) if s > 0]
    departures = fit.departures_from_average([view for view, _ in trusted], centre, near)
    names = ("leader", "baseline")
    return {
        "level": float(fit.evaluator.for_task(centre, LEVEL) @ fit.levels),
        "average": _pair(names, fit.average, pair),
        "views": [
            {"view": str(view), "strength": s, **_pair(names, departure, pair)}
            for (view, s), departure in zip(trusted, departures, strict=True)
        ],
        "trust": float(fit.strengths.sum()),
        "datasets": [{"dataset": datasets[place], "weight": float(weights[place])} for place in order],
        "membership": _membership(fit, posterior.membership, datasets, pair),
        "new": _pair(names, new.mean, pair),
        "prior": _pair(names, prior.mean, pair),
        "labels": posterior.n_labels,
        "judged": [asdict(one) for one in posterior.judged],
        "feedback": _feedback(names, posterior, pair),
        "expected": _pair(names, reported_accuracy(posterior.mean), pair),
        "lead": float(posterior.mean[pair[0]] - posterior.mean[pair[1]]),
        "deviation": posterior.standard_deviation(*pair),
    }


def _membership(
    fit: AutoFit, membership: TaskMembership | None, datasets: Sequence[str], pair: tuple[int, int]
) -> dict[str, Any] | None:
    """Return the datasets that the task's inputs match, most probable first, and the two models' accuracies there."""
    if membership is None or fit.members is None:
        return None
    names, weights = ("leader", "baseline"), membership.weights
    accuracies = fit.levels[:, None] + fit.members.means
    order = [place for place in np.argsort(-weights, kind="stable")[:MAX_DATASETS] if weights[place] > MIN_WEIGHT]
    return {
        "known": membership.probability_known,
        "datasets": [
            {
                "dataset": datasets[place],
                "probability": float(membership.probabilities[place]),
                "share": float(membership.shares[place]),
                **_pair(names, accuracies[place], pair),
            }
            for place in order
        ],
        "rest": _pair(names, np.delete(weights, order) @ np.delete(accuracies, order, axis=0), pair),
    }


def _pair(names: tuple[str, str], values: Floats, pair: tuple[int, int]) -> dict[str, float]:
    return {name: float(values[place]) for name, place in zip(names, pair, strict=True)}


def _feedback(names: tuple[str, str], posterior: AccuracyPosterior, pair: tuple[int, int]) -> dict[str, Any] | None:
    """Return the number of feedback scores, and for the two models their number and plain mean; None without any."""
    found = posterior.feedback
    if found is None:
        return None
    by_name = {name: found.for_model(place) for name, place in zip(names, pair, strict=True)}
    return {"n": found.n, **{name: {"n": n, "mean": mean} for name, (n, mean) in by_name.items()}}
