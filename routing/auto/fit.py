"""Trust in each view, learnt by holding out every dataset in turn, and the error that then remains.

    score(task) = average + sum over views of strength * (view's expectation - average)

`average` is the mean over datasets, which BMA uses; with all strengths 0 the score is BMA. Candidates for a term of
the sum are all pairs of a view and one of six strengths, 0 among them. Each is judged by the accuracy that it would
have gained over `average` on every held-out dataset,

    gain(d) = sum_m softmax(score / tau)_m y_m  -  sum_m softmax(average / tau)_m y_m,  cut to +-GAIN_CUT

softly, since the scores themselves are uncertain by about tau, and cut, since one dataset must not outweigh all
others. Its worth joins two sources, w = n^4 / (n^4 + PRIOR_DATASETS^4) for n datasets:

    worth = w (mean gain - CAUTION standard errors) + (1 - w) PRIOR_GAIN s (1 - s),   s the strength

The second term is what other, public benchmarks say: nearness is worth believing by half. Few datasets teach nothing by
themselves, many need no prior. The pairs enter with weights softmax(worth / CONCENTRATION), an average and not the best
alone: with ten datasets the best of a hundred is best by chance. It must also be better than chance: where the
datasets' outcomes, permuted among them at random, make nearness look as valuable, it counts for nothing (a permutation
test).

The constants are the same for every benchmark. docs/auto.md describes how they were found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, multiply_rows
from routing.auto.member_rows import MemberRows
from routing.auto.membership import MembershipModel, TaskMembership
from routing.auto.posterior import AccuracyPosterior
from routing.auto.training_data import TrainingData
from routing.auto.views import VIEWS, NearnessKind, View, ViewEvaluator, relative_outcomes, scaled_rows
from routing.averages import fill_missing

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.3)
TAU = 0.05
GAIN_CUT = 0.1
CAUTION = 2.0
"""Standard errors subtracted from a gain."""
PRIOR_GAIN, PRIOR_DATASETS = 0.01, 8.0
"""Trust learnt on public benchmarks: a gain that peaks, at 1/4 point, at half strength; and the number of datasets at
which a benchmark's own gains count as much."""
CONCENTRATION = 0.001

LEVEL = View(NearnessKind.COSINE, 0.1)
"""View that estimates the level of a task's accuracies: for display, since it is the same for all candidates."""

PERMUTATIONS, MAX_AS_GOOD, PERMUTATION_STRENGTHS, PERMUTATION_CAUTION = 19, 3, (0.5, 1.0), 1.0
"""Permutation test: nearness counts if at most MAX_AS_GOOD of the permutations find as much, p <= 0.2. A stricter level
costs pools of ten datasets a third of their gain. Two strengths have the same power and are three times as fast."""
MIN_DATASETS_CHECKED = 8
"""Datasets from which the test is made: few datasets have few permutations, many of which change nothing."""

MIN_DATASETS = 3
"""Datasets below which the errors' covariance cannot be learnt by holding one out."""
SHRINK = 0.2
"""Shrinkage of the errors' covariance to its diagonal: from ten datasets a full covariance is mostly noise."""
MIN_VARIANCE = 1e-5
MIN_WEIGHT = 0.01
"""Probability of a dataset below which the variance that remains on it is left out: it is as good as invisible."""
UNKNOWN_VARIANCE = 0.01
"""Variance of a model's accuracy around its average a priori (10 points); counts as much as one dataset."""


