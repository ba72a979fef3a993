"""The gain of routing as it was measured: scores of the task's model and of the best model on average."""

from statistics import fmean

from gateway.scorer.task_labels import TaskLabels

MIN_LABELLED, MIN_RATED = 5, 10
"""Labelled inputs with both models' outcomes, and feedback scores of each model, from which on a gain is told."""


def measured_gain(labels: TaskLabels | None, model: str, baseline: str | None) -> float | None:
    """Return the mean measured score of a model minus that of the baseline; None without enough scores of both.

    By the inputs that are labelled for both, where there are enough: the same inputs make the fairer comparison.
    """
    if labels is None or baseline is None or model == baseline:
        return None
    rows = labels.outcomes.values()
    paired = [row[model] - row[baseline] for row in rows if model in row and baseline in row]
    if len(paired) >= MIN_LABELLED:
        return fmean(paired)
    rated: dict[str, list[float]] = {model: [], baseline: []}
    for one in labels.ratings.by_request.values():
        if one.context.model in rated:
            rated[one.context.model].append(one.score)
    if min(map(len, rated.values())) < MIN_RATED:
        return None
    return fmean(rated[model]) - fmean(rated[baseline])
