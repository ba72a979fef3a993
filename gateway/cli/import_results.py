"""`benchroute import`: other tools' per-sample results as a benchmark in the tidy format.

Formats and the options that they accept come from the registry in routing.importing.formats.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import import_options as given
from gateway.cli.benchmark import ClashOption, KeepNamesOption, merge_rules
from gateway.cli.catalogue import load_catalogue
from gateway.cli.errors import OptionError
from gateway.cli.option_groups import with_option_groups
from gateway.cli.selection import parse_selection
from gateway.cli.staged_import import ImportTarget, stage_import
from gateway.cli.terminal import make_table, print_note, show_progress, stderr_console, stdout_console
from routing.curation.clash_rule import ClashRule
from routing.importing.formats import FORMATS

if TYPE_CHECKING:
    from routing.curation.select import Selection
    from routing.importing.record import ImportOptions
    from routing.importing.run import ImportSummary

MAX_LEFT_OUT = 5
"""Files shown that were not used; the report has all of them."""

AUTO = "auto"
"""Format that the files' names and keys decide."""

FormatName = StrEnum("FormatName", [(name.upper().replace("-", "_"), name) for name in (AUTO, *FORMATS)])  # type: ignore[misc]

OPTIONS = {
    "--metric": "metric",
    "--metric SCENARIO=NAME": "metrics",
    "--dataset": "dataset",
    "--map": "columns",
    "--models": "models",
    "--model": "model",
    "--from-name": "from_name",
    "--records": "records",
    "--correct": "correct",
    "--labels": "labels",
    "--choices": "choices",
    "--scorer": "scorer",
    "--filter": "filter",
    "--include-failed": "include_failed",
}
"""Fields of ImportOptions by the option that sets them."""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How the benchmark is written."""

    append: Annotated[
        bool, typer.Option("--append", help="Add to the existing benchmark, as `benchmark merge` does.")
    ] = False
    keep_names: KeepNamesOption = False
    clash: ClashOption = ClashRule.AUTO
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing output.")] = False

    def target(self, output: Path, selection: "Selection", min_coverage: float | None) -> ImportTarget:
        """Return where and how the benchmark is written. Raises OptionError for options that exclude each other."""
        if self.append and self.force:
            raise OptionError("--append and --force: expected one of them, to add to the benchmark or to replace it")
        rules = merge_rules(None, self.keep_names, self.clash, load_catalogue())
        return ImportTarget(output, self.append, self.force, selection, min_coverage, rules)


@with_option_groups
def import_command(
    format_: Annotated[
        FormatName, typer.Argument(metavar="FORMAT", help="Source format; `auto` recognises it.", show_default=False)
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", exists=True, help="File or folder to import.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the benchmark to write.", show_default=False)
    ],
    scores: given.ScoreOptions,
    names: given.NameOptions,
    tables: given.TableOptions,
    written: OutputOptions,
    datasets: Annotated[
        str | None, typer.Option(help="Datasets to import: names or patterns, comma-separated, or @FILE.")
    ] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Show the coverage, and the models below this floor of `pack build`."),
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Skip and report unusable files.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Inputs to keep of each dataset, drawn at random with a fixed seed; to try a source."),
    ] = None,
    max_record_mb: given.MaxRecordMb = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Import per-sample results from another evaluation tool.

    Invalid rows are skipped and reported; a file without any valid row aborts the import.
    """
    from routing.bounded import reading_within
    from routing.importing.formats import reader_for
    from routing.importing.recognize import hint_format, require_format
    from routing.importing.renames import read_renames
    from routing.importing.run import ImportSettings, import_results

    name = require_format(source) if format_ == AUTO else str(format_)
    if format_ == AUTO:
        print_note(f"auto: {name}")
    # In tables, models are columns; elsewhere they are selected from what the source has.
    has_columns = "models" in FORMATS[name].options
    columns, chosen = (tables.models, None) if has_columns else (None, tables.models)
    options, ends = _options(name, scores, names, tables, columns), scores.read_scale()
    renames = read_renames(names.rename) if names.rename else {}
    target = written.target(output, parse_selection(chosen, datasets), min_coverage)
    settings = ImportSettings(scores.threshold, written.force, keep_going, ends, renames, limit)
    limits = given.read_limits(max_record_mb)
    with reading_within(limits), hint_format(source, name, keep_going), stage_import(source, target) as folder:
        sources = reader_for(name)(source, options)
        with show_progress(stderr_console()) as steps:
            summary = import_results(sources, source, folder, settings, steps)
    if as_json:
        typer.echo(json.dumps({"benchmark": str(output), **asdict(summary)}, indent=2))
    else:
        _show(summary, output)