@dataclass(frozen=True, slots=True)
class AutoFit:
    """Result of the fit for one set of candidates.

    Attributes:
        evaluator: nearness to the datasets.
        average: (n_candidates,) relative, mean over datasets.
        rows: (n_datasets, n_candidates) relative averages; scaled: the same, scaled to one spread.
        levels: (n_datasets,) mean over candidates.
        strengths: (n_views,) trust in each view.
        errors: (n_datasets, n_candidates) error of the score when a dataset is held out.
        covariance: of those errors, minus the sampling noise of few inputs.
        within: covariance of outcomes from input to input.
        members: accuracies of a task that is one of the datasets; None where the pack cannot tell, likewise membership.
        membership: tells whether it is.
        centres: (n_datasets, dim) mean embeddings.
    """

    evaluator: ViewEvaluator
    average: Floats
    rows: Floats
    scaled: Floats
    levels: Floats
    strengths: Floats
    errors: Floats
    covariance: Floats
    within: Floats
    centres: Floats
    members: MemberRows | None = None
    membership: MembershipModel | None = None

    def prior_accuracy(
        self, centre: Floats, near: Floats, membership: TaskMembership | None = None
    ) -> AccuracyPosterior:
        """Return the accuracies on one task; arguments as `prior_accuracies` takes them, without the first axis."""
        return self.prior_accuracies(centre[None], near[None], (membership,))[0]

    def prior_accuracies(
        self, centres: Floats, near: Floats, memberships: Sequence[TaskMembership | None]
    ) -> list[AccuracyPosterior]:
        """Return the candidates' accuracies on every task without labels, to the last bit as it is alone.

        centres: (n_tasks, dim) the tasks' mean embeddings. near: (n_tasks, n_candidates) mean over their inputs of the
        mean outcome of their kappa nearest, NaN where unknown. memberships: of the tasks in the datasets, None for a
        new task.
        """
        scores, levels = self._expected_scores(centres, near)
        known = [place for place, one in enumerate(memberships) if one is not None]
        members = self.members
        if members is None or not known:
            return [AccuracyPosterior(mean, self.covariance, self.within) for mean in levels[:, None] + scores]
        mixed = self._mixtures(scores[known], levels[known], [one for one in memberships if one is not None], members)
        found = iter(mixed)
        return [
            AccuracyPosterior(level + score, self.covariance, self.within) if one is None else next(found)
            for score, level, one in zip(scores, levels, memberships, strict=True)
        ]

    def judge_task(
        self, sums: Floats | None, known_dataset: int | None = None, centre: Floats | None = None
    ) -> TaskMembership | None:
        """Return the membership of one task; arguments as `judge_tasks` takes them, without the first axis."""
        return self.judge_tasks((sums,), known_dataset, None if centre is None else centre[None])[0]

    def judge_tasks(
        self, sums: Sequence[Floats | None], known_dataset: int | None = None, centres: Floats | None = None
    ) -> list[TaskMembership | None]:
        """Return the membership of every task in the datasets, None where nothing is known of it; each to the last bit
        as it is alone.

        sums: of each task's inputs' features. known_dataset: the dataset that the tasks are declared to be. centres:
        (n_tasks, dim) the tasks' mean embeddings; None for inputs as far apart as those of the datasets.
        """
        if known_dataset is not None:
            return [TaskMembership.of_dataset(known_dataset, len(self.rows))] * len(sums)
        found: list[TaskMembership | None] = [None] * len(sums)
        judged = [place for place, one in enumerate(sums) if self._can_judge(one)]
        if self.membership is not None and judged:
            features = np.array([sums[place] for place in judged])
            spreads = np.ones(len(judged)) if centres is None else self._spreads(features[:, 1], centres[judged])
            for place, one in zip(judged, self.membership.judge_tasks(features, spreads), strict=True):
                found[place] = one
        return found

    def _can_judge(self, sums: Floats | None) -> bool:
        # Responsibilities sum to 1 for each input: their sum counts the inputs.
        return self.membership is not None and sums is not None and bool(sums[1].sum() > 0)

    def _spreads(self, responsibilities: Floats, centres: Floats) -> Floats:
        """Return the variance of each task's embeddings over that of the datasets they resemble; 1 for a single input.

        responsibilities: (n_tasks, n_datasets) sums. centres: (n_tasks, dim).
        """
        n = responsibilities.sum(axis=1)
        # Embeddings have unit length: their variance is 1 minus the squared length of their mean.
        own = 1.0 - np.square(centres).sum(axis=1)
        mixed = np.square(multiply_rows(responsibilities, self.centres) / n[:, None]).sum(axis=1)
        spreads = own * n / np.maximum(n - 1, 1.0) / np.maximum(1.0 - mixed, MIN_VARIANCE)
        return np.asarray(np.where(n < 2, 1.0, spreads))

    def _mixtures(
        self, scores: Floats, levels: Floats, memberships: Sequence[TaskMembership], members: MemberRows
    ) -> list[AccuracyPosterior]:
        """Return the mixtures of "is dataset d" and "is new", each as one Gaussian of the same mean and covariance."""
        weights = np.array([one.weights for one in memberships])
        new = np.maximum(0.0, 1.0 - weights.sum(axis=1, keepdims=True))
        means = multiply_rows(weights, members.means) + new * scores
        # Variance of a mixture: within the cases plus between their means.
        apart = np.empty((len(scores), len(members.means) + 1, scores.shape[1]))
        apart[:, :-1], apart[:, -1] = members.means - means[:, None], scores - means
        weighed = apart * np.concatenate([weights, new], axis=1)[:, :, None]
        spreads = weighed.transpose(0, 2, 1) @ apart + new[:, :, None] * self.covariance
        for spread, row, seen in zip(spreads, weights, weights > MIN_WEIGHT, strict=True):
            spread += np.tensordot(row[seen], members.covariances[seen], axes=1)
        means += (weights * self.levels).sum(axis=1, keepdims=True) + new * levels[:, None]
        return [
            AccuracyPosterior(
                mean,
                spread,
                self.within,
                membership=one,
                unmeasured=None if one.declared is None else members.unmeasured_on(one.declared),
            )
            for mean, spread, one in zip(means, spreads, memberships, strict=True)
        ]

    def _expected_scores(self, centres: Floats, near: Floats) -> tuple[Floats, Floats]:
        """Return average + sum over views of strength * departure, (n_tasks, n_candidates), and the levels of
        accuracies, (n_tasks,).
        """
        trusted = [(view, strength) for view, strength in zip(VIEWS, self.strengths.tolist(), strict=True) if strength]
        by_weights = [one for one in trusted if one[0].nearness is not NearnessKind.NEIGHBOURS]
        scores = np.repeat(self.average[None], len(centres), axis=0)
        if len(by_weights) < len(trusted):
            scores += trusted[-1][1] * _neighbours(near, self.average[None])
        views = [view for view, _ in by_weights]
        found = self.evaluator.for_tasks_by_views(centres, (*views, LEVEL))
        if by_weights:
            # The views' weights are added up first: one product with the rows in place of one for each view.
            strengths, is_scaled = np.array([one for _, one in by_weights]), np.array([view.scaled for view in views])
            for rows, counted in ((self.rows, ~is_scaled), (self.scaled, is_scaled)):
                scores += multiply_rows((strengths * counted) @ found[:, :-1], rows)
            scores -= sum(strengths.tolist()) * self.average
        return scores, (found[:, -1] * self.levels).sum(axis=1)

    def departures_from_average(self, views: Sequence[View], centre: Floats, near: Floats) -> list[Floats]:
        """Return every view's expectation minus the average, (n_candidates,) each."""
        by_weights = [view for view in views if view.nearness is not NearnessKind.NEIGHBOURS]
        found = self.evaluator.for_task_by_views(centre, by_weights) if by_weights else ()
        weights = dict(zip(by_weights, found, strict=True))
        return [
            np.asarray(weights[view] @ (self.scaled if view.scaled else self.rows) - self.average)
            if view in weights
            else self._neighbours_departure(near)
            for view in views
        ]

    def _neighbours_departure(self, near: Floats) -> Floats:
        return np.asarray(_neighbours(near[None], self.average[None])[0])

    def view_weights(self, centre: Floats) -> Floats:
        """Return each dataset's weight in the score beyond the average, (n_datasets,); scaled views count as plain
        ones.
        """
        trusted = [
            (view, strength)
            for view, strength in zip(VIEWS, self.strengths.tolist(), strict=True)
            if strength and view.nearness is not NearnessKind.NEIGHBOURS
        ]
        if not trusted:
            return np.zeros(len(self.rows))
        views, strengths = zip(*trusted, strict=True)
        return np.asarray(np.array(strengths) @ self.evaluator.for_task_by_views(centre, views))


