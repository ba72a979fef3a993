"""`benchroute evaluate`: what routing is worth on a benchmark."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import ChoiceError
from gateway.cli.load_embedder import default_cache
from gateway.cli.pack.embedding import embeddings_of
from gateway.cli.terminal import notes, progress, results, table

if TYPE_CHECKING:
    from routing.benchmark import Benchmark
    from routing.evaluation.evaluate import Plan
    from routing.evaluation.results import Evaluation

PAPERS_ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)


class Preset(StrEnum):
    """The paper's tables and figures."""

    TABLE1 = "table1"
    TABLE2 = "table2"
    TABLE3 = "table3"
    FIG2 = "fig2"
    FIG3 = "fig3"
    MIXINSTRUCT = "mixinstruct"
    SMALL_MODELS = "small-models"


class PredictorName(StrEnum):
    """What g is: k nearest neighbours, or a network (appendix C.1)."""

    KNN = "knn"
    MLP = "mlp"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that a preset stands for; those given beside it win."""

    predictor: str = "knn"
    alphas: tuple[float, ...] = (0.0,)
    per_input: bool = False
    max_params_b: float | None = None


PRESETS = {
    Preset.TABLE1: Asked(),
    Preset.TABLE2: Asked(),
    Preset.TABLE3: Asked(predictor="mlp"),
    Preset.FIG2: Asked(alphas=PAPERS_ALPHAS),
    Preset.FIG3: Asked(alphas=PAPERS_ALPHAS),
    Preset.MIXINSTRUCT: Asked(per_input=True),
    Preset.SMALL_MODELS: Asked(alphas=PAPERS_ALPHAS, max_params_b=13.0),
}


def evaluate(
    benchmark_dir: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A benchmark in the tidy format.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The report's folder.", show_default=False)],
    pool: Annotated[str, typer.Option(help="A list of models in the benchmark's pools.json; or all.")] = "all",
    max_params_b: Annotated[float | None, typer.Option(help="Only models known to be this small, billions.")] = None,
    predictor: Annotated[
        PredictorName | None, typer.Option(help="Nearest neighbours, or a network for every fold: slow. Default: knn.")
    ] = None,
    scores: Annotated[str | None, typer.Option(help="Systems, by comma. Default: all.", show_default=False)] = None,
    alpha: Annotated[
        str | None, typer.Option(help="Shares of labelled inputs, by comma, at most 50 inputs each.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws of labelled inputs.")] = 10,
    per_input: Annotated[bool, typer.Option("--per-input", help="Choose input by input too (MixInstruct).")] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Models without outcomes on some dataset too.")
    ] = False,
    preset: Annotated[Preset | None, typer.Option(help="A table or figure of the paper.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report's table.json.")] = False,
) -> None:
    """Hold every dataset out in turn, and say what each system would have chosen."""
    from routing.evaluation.evaluate import evaluate as run
    from routing.evaluation.evaluate import fit_for_evaluation
    from routing.evaluation.report import write_report
    from routing.tidy import read_benchmark

    asked = PRESETS[preset] if preset else Asked()
    whole = read_benchmark(benchmark_dir)
    limit = max_params_b if max_params_b is not None else asked.max_params_b
    benchmark, rows = fit_for_evaluation(_pooled(whole, benchmark_dir, pool), allow_partial, limit)
    vectors = embeddings_of(benchmark_dir, whole, None, default_cache()).vectors
    plan = _plan(pool, predictor or asked.predictor, scores, alpha or ",".join(map(str, asked.alphas)))
    plan = replace(plan, repeats=repeats, per_input=per_input or asked.per_input, seed=seed)
    with progress(notes()) as steps:
        evaluation = run(benchmark, vectors[rows], plan, steps=steps)
    write_report(evaluation, output)
    if as_json:
        typer.echo((output / "table.json").read_text(encoding="utf-8"))
    else:
        _show(evaluation, output)


def _pooled(benchmark: "Benchmark", folder: Path, pool: str) -> "Benchmark":
    if pool == "all":
        return benchmark
    try:
        pools = json.loads((folder / "pools.json").read_text())
    except (OSError, ValueError) as error:
        raise ChoiceError(f"--pool {pool}: {folder / 'pools.json'} cannot be read: {error}") from error
    if pool not in pools:
        raise ChoiceError(f"--pool {pool}: pools.json has {', '.join(pools)}")
    return benchmark.with_models(pools[pool])


def _plan(pool: str, predictor: str, scores: str | None, alpha: str) -> "Plan":
    from routing.evaluation.evaluate import PREDICTORS, Plan

    known = PREDICTORS[predictor]
    wanted = tuple(scores.split(",")) if scores else known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ChoiceError(f"--scores {unknown[0]}: known with {predictor} are {', '.join(known)}")
    try:
        alphas = tuple(sorted({float(share) for share in alpha.split(",")}))
    except ValueError as error:
        raise ChoiceError(f"--alpha {alpha}: expected numbers, by comma") from error
    if not all(0 <= share < 1 for share in alphas):
        raise ChoiceError(f"--alpha {alpha}: a share is at least 0 and below 1")
    return Plan(pool=pool, predictor=str(predictor), systems=wanted, alphas=alphas)


def _show(evaluation: "Evaluation", output: Path) -> None:
    from routing.evaluation.report.page import worth
    from routing.evaluation.report.tables import COLUMNS, cells

    shown = table(COLUMNS[:1], COLUMNS[1:])
    for row in evaluation.rows:
        name, *numbers = cells(row)
        shown.add_row(f"{name}, alpha {row.alpha:g}" if row.alpha else name, *numbers)
    console = results()
    console.print(shown)
    console.print(worth(evaluation.rows), soft_wrap=True)
    if evaluation.curves:
        areas = ", ".join(f"{one.system} {one.area:.4f}" for one in evaluation.curves)
        console.print(f"area under accuracy against {evaluation.cost_by}: {areas}", soft_wrap=True)
    console.print(f"report  {output / 'report.html'}", soft_wrap=True)
