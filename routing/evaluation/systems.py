"""What every system would choose for one held-out dataset, and how good that was.

The systems see the benchmark without the dataset, its inputs' embeddings, and the outcomes of the inputs that are
labelled (alpha). They are judged on the others, by the chosen model's mean outcome.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark, Model, macro_averages, order_on_average
from routing.calibration import Calibration, HeldOut, RoutingSettings
from routing.decision import decide
from routing.evaluation.folds import Nearest, within
from routing.evaluation.results import Choice
from routing.predictor import accuracy_of, predict, predict_correct
from routing.scores import Score, TaskScores, s3
from routing.task import Evidence, TaskState, task_scores

SPLITS = 200


@dataclass(frozen=True, slots=True)
class Fold:
    """One dataset held out. averages: (n_datasets, n_models), of all datasets; the fold's own row is only for judging.

    routed: the benchmark that the systems see, which is not the one they are judged by where outcomes are shuffled.
    """

    held_out: HeldOut
    benchmark: Benchmark
    routed: Benchmark
    averages: Floats
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Sample:
    """A fold with some of its inputs labelled. rest: places of the others; alpha: the share asked for."""

    alpha: float
    repeat: int
    labelled: Ints
    rest: Ints


def samples(n: int, alphas: Sequence[float], repeats: int, cap: int, seed: Sequence[int]) -> Iterator[Sample]:
    """Labelled inputs for every alpha and repeat, at most `cap`; no label needs no repeat."""
    generator = np.random.default_rng(list(seed))
    for alpha in alphas:
        count = min(int(alpha * n), cap)
        for repeat in range(repeats if count else 1):
            labelled = np.sort(generator.choice(n, size=count, replace=False))
            yield Sample(alpha, repeat, labelled, np.delete(np.arange(n), labelled))


def scores_of(fold: Fold, sample: Sample, vectors: Embeddings, routing: RoutingSettings) -> tuple[TaskScores, Floats]:
    """What the benchmark says of the fold's unlabelled inputs, best on average first; and the true p of each model."""
    one, benchmark = fold.held_out, fold.routed
    nearest = Nearest(one.near[:, : routing.kappa], one.near_distances[:, : routing.kappa]).of(sample.rest)
    if len(sample.labelled):
        own = within(vectors, one.rows)[np.ix_(sample.rest, sample.labelled)]
        nearest = nearest.merged(one.rows[sample.labelled], own, routing.kappa)
    rows = one.rows[sample.rest]
    g = predict(benchmark.outcomes, nearest.rows[:, : routing.k])
    g_bar = predict_correct(g, routing.threshold)
    state = TaskState.of(Evidence(g, g_bar, nearest.distances.mean(axis=1), vectors[rows]))
    columns = order_on_average(np.delete(fold.averages, one.dataset, axis=0))
    scores = task_scores(state, benchmark.model_names, columns, fold.calibration, routing)
    return scores, accuracy_of(g_bar, benchmark.correct()[rows])[columns]


def choices(
    fold: Fold, sample: Sample, vectors: Embeddings, routing: RoutingSettings, wanted: Sequence[str]
) -> list[Choice]:
    """What the wanted systems chose, and how good it was."""
    scores, true_p = scores_of(fold, sample, vectors, routing)
    judge = Judge(fold, sample, scores)
    made: dict[str, tuple[str, Floats]] = {}
    for name, score in (("S1", Score.S1), ("S2", Score.S2), ("S3", Score.S3)):
        made[name] = decide(scores, routing.eta, score=score).model, scores.of(score)
    made["S3_shuffled"] = made["S3"]
    known = replace(
        scores, reliability=np.nan_to_num(true_p, nan=0.5), s3=s3(scores.s2, np.nan_to_num(true_p, nan=0.5))
    )
    made["S3_true_p"] = decide(known, routing.eta).model, known.s3
    made["BMA"] = scores.models[0], judge.average_elsewhere
    made["oracle"] = judge.best_model, judge.accuracy
    found = [judge.choice(name, *made[name]) for name in wanted if name in made]
    if "random" in wanted:
        found.append(judge.random())
    if "honest_oracle" in wanted:
        found.append(judge.honest_oracle())
    return found