def fit_auto(data: TrainingData, columns: list[int]) -> AutoFit:
    """Fit the trust in each view for some candidates. columns: of the data's models, best on average first.

    A model without outcomes on a dataset counts there as its average elsewhere, and on average as no better than m*,
    as everywhere. A single dataset has no other that could be nearer, and every strength is 0.
    """
    measured = data.averages[:, columns]
    averages = fill_missing(measured)
    plain = relative_outcomes(averages)
    if len(columns):
        # A model measured on the easy half of a benchmark has a high mean; it may not lead m* by that alone.
        above = np.maximum(averages.mean(axis=0) - averages[:, 0].mean(), 0.0)
        averages = averages - np.where(np.isnan(measured).any(axis=0), above, 0.0)
    rows = relative_outcomes(averages)
    evaluator, n = ViewEvaluator(data.centres), len(rows)
    # The average of all other datasets, for every held-out one at once.
    others = (rows.sum(axis=0) - rows) / max(1, n - 1)
    strengths, expected = np.zeros(len(VIEWS)), others
    if n > 1 and len(columns) > 1:
        departures = _departures(evaluator, rows, others, data.near[:, columns])
        strengths = _strengths(departures, rows, others)
        expected = others + np.tensordot(strengths, departures, axes=1)
    errors, place = rows - expected, np.ix_(columns, columns)
    covariance, within = _covariance(errors, data.sampling[place]), data.within[place]
    members = None
    if data.counts is not None and len(columns):
        # On a dataset where such a model was measured it is as good as measured: rows and expectations before the cut.
        uncut = expected + plain - rows
        members = MemberRows.shrink_rows(plain, uncut, expected, data.counts[:, columns], covariance, within)
    return AutoFit(
        evaluator=evaluator,
        average=rows.mean(axis=0),
        rows=rows,
        scaled=scaled_rows(rows),
        levels=averages.mean(axis=1),
        strengths=strengths,
        errors=errors,
        covariance=covariance,
        within=within,
        centres=data.centres,
        members=members,
        membership=data.membership,
    )