def _options(
    format_: str,
    scores: given.ScoreOptions,
    names: given.NameOptions,
    tables: given.TableOptions,
    models: str | None,
) -> "ImportOptions":
    """Return what a reader is told. models: columns that are models, None where they are not. Raises OptionError."""
    from routing.importing.file_names import FileNames
    from routing.importing.record import ImportOptions

    general, metrics = _metrics(scores.metric or [])
    values = {
        "--metric": general,
        "--dataset": names.dataset,
        "--map": tables.map_,
        "--models": models,
        "--model": names.model,
        "--from-name": names.from_name,
        "--records": tables.records,
        "--correct": scores.correct,
        "--labels": scores.labels,
        "--choices": tables.choices,
        "--scorer": scores.scorer,
        "--filter": scores.filter_,
    }
    include_failed = scores.include_failed
    _check_options(format_, {**values, "--metric SCENARIO=NAME": metrics, "--include-failed": include_failed})
    map_, pattern = values["--map"], values["--from-name"]
    columns = _columns(format_, map_) if map_ else {}
    try:
        named = FileNames(pattern).fields if pattern is not None else frozenset()
    except ValueError as error:
        raise OptionError(f"--from-name {error}") from error
    _check_names(values, columns, named)
    return ImportOptions(
        metric=values["--metric"],
        dataset=values["--dataset"],
        columns=columns,
        models=given.parse_names("--models", values["--models"]),
        model=values["--model"],
        from_name=pattern,
        records=values["--records"],
        correct=values["--correct"],
        labels=given.parse_labels(values["--labels"]),
        choices=given.parse_names("--choices", values["--choices"]),
        metrics=metrics,
        scorer=values["--scorer"],
        filter=values["--filter"],
        include_failed=include_failed,
    )


def _check_names(values: Mapping[str, str | None], columns: Mapping[str, str], named: Collection[str]) -> None:
    """Raise OptionError where two options give the same name. named: fields that file names give."""
    if values["--models"] is not None and (values["--model"] or "model" in columns or "model" in named):
        raise OptionError("--models names the models: no --model, --map model= or {model} with it")
    for field in ("dataset", "model"):
        ways = {f"--{field}": values[f"--{field}"], "--map": columns.get(field), "--from-name": field in named or None}
        used = [name for name, value in ways.items() if value is not None]
        if len(used) > 1:
            raise OptionError(f"{' and '.join(used)} both give the {field}: use one of them")


def _check_options(format_: str, values: Mapping[str, object]) -> None:
    """Raises OptionError for an option that the format does not accept: it is not silently ignored."""
    for name, value in values.items():
        if value not in (None, False, {}) and OPTIONS[name] not in FORMATS[format_].options:
            accepting = ", ".join(sorted(one for one, known in FORMATS.items() if OPTIONS[name] in known.options))
            raise OptionError(f"{name} does not apply to format {format_}, only to {accepting}")


def _metrics(values: list[str]) -> tuple[str | None, dict[str, str]]:
    """Return the general metric, and those of single scenarios. Raises OptionError."""
    general, metrics = None, {}
    for one in values:
        # From the right: a dataset of HELM has equals signs of its own, such as mmlu:subject=anatomy.
        scenario, equals, name = one.rpartition("=")
        if not name or (equals and not scenario) or scenario in metrics or (not equals and general is not None):
            raise OptionError(f"--metric {one}: expected NAME once, or SCENARIO=NAME once for each scenario")
        if equals:
            metrics[scenario] = name
        else:
            general = name
    return general, metrics


def _columns(format_: str, map_: str) -> dict[str, str]:
    known = FORMATS[format_].columns
    columns: dict[str, str] = {}
    for pair in map_.split(","):
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not theirs or ours not in known or ours in columns:
            raise OptionError(f"--map {map_}: expected FIELD=COLUMN pairs; each field once, of {', '.join(known)}")
        columns[ours] = theirs
    return columns


def _show(summary: "ImportSummary", output: Path) -> None:
    from routing.importing.report import REPORT_FILE, group_remarks

    for warning in group_remarks(summary.warnings):
        print_note(warning)
    if summary.n_rejected:
        print_note(f"{summary.n_rejected} invalid rows skipped:")
        for rejection in summary.rejections:
            print_note(f"  {rejection.where}: {rejection.reason}")
        if summary.n_rejected > len(summary.rejections):
            print_note(f"  … and {summary.n_rejected - len(summary.rejections)} more")
    if summary.left_out:
        print_note(f"{len(summary.left_out)} files skipped:")
        for file in summary.left_out[:MAX_LEFT_OUT]:
            print_note(f"  {file}")
        if len(summary.left_out) > MAX_LEFT_OUT:
            print_note(f"  … and {len(summary.left_out) - MAX_LEFT_OUT} more, in {output / REPORT_FILE}")
    datasets, models = make_table(("dataset",), ("inputs",)), make_table(("model",), ("outcomes", "covered"))
    for name, inputs in summary.datasets.items():
        datasets.add_row(name, str(inputs))
    for name, outcomes in summary.models.items():
        models.add_row(name, str(outcomes), f"{outcomes / summary.n_inputs:.1%}")
    console = stdout_console()
    console.print(datasets)
    console.print(models)
    counts = f"{summary.n_inputs} inputs, {len(summary.datasets)} datasets, {len(summary.models)} models"
    console.print(f"{counts}, {summary.n_outcomes} outcomes, {summary.logliks} with a log-probability")
    console.print(f"benchmark  {output}", soft_wrap=True)
