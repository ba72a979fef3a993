"""A benchmark in memory: the outcome of every model on every input.

| paper        | here                        | shape                 |
|--------------|-----------------------------|-----------------------|
| d            | dataset_ids                 | (n_inputs,)           |
| f, y(x, m)   | outcomes                    | (n_inputs, n_models)  |
| eta_d        | datasets[d].threshold       |                       |
| y in {0, 1}  | correct_outcomes()          | (n_inputs, n_models)  |
| S~(m, d)     | dataset_averages()          | (n_datasets, n_models)|
| m*           | order_on_average()[0]       |                       |
| LL           | loglik                      | (n_inputs, n_models)  |
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats, Ints, sum_groups
from routing.averages import MIN_COVERAGE, AverageEstimates, estimate_averages
from routing.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set of inputs.

    Attributes:
        threshold: eta_d; an outcome above it counts as correct.
        input_tokens: mean tokens of an input; None if not counted.
        output_tokens: mean tokens of an answer; None if not counted.
    """

    name: str
    threshold: float = 0.5
    source: str = ""
    licence: str = ""
    input_tokens: float | None = None
    output_tokens: float | None = None

    @property
    def input_share(self) -> float | None:
        """Input tokens as a share of all tokens; None if unknown."""
        if self.input_tokens is None or self.output_tokens is None or self.input_tokens + self.output_tokens <= 0:
            return None
        return self.input_tokens / (self.input_tokens + self.output_tokens)


@dataclass(frozen=True, slots=True)
class Model:
    """A column of the benchmark. Sizes in billions of parameters, prices in USD per million tokens."""

    name: str
    params_b: float | None = None
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Outcomes of every model on every input; NaN where one was not measured.

    Attributes:
        texts: (n_inputs,) the inputs; empty where only outcomes are needed.
        input_ids: (n_inputs,) ids of the inputs; empty likewise.
        dataset_ids: (n_inputs,) rows of `datasets`.
        outcomes: (n_inputs, n_models) in [0, 1] or NaN.
        loglik: (n_inputs, n_models) mean log-probability per token of the model's own answer, at most 0, NaN where
            unknown; None where a benchmark has none.
        min_coverage: share of the benchmark, in [0, 1], that a model must be measured on to be best on average.
    """

    name: str
    texts: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    dataset_ids: Ints
    models: tuple[Model, ...]
    outcomes: Floats
    loglik: Floats | None = None
    input_ids: tuple[str, ...] = ()
    min_coverage: float = MIN_COVERAGE

    @property
    def n_inputs(self) -> int:
        """Number of inputs over all datasets."""
        return len(self.dataset_ids)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models in column order."""
        return tuple(model.name for model in self.models)

    def correct_outcomes(self) -> Floats:
        """Return 1 where the outcome is above its dataset's threshold, else 0; NaN where it is missing.

        Returns (n_inputs, n_models).
        """
        return self.correct_at(np.arange(self.n_inputs))

    def correct_at(self, rows: Ints) -> Floats:
        """Return the rows of `correct_outcomes` for some inputs, (n_rows, n_models)."""
        thresholds = np.array([dataset.threshold for dataset in self.datasets])[self.dataset_ids[rows]]
        outcomes = self.outcomes[rows]
        return np.where(np.isnan(outcomes), np.nan, (outcomes > thresholds[:, None]).astype(np.float64))

    def dataset_rows(self, dataset: str) -> Ints:
        """Return the rows of one dataset's inputs, ascending."""
        return np.flatnonzero(self.dataset_ids == self.dataset_index(dataset))

    def dataset_index(self, name: str) -> int:
        """Return the index of a dataset in `datasets`. Raises BenchmarkError for an unknown name."""
        names = [dataset.name for dataset in self.datasets]
        if name not in names:
            raise BenchmarkError(self.name, [f"unknown dataset {name!r}; known datasets: {', '.join(names)}"])
        return names.index(name)

    def dataset_averages(self) -> Floats:
        """Return the mean outcome of every model on every dataset, (n_datasets, n_models), NaN where it has none."""
        return dataset_averages(self.outcomes, self.dataset_ids, len(self.datasets))

    def dataset_sizes(self) -> Ints:
        """Return the number of inputs of every dataset, (n_datasets,)."""
        return np.bincount(self.dataset_ids, minlength=len(self.datasets))

    def outcome_counts(self) -> Ints:
        """Return the number of outcomes of every model on every dataset, (n_datasets, n_models)."""
        return sum_groups(~np.isnan(self.outcomes), self.dataset_ids, len(self.datasets)).astype(np.int64)

    def estimate_averages(self, without: int | None = None) -> AverageEstimates:
        """Estimate the models' averages over all datasets. without: index of a dataset that is held out."""
        rows = [place for place in range(len(self.datasets)) if place != without]
        averages, counts, sizes = self.dataset_averages(), self.outcome_counts(), self.dataset_sizes()
        return estimate_averages(averages[rows], counts[rows], sizes[rows], self.min_coverage)

    def select_models(self, names: Sequence[str]) -> "Benchmark":
        """Return the benchmark with only these models, in this order. Raises BenchmarkError for an unknown name."""
        known = {name: column for column, name in enumerate(self.model_names)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise BenchmarkError(self.name, [f"unknown model {name!r}" for name in unknown])
        # A contiguous copy: a fancy-indexed column selection is Fortran-ordered, and gathering neighbours' rows from
        # it costs a cache miss per model.
        columns = [known[name] for name in names]
        return replace(
            self,
            models=tuple(self.models[column] for column in columns),
            outcomes=np.ascontiguousarray(self.outcomes[:, columns]),
            loglik=None if self.loglik is None else self.loglik[:, columns],
        )

    def select_inputs(self, rows: Ints) -> "Benchmark":
        """Return some inputs, in this order; datasets and models stay. rows: (n_selected,)."""
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows) if self.texts else (),
            dataset_ids=self.dataset_ids[rows],
            outcomes=self.outcomes[rows],
            loglik=None if self.loglik is None else self.loglik[rows],
            input_ids=tuple(self.input_ids[row] for row in rows) if self.input_ids else (),
        )

    def without_datasets(self, datasets: Sequence[str]) -> tuple["Benchmark", Ints]:
        """Return the benchmark without these datasets, and the rows that remain."""
        out = {self.dataset_index(name) for name in datasets}
        remaining = [place for place in range(len(self.datasets)) if place not in out]
        renumbered = np.full(len(self.datasets), -1, dtype=np.int64)
        renumbered[remaining] = np.arange(len(remaining))
        rows = np.flatnonzero(renumbered[self.dataset_ids] >= 0)
        smaller = replace(
            self.select_inputs(rows),
            datasets=tuple(self.datasets[place] for place in remaining),
            dataset_ids=renumbered[self.dataset_ids[rows]],
        )
        return smaller, rows