def _departures(evaluator: ViewEvaluator, rows: Floats, others: Floats, near: Floats) -> Floats:
    """Return every view's expectation for every held-out dataset, minus the others' average. (n_views, n_datasets,
    n)
    """
    scaled = scaled_rows(rows)
    return np.array(
        [
            _neighbours(near, others)
            if view.nearness is NearnessKind.NEIGHBOURS
            else evaluator.within_benchmark(view) @ (scaled if view.scaled else rows) - others
            for view in VIEWS
        ]
    )


def _neighbours(near: Floats, average: Floats) -> Floats:
    """Return the departure by nearest inputs. near: (n, n_candidates), NaN where unknown, which departs by nothing."""
    known = ~np.isnan(near)
    level = np.where(known, near - average, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1), 1)[:, None]
    return np.asarray(np.where(known, near - level - average, 0.0))


def _strengths(departures: Floats, rows: Floats, others: Floats) -> Floats:
    """Return the mean strength of every view, (n_views,); all 0 where chance would have found as much."""
    n = len(rows)
    if len(rows) >= MIN_DATASETS_CHECKED and not _is_evidence(departures, rows, others):
        return np.zeros(len(departures))
    own = n**4 / (n**4 + PRIOR_DATASETS**4)
    strengths = np.array(STRENGTHS)
    prior = PRIOR_GAIN * strengths * (1 - strengths)
    worth = own * _worth(departures, rows, others, STRENGTHS, CAUTION) + (1 - own) * prior[:, None]
    # Model averaging over strengths and views; minus the maximum so that exp cannot overflow.
    weights = np.exp((worth - worth.max()) / CONCENTRATION)
    return np.asarray(strengths @ (weights / weights.sum()))


def _is_evidence(departures: Floats, rows: Floats, others: Floats) -> bool:
    """Return True if the best worth exceeds what is found when datasets are given each other's outcomes.

    A permutation test: nearness stays as it is, the outcomes it is judged by are permuted, until too many
    permutations are as good.
    """

    def best_worth(rows: Floats, others: Floats) -> float:
        return float(_worth(departures, rows, others, PERMUTATION_STRENGTHS, PERMUTATION_CAUTION).max())

    best = best_worth(rows, others)
    generator, left = np.random.default_rng(0), MAX_AS_GOOD
    for _ in range(PERMUTATIONS):
        permuted = generator.permutation(len(rows))
        # Stops early: most fits without evidence fail within a few permutations.
        left -= best_worth(rows[permuted], others[permuted]) >= best
        if left < 0:
            return False
    return True


def _worth(departures: Floats, rows: Floats, others: Floats, strengths: Sequence[float], caution: float) -> Floats:
    """Return the worth of every strength of every view, (n_strengths, n_views)."""
    base = (_soft(others) * rows).sum(axis=1)
    worth = np.empty((len(strengths), len(departures)))
    for place, strength in enumerate(strengths):
        gains = (_soft(others + strength * departures) * rows).sum(axis=2) - base
        # Cut: one dataset with a huge gain must not decide for all tasks.
        gains = np.clip(gains, -GAIN_CUT, GAIN_CUT)
        worth[place] = gains.mean(axis=1) - caution * gains.std(axis=1) / np.sqrt(len(rows))
    return worth


def _soft(scores: Floats) -> Floats:
    powers = np.exp((scores - scores.max(axis=-1, keepdims=True)) / TAU)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _covariance(errors: Floats, sampling: Floats) -> Floats:
    """Return the errors' covariance beyond sampling noise, with one a-priori dataset added, shrunk to its diagonal."""
    n, n_models = errors.shape
    if n < MIN_DATASETS:
        return np.eye(n_models) * UNKNOWN_VARIANCE
    # Errors are relative to the mean over candidates, so the sampling noise is centred likewise before it is
    # subtracted.
    centre = np.eye(n_models) - 1.0 / n_models
    found = errors.T @ errors / n - centre @ sampling @ centre
    found = (n * found + UNKNOWN_VARIANCE * np.eye(n_models)) / (n + 1)
    variances = np.maximum(np.diag(found), MIN_VARIANCE)
    shrunk = (1 - SHRINK) * found + SHRINK * np.diag(variances)
    # Subtracting noise can leave negative eigenvalues; clipping them keeps the covariance positive definite.
    values, axes = np.linalg.eigh(shrunk)
    return np.asarray((axes * np.maximum(values, MIN_VARIANCE)) @ axes.T)