class Judge:
    """Knows the outcomes of the held-out dataset. Every array is in the order of the candidates, m* first."""

    def __init__(self, fold: Fold, sample: Sample, scores: TaskScores) -> None:
        self._dataset = fold.benchmark.datasets[fold.held_out.dataset].name
        self._sample, self._scores = sample, scores
        names = fold.benchmark.model_names
        columns = np.array([names.index(model) for model in scores.models])
        self._outcomes = fold.benchmark.outcomes[np.ix_(fold.held_out.rows[sample.rest], columns)]
        self._models: Mapping[str, Model] = {model.name: model for model in fold.benchmark.models}
        self.accuracy = np.nanmean(self._outcomes, axis=0)
        self.average_elsewhere = macro_averages(np.delete(fold.averages, fold.held_out.dataset, axis=0))[columns]
        self.best_model = scores.models[int(np.nanargmax(self.accuracy))]

    def choice(self, system: str, model: str, values: Floats) -> Choice:
        """A system's choice of one model by these scores."""
        at = self._scores.models.index(model)
        about = self._models[model]
        return self._made(
            system,
            model=model,
            accuracy=float(self.accuracy[at]),
            is_bma=float(at == 0),
            pearson=correlation(values, self.accuracy),
            spearman=correlation(ranks(values), ranks(self.accuracy)),
            params_b=about.params_b,
            price=price_of(about),
            rank=float((self.accuracy > self.accuracy[at]).sum() + 1),
        )

    def random(self) -> Choice:
        """Any model, every one as likely."""
        n = len(self.accuracy)
        return self._made("random", accuracy=float(self.accuracy.mean()), is_bma=1 / n, rank=(n + 1) / 2)

    def honest_oracle(self) -> Choice:
        """The model that is best on a random half, scored on the other; m* scored on the same halves."""
        generator = np.random.default_rng(len(self._outcomes))
        n = len(self._outcomes)
        best, bma, is_bma = np.empty(SPLITS), np.empty(SPLITS), np.empty(SPLITS)
        for split in range(SPLITS):
            order = generator.permutation(n)
            seen, unseen = self._outcomes[order[: n // 2]], self._outcomes[order[n // 2 :]]
            at = int(np.nanargmax(np.nanmean(seen, axis=0)))
            accuracy = np.nanmean(unseen, axis=0)
            best[split], bma[split], is_bma[split] = accuracy[at], accuracy[0], at == 0
        return self._made(
            "honest_oracle", accuracy=float(best.mean()), bma=float(bma.mean()), is_bma=float(is_bma.mean()), rank=1.0
        )

    def _made(
        self,
        system: str,
        *,
        accuracy: float,
        is_bma: float,
        rank: float,
        model: str | None = None,
        bma: float | None = None,
        **more: float | None,
    ) -> Choice:
        sample = self._sample
        return Choice(
            system=system,
            alpha=sample.alpha,
            repeat=sample.repeat,
            dataset=self._dataset,
            n=len(sample.rest),
            model=model,
            accuracy=accuracy,
            best=float(np.nanmax(self.accuracy)),
            bma=float(self.accuracy[0]) if bma is None else bma,
            is_bma=is_bma,
            distance=self._scores.distance,
            pearson=more.get("pearson"),
            spearman=more.get("spearman"),
            params_b=more.get("params_b"),
            price=more.get("price"),
            rank=rank,
        )


def price_of(model: Model) -> float | None:
    """US dollars for a million tokens, the mean of both directions; None where it is unknown."""
    if model.input_usd_per_mtok is None or model.output_usd_per_mtok is None:
        return None
    return (model.input_usd_per_mtok + model.output_usd_per_mtok) / 2


def correlation(a: Floats, b: Floats) -> float | None:
    """Pearson's; None where one of them does not vary. a, b: (n_models,)"""
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 2 or np.ptp(a) < 1e-12 or np.ptp(b) < 1e-12:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs. (n,)"""
    order = np.argsort(values, kind="stable")
    _, inverse, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared = (last - (counts - 1) / 2)[inverse]
    found = np.empty(len(values))
    found[order] = shared
    return found
