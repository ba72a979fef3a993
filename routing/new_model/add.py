"""A pack with one more model, measured on some of its inputs: nothing is embedded or indexed again.

Everything that does not depend on the model stays: vectors, index, map, texts, and every other model's pairs and
averages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats, Ints
from routing.auto.training_data import NoiseModel, TrainingData, count_outcomes, mean_near_outcome
from routing.averages import MIN_COVERAGE
from routing.benchmark import Benchmark, Dataset, Model, order_on_average
from routing.calibration import (
    Calibration,
    CalibrationSettings,
    HeldOutDataset,
    RoutingSettings,
    calibrate_reliability,
    hold_out_datasets,
)
from routing.errors import BenchmarkError, PackMismatch
from routing.input_sample import sample_inputs
from routing.manifest import AddedModel, PackModel
from routing.neighbours.stored import search_lists
from routing.new_model.factors import InputFactors, KnownModels, build_factors
from routing.new_model.impute import ImputedColumn, impute, sample_outcomes
from routing.pack import ImputedOutcomes, Pack
from routing.report import REPORT_NEIGHBOURS, build_report

MIN_MEASURED = 20
"""Inputs below which an estimate is hardly more than the mean of the known models."""

NewModelSteps = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class NewModelOutcomes:
    """Measured outcomes of a new model.

    Attributes:
        model: the model.
        rows: (n_measured,) of the pack's inputs.
        outcomes: (n_measured,) in [0, 1].
    """

    model: Model
    rows: Ints
    outcomes: Floats


def pack_factors(pack: Pack) -> InputFactors:
    """Return the factors of the models that were measured on the whole pack; of all models, if none was."""
    partial = pack.estimates.columns.tolist() if pack.estimates is not None else []
    whole = [column for column in range(len(pack.manifest.models)) if column not in partial]
    outcomes = pack.expected_outcomes()[:, whole] if whole else pack.expected_outcomes()
    return build_factors(KnownModels.from_outcomes(outcomes, pack.dataset_ids, len(pack.manifest.datasets)))


def check_outcomes(pack: Pack, measured: NewModelOutcomes) -> None:
    """Raise BenchmarkError with every fault: a taken name, too few outcomes, one out of range, a row twice."""
    name, rows, outcomes = measured.model.name, measured.rows, measured.outcomes
    faults = []
    if name in pack.manifest.model_names:
        faults.append(f"the pack already has a model {name!r}")
    if len(rows) < min(MIN_MEASURED, pack.manifest.n_inputs):
        faults.append(f"{len(rows)} inputs have an outcome, at least {MIN_MEASURED} are required")
    faults += [
        f"input {row + 1}: outcome {y:g} is outside [0, 1]"
        for row, y in zip(rows, outcomes, strict=True)
        if not 0 <= y <= 1
    ]
    if len(set(rows.tolist())) < len(rows):
        faults.append("an input has two outcomes")
    if faults:
        raise BenchmarkError(f"{name} for pack {pack.manifest.name}", faults)


def add_model(pack: Pack, measured: NewModelOutcomes, steps: NewModelSteps = lambda phase, done, total: None) -> Pack:
    """Return the pack with the model as its last column. Raises BenchmarkError as `check_outcomes` does.

    The pack's manifest must have its content hash: the new one names it as its parent.
    """
    check_outcomes(pack, measured)
    column = impute(pack_factors(pack), measured.rows, measured.outcomes)
    grown = _grown(pack, measured, column)
    routing, settings = _settings(pack)
    found = []
    count = max(routing.kappa, REPORT_NEIGHBOURS)
    ids, n = pack.dataset_ids, len(pack.manifest.datasets)
    lists = search_lists(pack.index, ids)
    # Its pairs are those of the inputs that the pack was calibrated on; large packs of earlier versions have no sample.
    sample = sample_inputs(ids, n) if "sample" in pack.manifest.calibration else None
    for one in hold_out_datasets(pack.embeddings, ids, n, count, lists=lists, sample=sample):
        found.append(one)
        steps("finding neighbours", len(found), n)
    benchmark = _benchmark(grown)
    alone = benchmark.select_models([measured.model.name])
    nearest = [one.limit_neighbours(routing.kappa) for one in found]
    # Same seed, same moved inputs: the new model's accuracies belong to the old pairs, so only its column is
    # computed.
    pairs = calibrate_reliability(
        pack.embeddings, alone, nearest, routing, settings, lambda done, total: steps("calibrating", done, total)
    )
    grown = replace(
        grown,
        calibration=_joined(pack, pairs),
        training_data=None
        if pack.training_data is None
        else _extend_training_data(pack.training_data, grown, column, found, routing.kappa),
    )
    if grown.training_data is None:
        return grown
    embedded = (pack.embeddings, pack.embeddings)
    report = build_report(benchmark, embedded, found, routing, settings, grown.training_data, lists)
    return replace(grown, report={**pack.report, **report})


def _grown(pack: Pack, measured: NewModelOutcomes, column: ImputedColumn) -> Pack:
    """Return the pack with the column, and a manifest that contains the model."""
    partial = np.full(pack.manifest.n_inputs, np.nan)
    partial[measured.rows] = measured.outcomes
    manifest, model = pack.manifest, measured.model
    is_whole = not np.isnan(partial).any()
    averages = np.column_stack([_averages(pack), column.averages])
    names = (*manifest.model_names, model.name)
    floor = MIN_COVERAGE if manifest.min_coverage is None else manifest.min_coverage
    return replace(
        pack,
        outcomes=np.column_stack([pack.outcomes, partial]),
        estimates=pack.estimates if is_whole else _estimates(pack, partial, column),
        manifest=replace(
            manifest,
            models=(*manifest.models, PackModel(model.name, column.average, False, *_model_facts(model))),
            on_average=tuple(names[place] for place in order_on_average(averages, floor)),
            added=(
                *manifest.added,
                AddedModel(model.name, manifest.hash, len(measured.rows), None if is_whole else column.error),
            ),
            hash="",
        ),
    )


def _model_facts(model: Model) -> Sequence[float | None]:
    return model.params_b, model.input_usd_per_mtok, model.output_usd_per_mtok


def _averages(pack: Pack) -> Floats:
    return _benchmark(pack, pack.expected_outcomes()).dataset_averages()


def _estimates(pack: Pack, partial: Floats, column: ImputedColumn) -> ImputedOutcomes:
    missing, filled = np.flatnonzero(np.isnan(partial)), partial.copy()
    # Sampled 0/1 outcomes: expected values would be smoother than measured ones, and g_bar of the new model too
    # certain.
    filled[missing] = sample_outcomes(column.expected, pack.dataset_ids, missing)
    before, place = pack.estimates, len(pack.manifest.models)
    if before is None:
        return ImputedOutcomes(np.array([place]), column.expected[:, None], filled[:, None], column.errors[:, None])
    return ImputedOutcomes(
        np.append(before.columns, place),
        np.column_stack([before.expected, column.expected]),
        np.column_stack([before.filled, filled]),
        np.column_stack([before.errors, column.errors]),
    )


def _benchmark(pack: Pack, outcomes: Floats | None = None) -> Benchmark:
    """Return the benchmark of a pack, without its texts. outcomes: by default those that predictors use."""
    manifest = pack.manifest
    return Benchmark(
        name=manifest.name,
        texts=(),
        datasets=tuple(Dataset(one.name, one.threshold, one.source, one.licence) for one in manifest.datasets),
        dataset_ids=pack.dataset_ids,
        models=tuple(
            Model(one.name, one.params_b, one.input_usd_per_mtok, one.output_usd_per_mtok) for one in manifest.models
        ),
        outcomes=pack.filled_outcomes() if outcomes is None else outcomes,
    )


def _settings(pack: Pack) -> tuple[RoutingSettings, CalibrationSettings]:
    """Return the parameters the pack was made with."""
    routing, saved = dict(pack.manifest.routing), pack.manifest.calibration
    settings = CalibrationSettings(tuple(saved["alphas"]), saved["repeats"], saved["cap"], saved["seed"])
    return RoutingSettings(int(routing.pop("k")), int(routing.pop("kappa")), **routing), settings


def _joined(pack: Pack, pairs: Calibration) -> Calibration:
    """Return the pack's pairs with the new model's accuracies. Raises PackMismatch where they are not of one draw."""
    old = pack.calibration
    # Distances do not depend on models: if they differ, the draw was another (numpy's generator, or other vectors).
    if old.distances.shape != pairs.distances.shape or not np.allclose(old.distances, pairs.distances, atol=1e-6):
        raise PackMismatch(f"pack {pack.manifest.name}: its pairs (u, p) are not reproducible; rebuild the pack")
    return replace(old, accuracies=np.column_stack([old.accuracies, pairs.accuracies]))


def _extend_training_data(
    old: TrainingData, grown: Pack, column: ImputedColumn, found: Sequence[HeldOutDataset], kappa: int
) -> TrainingData:
    """Return the training data of auto with the new model.

    Its expected averages count; in the variance from input to input it is as uneven as any other model.
    """
    outcomes, n_datasets = grown.filled_outcomes(), len(found)
    near = np.array([mean_near_outcome(outcomes[:, -1:], one.near[:, :kappa]) for one in found]).reshape(n_datasets, 1)
    within, sampling = NoiseModel.from_outcomes(outcomes, grown.dataset_ids, n_datasets).noise_of_means(
        np.arange(n_datasets)
    )
    # Only measured outcomes count as evidence of a dataset; `grown.outcomes` has NaN where they are expected ones.
    counts = count_outcomes(grown.outcomes, grown.dataset_ids, n_datasets)
    return replace(
        old,
        averages=np.column_stack([old.averages, column.averages]),
        near=np.column_stack([old.near, near]),
        within=within,
        sampling=sampling,
        counts=None if old.counts is None else counts,
    )
