"""One dataset held out, its labelled inputs, and the scores of the others.

The systems see the benchmark without the dataset, its inputs' embeddings, and the outcomes of the labelled inputs
(alpha).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.atc import estimate_accuracy
from routing.averages import plain_means
from routing.benchmark import Benchmark, fold_candidates
from routing.calibration import Calibration, HeldOutDataset, RoutingSettings
from routing.evaluation.auto_folds import AutoFold
from routing.evaluation.calibration_folds import NearestInputs, distances_between
from routing.predictor import predict_correct, prediction_accuracy
from routing.scores import TaskScores
from routing.task import InputEvidence, TaskState, score_task


@dataclass(frozen=True, slots=True)
class LabelSample:
    """Sample of labelled inputs of a fold.

    Attributes:
        alpha: the requested share.
        repeat: number of the draw.
        labelled: indices of the labelled inputs.
        rest: indices of the others.
    """

    alpha: float
    repeat: int
    labelled: Ints
    rest: Ints


Predict = Callable[[LabelSample, NearestInputs], Floats]
"""g of the unlabelled inputs, (n_rest, n_models), from a sample and the inputs nearest to its rest."""


@dataclass(frozen=True, slots=True)
class EvaluationFold:
    """One dataset held out.

    Attributes:
        held_out: the dataset with its neighbours.
        benchmark: outcomes that systems are judged by.
        routed: the benchmark that systems see; another one where outcomes are shuffled.
        averages: (n_datasets, n_models), of all datasets; the fold's own row is only for judging.
        calibration: pairs of the other datasets.
        predict: g of the unlabelled inputs.
        cuts: (n_models,) the thresholds of ATC.
        auto: the fit of auto; None if it is not evaluated.
    """

    held_out: HeldOutDataset
    benchmark: Benchmark
    routed: Benchmark
    averages: Floats
    calibration: Calibration
    predict: Predict
    cuts: Floats
    auto: AutoFold | None = None


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Scores that a fold's systems choose by. Arrays: (n_models,), best on average first, like scores.models.

    Attributes:
        true_p: accuracy of g_bar, which only S3_true_p may use.
        atc: its estimate by ATC, 0.5 where there is none.
        loglik: mean over the inputs; None where the benchmark has none.
    """

    scores: TaskScores
    true_p: Floats
    atc: Floats
    loglik: Floats | None


def label_samples(
    n: int, alphas: Sequence[float], repeats: int, cap: int, seed: Sequence[int]
) -> Iterator[LabelSample]:
    """Yield labelled inputs for every alpha and repeat, at most `cap`; without labels one repeat is enough."""
    generator = np.random.default_rng(list(seed))
    for alpha in alphas:
        count = min(int(alpha * n), cap)
        for repeat in range(repeats if count else 1):
            labelled = np.sort(generator.choice(n, size=count, replace=False))
            yield LabelSample(alpha, repeat, labelled, np.delete(np.arange(n), labelled))


def score_fold(fold: EvaluationFold, sample: LabelSample, vectors: Embeddings, routing: RoutingSettings) -> FoldScores:
    """Return the scores of a fold's unlabelled inputs."""
    one, routed = fold.held_out, fold.routed
    nearest = NearestInputs(one.near[:, : routing.kappa], one.near_distances[:, : routing.kappa]).select_places(
        sample.rest
    )
    rows, labelled = one.rows[sample.rest], one.rows[sample.labelled]
    if len(labelled):
        # Labelled inputs of the task itself join the benchmark of the predictor (in-task labels, alpha).
        nearest = nearest.merge_with(labelled, distances_between(vectors, rows, labelled), routing.kappa)
    g = fold.predict(sample, nearest)
    g_bar = predict_correct(g, routing.threshold)
    state = TaskState.from_evidence(InputEvidence(g, g_bar, nearest.distances.mean(axis=1), vectors[rows], g))
    posterior = fold.auto.condition_on(routed.outcomes[labelled]) if fold.auto else None
    # m* without the held-out dataset: including it would leak the answer into the baseline.
    columns = fold_candidates(fold.averages, one.dataset, routed.min_coverage)
    pairs = fold.calibration.select_models(columns)
    return FoldScores(
        scores=score_task(state, routed.model_names, columns, pairs, routing, posterior),
        true_p=np.nan_to_num(prediction_accuracy(g_bar, routed.correct_at(rows))[columns], nan=0.5),
        atc=estimate_accuracy(g, fold.cuts)[columns],
        loglik=None if routed.loglik is None else plain_means(routed.loglik[rows])[columns],
    )
