"""`benchroute evaluate`: cross-validation of routing on a benchmark."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import OptionError
from gateway.cli.load_embedder import default_cache_path
from gateway.cli.pack.embedding import embed_selected
from gateway.cli.regime_tables import show_regimes
from gateway.cli.selection import (
    DEFAULT_COVERAGE,
    DatasetsOption,
    MinCoverageOption,
    ModelsOption,
    VerboseOption,
    parse_selection,
    select_from,
    tell_left_out,
)
from gateway.cli.terminal import make_table, print_note, show_progress, stderr_console, stdout_console
from routing.manifest import MAX_GRAPH

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.cli.terminal import ProgressSteps
    from routing.arrays import Embeddings
    from routing.benchmark import Benchmark
    from routing.evaluation.evaluate import EvaluationPlan
    from routing.evaluation.results import Evaluation

PAPERS_ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)


class EvaluatePreset(StrEnum):
    """Tables and figures of the paper."""

    TABLE1 = "table1"
    TABLE2 = "table2"
    TABLE3 = "table3"
    FIG2 = "fig2"
    FIG3 = "fig3"
    MIXINSTRUCT = "mixinstruct"
    SMALL_MODELS = "small-models"


class PredictorName(StrEnum):
    """Correctness predictor g: k nearest neighbours, or a network (appendix C.1)."""

    KNN = "knn"
    MLP = "mlp"


class RegimeName(StrEnum):
    """Kind of tasks to evaluate."""

    NEW = "new"
    KNOWN = "known"
    MIXED = "mixed"
    SMALL = "small"
    ALL = "all"


SMALL_REGIMES = ("small known", "small new")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Options of a preset; explicit options take precedence."""

    predictor: str = "knn"
    alphas: tuple[float, ...] = (0.0,)
    per_input: bool = False
    max_params_b: float | None = None