def dataset_averages(outcomes: Floats, dataset_ids: Ints, n_datasets: int) -> Floats:
    """Return S~(m, d): mean over a dataset's inputs, missing outcomes left out.

    outcomes: (n_inputs, n_models); dataset_ids: (n_inputs,).
    Returns (n_datasets, n_models), NaN where a model has no outcome on a dataset.
    """
    present = ~np.isnan(outcomes)
    sums = sum_groups(np.where(present, outcomes, 0.0), dataset_ids, n_datasets)
    counts = sum_groups(present, dataset_ids, n_datasets)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def macro_averages(averages: Floats) -> Floats:
    """Return each model's mean over the datasets, all weighted equally; estimated for a model that lacks some.

    averages: (n_datasets, n_models). Returns (n_models,), NaN for a model without any outcome.
    """
    return estimate_averages(averages).average


def order_on_average(averages: Floats, min_coverage: float = MIN_COVERAGE) -> list[int]:
    """Return models from best to worst on average; the first is m* (below eq. 6).

    Averages of models that lack datasets are estimated (routing.averages). A model measured on less than
    `min_coverage` of the datasets comes after all others. Ties go to the lower column. Where counts of inputs are
    known, Benchmark.estimate_averages is more exact. averages: (n_datasets, n_models). Returns column numbers.
    """
    return estimate_averages(averages, min_coverage=min_coverage).order()


def fold_candidates(averages: Floats, held_out: int, min_coverage: float = MIN_COVERAGE) -> list[int]:
    """Return the models that a held-out dataset can judge, best on average over the other datasets first.

    A model without outcomes on the held-out dataset could be chosen there but not graded: it is no candidate.
    averages: (n_datasets, n_models). Returns column numbers.
    """
    order = order_on_average(np.delete(averages, held_out, axis=0), min_coverage)
    return [column for column in order if not np.isnan(averages[held_out, column])]
