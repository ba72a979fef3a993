"""`benchroute import`: other tools' results for every question, as a benchmark in the tidy format."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import OptionError
from gateway.cli.terminal import make_table, print_note, show_progress, stderr_console, stdout_console

if TYPE_CHECKING:
    from routing.importing.record import ImportOptions
    from routing.importing.run import ImportSummary


class ImportFormat(StrEnum):
    """What is read; routing.importing.formats has the readers."""

    HELM = "helm"
    LM_EVAL = "lm-eval"
    OPEN_LLM_LEADERBOARD = "open-llm-leaderboard"
    ROUTERBENCH = "routerbench"
    MIXINSTRUCT = "mixinstruct"
    INSPECT = "inspect"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


TABLES = frozenset({ImportFormat.CSV, ImportFormat.JSONL, ImportFormat.PARQUET})
SAMPLES = frozenset({ImportFormat.LM_EVAL, ImportFormat.OPEN_LLM_LEADERBOARD})
TAKEN_BY = {
    "--metric": SAMPLES | {ImportFormat.HELM, ImportFormat.MIXINSTRUCT, ImportFormat.INSPECT},
    "--dataset": TABLES | {ImportFormat.ROUTERBENCH, ImportFormat.MIXINSTRUCT},
    "--map": TABLES | SAMPLES,
    "--models": TABLES | {ImportFormat.ROUTERBENCH},
}
"""Which formats an option means something to; to the others it is refused rather than passed over."""


def import_command(
    format_: Annotated[ImportFormat, typer.Argument(metavar="FORMAT", help="Whose layout.", show_default=False)],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", exists=True, help="A file, or a folder of them.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The benchmark's folder.", show_default=False)],
    metric: Annotated[
        str | None, typer.Option(help="The score's name in the source. Default: the first known one.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Outcomes above it are correct. Default: 0.5.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="The one dataset's name, where no column tells.")] = None,
    map_: Annotated[
        str | None, typer.Option("--map", help="Columns, as text=prompt,model=llm,score=acc,dataset=task,input_id=id.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="Columns that hold one model's scores each, by comma.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a benchmark that lies there.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out files that cannot be used, and tell them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
) -> None:
    """Bring results of other tools. Bad rows are refused and told; a file without a good row ends it."""
    from routing.importing.formats import reader_for
    from routing.importing.run import ImportSettings, import_results

    options = _options(format_, metric, dataset, map_, models)
    sources = reader_for(format_)(source, options)
    with show_progress(stderr_console()) as steps:
        summary = import_results(sources, source, output, ImportSettings(threshold, force, keep_going), steps)
    if as_json:
        typer.echo(json.dumps({"benchmark": str(output), **asdict(summary)}, indent=2))
    else:
        _show(summary, output)


def _options(
    format_: ImportFormat, metric: str | None, dataset: str | None, map_: str | None, models: str | None
) -> "ImportOptions":
    """Raises OptionError for an option that the format does not take."""
    from routing.importing.record import ImportOptions

    given = {"--metric": metric, "--dataset": dataset, "--map": map_, "--models": models}
    for name, value in given.items():
        if value is not None and format_ not in TAKEN_BY[name]:
            raise OptionError(f"{name} means nothing to {format_}: it is for {', '.join(sorted(TAKEN_BY[name]))}")
    names = tuple(name.strip() for name in models.split(",")) if models else ()
    if models is not None and (not all(names) or len(set(names)) < len(names)):
        raise OptionError(f"--models {models}: expected different names, by comma")
    return ImportOptions(metric, dataset, _columns(format_, map_) if map_ else {}, names)


def _columns(format_: ImportFormat, map_: str) -> dict[str, str]:
    from routing.importing.tables import FIELDS

    known = FIELDS if format_ in TABLES else ("text",)
    columns: dict[str, str] = {}
    for pair in map_.split(","):
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not theirs or ours not in known or ours in columns:
            raise OptionError(f"--map {map_}: expected OURS=THEIRS by comma, OURS among {', '.join(known)}, each once")
        columns[ours] = theirs
    return columns


def _show(summary: "ImportSummary", output: Path) -> None:
    for told in summary.warnings:
        print_note(told)
    if summary.n_rejected:
        print_note(f"{summary.n_rejected} rows are refused:")
        for refusal in summary.rejections:
            print_note(f"  {refusal.where}: {refusal.reason}")
        if summary.n_rejected > len(summary.rejections):
            print_note(f"  … and {summary.n_rejected - len(summary.rejections)} more")
    if summary.left_out:
        print_note(f"{len(summary.left_out)} files are left out:")
        for told in summary.left_out:
            print_note(f"  {told}")
    datasets, models = make_table(("dataset",), ("inputs",)), make_table(("model",), ("outcomes", "covered"))
    for name, inputs in summary.datasets.items():
        datasets.add_row(name, str(inputs))
    for name, outcomes in summary.models.items():
        models.add_row(name, str(outcomes), f"{outcomes / summary.n_inputs:.1%}")
    console = stdout_console()
    console.print(datasets)
    console.print(models)
    counts = f"{summary.n_inputs} inputs, {len(summary.datasets)} datasets, {len(summary.models)} models"
    console.print(f"{counts}, {summary.n_outcomes} outcomes, {summary.logliks} of them with a log-probability")
    console.print(f"benchmark  {output}", soft_wrap=True)
