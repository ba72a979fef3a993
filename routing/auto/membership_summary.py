"""Membership of a task in the benchmark's datasets, in words and as numbers: a dataset, a mixture, or new.

accuracy of a model on a dataset = its measured outcomes there, shrunk (routing.auto.member_rows)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from routing.auto.fit import AutoFit
from routing.auto.membership import TaskMembership
from routing.auto.posterior import AccuracyPosterior
from routing.auto.twins import find_twins

MIN_KNOWN, MIN_MIXED = 0.5, 0.5
"""Probability below which a task counts as new, and of a known one, below which it counts as a single dataset."""
MIN_SHARE, WHOLE_SHARE, MAX_NAMED = 0.1, 0.9, 3
"""Share of the inputs from which a dataset is named, and from which it is named alone; datasets named at most."""

MembershipKind = Literal["declared", "dataset", "mixture", "new"]


@dataclass(frozen=True, slots=True)
class DatasetMatch:
    """A dataset that some of a task's inputs match.

    Attributes:
        dataset: its name.
        share: of a mixture's inputs, in [0, 1]; of a task that is a single dataset, the probability of this one.
        probability: that these are the dataset's own, in [0, 1].
        best: the candidate with the highest accuracy there.
        accuracy: of that candidate, in [0, 1].
        chosen_accuracy: of the chosen model, in [0, 1].
    """

    dataset: str
    share: float
    probability: float
    best: str
    accuracy: float
    chosen_accuracy: float


@dataclass(frozen=True, slots=True)
class TwinNote:
    """A matched dataset and another that the embedder cannot tell from it.

    Attributes:
        dataset, twin: names of the two.
        best, twin_best: the best candidate of each, which differ.
    """

    dataset: str
    twin: str
    best: str
    twin_best: str


@dataclass(frozen=True, slots=True)
class MembershipSummary:
    """Membership of a task, for display.

    Attributes:
        kind: what the task is.
        text: one or two sentences.
        known: probability that an input is from one of the datasets.
        datasets: matches, the largest share first; for a new task, the dataset that fits best.
        twins: pairs of which one matches; none for a declared task, or where labels have told them apart.
    """

    kind: MembershipKind
    text: str
    known: float
    datasets: tuple[DatasetMatch, ...]
    twins: tuple[TwinNote, ...] = ()


def summarise_membership(
    fit: AutoFit,
    posterior: AccuracyPosterior,
    datasets: Sequence[str],
    models: Sequence[str],
    chosen: str,
    declared: str | None = None,
) -> MembershipSummary | None:
    """Return the membership that a posterior includes; None for a pack that cannot tell.

    datasets: names of all. models: the candidates. chosen: the chosen one. declared: the dataset that the task is
    declared to be.
    """
    membership = posterior.membership
    if membership is None or fit.members is None:
        return None
    accuracies = np.clip(fit.levels[:, None] + fit.members.means, 0.0, 1.0)
    at = models.index(chosen)

    def match(place: int) -> DatasetMatch:
        best = int(accuracies[place].argmax())
        return DatasetMatch(
            datasets[place],
            float(membership.shares[place]),
            float(membership.probabilities[place]),
            models[best],
            float(accuracies[place, best]),
            float(accuracies[place, at]),
        )

    kind, named = _classify(membership, declared is not None)
    found = tuple(match(place) for place in named)
    twins = () if declared is not None or posterior.effective_labels >= 1 else _twins(fit, named, datasets, models)
    known = membership.probability_known
    text = " ".join([_describe(kind, found, known, chosen), *map(_describe_twins, twins)])
    return MembershipSummary(kind, text, known, found, twins)


def _classify(membership: TaskMembership, is_declared: bool) -> tuple[MembershipKind, list[int]]:
    """Return the kind, and the places of the datasets to name."""
    order = [int(place) for place in np.argsort(-membership.weights, kind="stable")]
    if is_declared:
        return "declared", order[:1]
    if membership.probability_known < MIN_KNOWN:
        return "new", [place for place in order[:1] if membership.weights[place] >= MIN_SHARE]
    # Many small shares: the largest stands for them.
    named = [place for place in order if membership.shares[place] >= MIN_SHARE][:MAX_NAMED] or order[:1]
    is_mixture = membership.mixed >= MIN_MIXED and membership.shares[order[0]] < WHOLE_SHARE
    return ("mixture" if is_mixture else "dataset"), named


def _twins(fit: AutoFit, named: Sequence[int], datasets: Sequence[str], models: Sequence[str]) -> tuple[TwinNote, ...]:
    found = []
    for pair in find_twins(fit):
        sides = [(pair.first, pair.first_winner), (pair.second, pair.second_winner)]
        mine = next((place for place, (dataset, _) in enumerate(sides) if dataset in named), None)
        if mine is not None:
            (dataset, best), (twin, twin_best) = sides[mine], sides[1 - mine]
            found.append(TwinNote(datasets[dataset], datasets[twin], models[best], models[twin_best]))
    return tuple(found[:MAX_NAMED])


def _describe(kind: MembershipKind, found: Sequence[DatasetMatch], known: float, chosen: str) -> str:
    if kind == "declared":
        return f"The task is declared to be dataset {found[0].dataset}, {_accuracy(found[0], chosen)}."
    if kind == "new":
        fits = "".join(f"; dataset {one.dataset} fits best, with probability {_weight(one):.2f}" for one in found)
        return f"The task is new: its inputs are not close to any dataset (probability {1 - known:.2f}){fits}."
    if kind == "dataset":
        either = [f"dataset {one.dataset} (probability {_weight(one):.2f}), {_accuracy(one, chosen)}" for one in found]
        return f"These inputs match {'; or '.join(either)}."
    parts = [
        f"{_percent(one.share)} {'of these inputs match' if place == 0 else 'match'} dataset {one.dataset}, "
        f"{_accuracy(one, chosen)}"
        for place, one in enumerate(found)
    ]
    if sum(one.share for one in found) < 1 - MIN_SHARE:
        parts.append("the others are spread over other datasets")
    return f"{'; '.join(parts)} (probability {known:.2f})."


def _accuracy(match: DatasetMatch, chosen: str) -> str:
    best = f"where {match.best} is right on {_percent(match.accuracy)}"
    if match.best == chosen:
        return best
    return f"{best} and {chosen}, the chosen model, on {_percent(match.chosen_accuracy)}"


def _describe_twins(pair: TwinNote) -> str:
    return (
        f"Datasets {pair.dataset} and {pair.twin} look alike to the embedder and have different best models "
        f"({pair.best} and {pair.twin_best}): name the task's dataset with tasks.NAME.dataset, or send labels."
    )


def _weight(match: DatasetMatch) -> float:
    return match.share * match.probability


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