PRESETS = {
    EvaluatePreset.TABLE1: EvaluateOptions(),
    EvaluatePreset.TABLE2: EvaluateOptions(),
    EvaluatePreset.TABLE3: EvaluateOptions(predictor="mlp"),
    EvaluatePreset.FIG2: EvaluateOptions(alphas=PAPERS_ALPHAS),
    EvaluatePreset.FIG3: EvaluateOptions(alphas=PAPERS_ALPHAS),
    EvaluatePreset.MIXINSTRUCT: EvaluateOptions(per_input=True),
    EvaluatePreset.SMALL_MODELS: EvaluateOptions(alphas=PAPERS_ALPHAS, max_params_b=13.0),
}


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        regimes: names of the regimes; empty for the paper's evaluation alone.
        plan: of the paper's evaluation; None without.
        pool: name of the models' list.
        allow_partial: include models without outcomes on some datasets in the paper's evaluation.
        seed: random seed.
        verbose: name everything that the paper's evaluation leaves out.
    """

    regimes: tuple[str, ...]
    plan: "EvaluationPlan | None"
    pool: str
    allow_partial: bool
    seed: int
    verbose: bool = False

    def evaluate(self, benchmark: "Benchmark", vectors: "Embeddings", steps: "ProgressSteps") -> "Evaluation":
        """Evaluate a benchmark. vectors: (n_inputs, dim). Raises BenchmarkError for one that allows nothing."""
        from routing.evaluation.evaluate import evaluate_pool, fit_for_evaluation
        from routing.evaluation.regimes.run import RegimePlan
        from routing.evaluation.regimes.tables import evaluate_by_regime

        if self.plan is None:
            return evaluate_by_regime(benchmark, vectors, RegimePlan(self.regimes), self.pool, self.seed, steps)
        fit, rows = fit_for_evaluation(benchmark, self.allow_partial)
        tell_left_out(benchmark, fit, self.verbose)
        papers = evaluate_pool(fit, vectors[rows], self.plan, steps=steps)
        if not self.regimes:
            return papers
        found = evaluate_by_regime(benchmark, vectors, RegimePlan(self.regimes), self.pool, self.seed, steps)
        return replace(papers, regimes=found.regimes)


RegimeOption = Annotated[
    RegimeName | None,
    typer.Option(
        help="Tasks to evaluate: new ones (every dataset held out), known ones (half of every dataset), mixed of "
        "two datasets, or both on small benchmarks. Default: all that the benchmark allows, unless an option of "
        "the paper's evaluation is given (--predictor, --scores, --alpha, --per-input, --preset).",
        show_default=False,
    ),
]
PredictorOption = Annotated[
    PredictorName | None,
    typer.Option(help="Nearest neighbours, or a network trained for every fold, which is slow. Default: knn."),
]
AllowPartialOption = Annotated[
    bool,
    typer.Option(
        "--allow-partial/--complete-only",
        help="In the paper's evaluation, include models without outcomes on some datasets: they are candidates on "
        "the others. By regime they always are.",
    ),
]


def evaluate(
    benchmark_dir: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Benchmark in the tidy format.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report to write.", show_default=False)],
    regime: RegimeOption = None,
    pool: Annotated[str, typer.Option(help="Name of a list of models in the benchmark's pools.json, or all.")] = "all",
    max_params_b: Annotated[float | None, typer.Option(help="Maximum model size, billions of parameters.")] = None,
    predictor: PredictorOption = None,
    scores: Annotated[
        str | None, typer.Option(help="Strategies to compare, comma-separated. Default: all.", show_default=False)
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(help="Shares of labelled inputs, comma-separated; at most 50 inputs of each dataset.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of random draws of labelled inputs.")] = 10,
    per_input: Annotated[
        bool, typer.Option("--per-input", help="Also choose a model for each input (MixInstruct).")
    ] = False,
    models: ModelsOption = None,
    datasets: DatasetsOption = None,
    min_coverage: MinCoverageOption = DEFAULT_COVERAGE,
    allow_partial: AllowPartialOption = True,
    preset: Annotated[
        EvaluatePreset | None, typer.Option(help="Use the options of a table or figure of the paper.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    verbose: VerboseOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report's regimes.json; table.json without regimes.")
    ] = False,
) -> None:
    """Measure what routing gains on new and known tasks, against always using the best model on average."""
    selection = parse_selection(models, datasets, min_coverage)
    defaults = PRESETS[preset] if preset else EvaluateOptions()
    limit = max_params_b if max_params_b is not None else defaults.max_params_b
    is_papers = preset is not None or per_input or not (predictor is scores is alpha is None)
    plan = None
    if is_papers:
        plan = _plan(pool, predictor or defaults.predictor, scores, alpha or ",".join(map(str, defaults.alphas)))
        plan = replace(plan, repeats=repeats, per_input=per_input or defaults.per_input, seed=seed)
    request = EvaluationRequest(_regimes(regime, is_papers), plan, pool, allow_partial, seed, verbose)
    from routing.evaluation.report import write_report
    from routing.tidy import read_benchmark

    whole = read_benchmark(benchmark_dir)
    pooled = _limited(_pooled(whole, benchmark_dir, pool), limit)
    selected = select_from(pooled, selection, verbose)
    vectors = embed_selected(benchmark_dir, whole, selected, None, default_cache_path()).vectors
    benchmark, vectors = _sample_large(selected.benchmark, vectors)
    with show_progress(stderr_console()) as steps:
        evaluation = request.evaluate(benchmark, vectors, steps)
    if benchmark.n_inputs < selected.benchmark.n_inputs:
        evaluation = replace(evaluation, settings={**evaluation.settings, "sampled_of": selected.benchmark.n_inputs})
    if limit is not None:
        # A limit belongs to the pool's name in titles.
        evaluation = replace(evaluation, settings={**evaluation.settings, "max_params_b": limit})
    write_report(evaluation, output)
    if as_json:
        name = "regimes.json" if evaluation.regimes else "table.json"
        typer.echo((output / name).read_text(encoding="utf-8"))
    else:
        _show(evaluation, output)


def _sample_large(benchmark: "Benchmark", vectors: "Embeddings") -> "tuple[Benchmark, Embeddings]":
    """Return at most MAX_GRAPH of the inputs, with a note: an evaluation searches exactly, in a time that grows as n^2.

    vectors: (n_inputs, dim).
    """
    if benchmark.n_inputs <= MAX_GRAPH:
        return benchmark, vectors
    import numpy as np

    from routing.input_sample import sample_inputs

    rows = np.sort(np.concatenate(sample_inputs(benchmark.dataset_ids, len(benchmark.datasets), MAX_GRAPH)))
    print_note(
        f"evaluating {len(rows):,} of {benchmark.n_inputs:,} inputs, drawn from every dataset with a fixed seed, as a "
        "benchmark of their own; the report of `pack build` searches among all of them"
    )
    return benchmark.select_inputs(rows), vectors[rows]


def _regimes(regime: RegimeName | None, is_papers: bool) -> tuple[str, ...]:
    from routing.evaluation.regimes.results import REGIMES

    if regime is None and is_papers:
        return ()
    if regime in (None, RegimeName.ALL):
        return REGIMES
    return SMALL_REGIMES if regime is RegimeName.SMALL else (str(regime),)


def _limited(benchmark: "Benchmark", max_params_b: float | None) -> "Benchmark":
    """Return the benchmark with models of at most that size; one of unknown size exceeds every limit."""
    if max_params_b is None:
        return benchmark
    sizes = {model.name: model.params_b for model in benchmark.models}
    names = [name for name, size in sizes.items() if size is not None and size <= max_params_b]
    if len(names) < 2:
        raise OptionError(f"--max-params-b {max_params_b:g}: fewer than two models are that small, by models.csv")
    return benchmark.select_models(names)


def _pooled(benchmark: "Benchmark", folder: Path, pool: str) -> "Benchmark":
    if pool == "all":
        return benchmark
    try:
        pools = json.loads((folder / "pools.json").read_text())
    except (OSError, ValueError) as error:
        raise OptionError(f"--pool {pool}: {folder / 'pools.json'} cannot be read: {error}") from error
    if pool not in pools:
        raise OptionError(f"--pool {pool}: unknown pool; pools.json has {', '.join(pools)}")
    return benchmark.select_models(pools[pool])


def _plan(pool: str, predictor: str, scores: str | None, alpha: str) -> "EvaluationPlan":
    from routing.evaluation.evaluate import PREDICTORS, EvaluationPlan

    known = PREDICTORS[predictor]
    systems = tuple(scores.split(",")) if scores else known
    unknown = sorted(set(systems) - set(known))
    if unknown:
        raise OptionError(f"--scores {unknown[0]}: expected, with {predictor}, one of {', '.join(known)}")
    try:
        alphas = tuple(sorted({float(share) for share in alpha.split(",")}))
    except ValueError as error:
        raise OptionError(f"--alpha {alpha}: expected numbers, comma-separated") from error
    if not all(0 <= share < 1 for share in alphas):
        raise OptionError(f"--alpha {alpha}: expected shares of at least 0 and below 1")
    return EvaluationPlan(pool=pool, predictor=str(predictor), systems=systems, alphas=alphas)


def _show(evaluation: "Evaluation", output: Path) -> None:
    console = stdout_console()
    if evaluation.regimes is not None:
        show_regimes(console, evaluation.regimes)
    else:
        _show_papers(console, evaluation)
    console.print(f"report  {output / 'report.html'}", soft_wrap=True)


def _show_papers(console: "Console", evaluation: "Evaluation") -> None:
    from routing.evaluation.report.tables import COLUMNS, format_row
    from routing.evaluation.report.verdicts import verdict_sentence

    shown = make_table(COLUMNS[:1], COLUMNS[1:])
    for row in evaluation.rows:
        name, *numbers = format_row(row)
        shown.add_row(f"{name}, alpha {row.alpha:g}" if row.alpha else name, *numbers)
    console.print(shown)
    console.print(verdict_sentence(evaluation.rows), soft_wrap=True)
    if evaluation.curves:
        areas = ", ".join(f"{one.system} {one.area:.4f}" for one in evaluation.curves)
        console.print(f"area under accuracy against {evaluation.cost_by}: {areas}", soft_wrap=True)
