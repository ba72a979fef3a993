"""Options of `benchroute import`, grouped as its help shows them, and the values that they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.errors import OptionError

if TYPE_CHECKING:
    from routing.bounded import ReadLimits
    from routing.importing.scale import ScoreScale

SCORES = "Scores"
NAMES = "Names of datasets and models"
TABLES = "Columns of tables"


class ScaleName(StrEnum):
    """Scales with a name."""

    UNIT = "unit"
    PERCENT = "percent"


Metric = Annotated[
    list[str] | None,
    typer.Option(
        help="Score in the source: NAME, or SCENARIO=NAME for one scenario or task (repeatable). "
        "Default: the format's main one.",
        show_default=False,
        rich_help_panel=SCORES,
    ),
]
Scorer = Annotated[
    str | None,
    typer.Option(
        help="Scorer of Inspect's logs: NAME or NAME.KEY. Default: each task's first.", rich_help_panel=SCORES
    ),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", help="Answer filter of lm-eval's logs. Default: each task's first.", rich_help_panel=SCORES
    ),
]
MaxRecordMb = Annotated[
    int,
    typer.Option(
        min=1,
        max=65_536,
        help="Largest record that is read, MB after decompression: a line, a JSON value, a cell, a file in a zip file.",
    ),
]
IncludeFailed = Annotated[bool, typer.Option("--include-failed", help="Use runs that did not end with success, too.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Scores above this are correct; on the source's scale. Default: the middle.", rich_help_panel=SCORES
    ),
]
ScoreRange = Annotated[
    str | None,
    typer.Option(metavar="LO,HI", help="Ends of the source's scale, as 1,10. Default: 0,1.", rich_help_panel=SCORES),
]
Scale = Annotated[
    ScaleName | None,
    typer.Option(help="Scale by name: percent is --score-range 0,100.", show_default=False, rich_help_panel=SCORES),
]
LowerIsBetter = Annotated[
    bool, typer.Option("--lower-is-better", help="The lower end of the scale is the best.", rich_help_panel=SCORES)
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL=SCORE,…",
        help="Scores of labels, as good=1,poor=0. Known: correct, pass, true, yes and their opposites.",
        rich_help_panel=SCORES,
    ),
]
Correct = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of the right answer. The score is whether the answer equals it: the column that --map answer= "
        "names, or the cells of --models.",
        rich_help_panel=SCORES,
    ),
]
DatasetName = Annotated[
    str | None, typer.Option(help="Dataset name, if the source has no column for it.", rich_help_panel=NAMES)
]
ModelName = Annotated[
    str | None, typer.Option(help="Model name, if the source has no column for it.", rich_help_panel=NAMES)
]
FromName = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Dataset or model in file names, as '{dataset}_{model}.jsonl' or '{model}/*/{dataset}.csv'.",
        rich_help_panel=NAMES,
    ),
]
Rename = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="New names of models: a CSV file with the columns old,new, or a YAML mapping.",
        rich_help_panel=NAMES,
    ),
]
Map = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Column names, as text=prompt,model=llm,score=acc,dataset=task,input_id=id. Paths with dots reach into "
        "nested objects: text=input.messages.0.content.",
        rich_help_panel=TABLES,
    ),
]
Models = Annotated[
    str | None,
    typer.Option(help="Columns with one model's scores each, comma-separated.", rich_help_panel=TABLES),
]
Choices = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="Options of multiple choice to append to the text: one column with all, or one for each.",
        rich_help_panel=TABLES,
    ),
]
Records = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Member of a JSON file with the records; PATH.* if it is an object of records.",
        rich_help_panel=TABLES,
    ),
]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """Which score of the source is read, and when it is correct."""

    metric: Metric = None
    scorer: Scorer = None
    filter_: Filter = None
    include_failed: IncludeFailed = False
    threshold: Threshold = None
    score_range: ScoreRange = None
    scale: Scale = None
    lower_is_better: LowerIsBetter = False
    labels: Labels = None
    correct: Correct = None

    def read_scale(self) -> "ScoreScale":
        """Return the scale of the source's scores, on which the threshold is. Raises OptionError."""
        if self.correct is not None and (self.score_range or self.scale or self.lower_is_better or self.labels):
            raise OptionError("--correct gives scores of 0 and 1: it takes no scale and no labels")
        ends = parse_scale(self.score_range, self.scale, self.lower_is_better)
        check_threshold(self.threshold, ends)
        return ends


@dataclass(frozen=True, slots=True)
class NameOptions:
    """Names of datasets and models that the source lacks, or has in another form."""

    dataset: DatasetName = None
    model: ModelName = None
    from_name: FromName = None
    rename: Rename = None


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Columns and members of the source."""

    map_: Map = None
    models: Models = None
    choices: Choices = None
    records: Records = None


def parse_scale(range_: str | None, name: ScaleName | None, lower_is_better: bool) -> "ScoreScale":
    """Return the scale of the source's scores. Raises OptionError."""
    from routing.importing.scale import SCALES, ScoreScale

    if range_ is not None and name is not None:
        raise OptionError("--score-range and --scale: give one of them")
    named = SCALES[name or ScaleName.UNIT]
    low, high = named.low, named.high
    if range_ is not None:
        try:
            low, high = (float(end) for end in range_.split(","))
        except ValueError:
            raise OptionError(f"--score-range {range_}: expected two numbers, as 1,10") from None
    try:
        return ScoreScale(low, high, lower_is_better)
    except ValueError as error:
        raise OptionError(f"--score-range {error}") from error


def read_limits(max_record_mb: int) -> "ReadLimits":
    """Return the limits of an import."""
    from routing.bounded import MIB, ReadLimits

    return ReadLimits(max_record_bytes=max_record_mb * MIB)


def check_threshold(threshold: float | None, scale: "ScoreScale") -> None:
    """Raise OptionError for a threshold that is not on the source's scale."""
    if threshold is not None and not scale.contains(threshold):
        raise OptionError(f"--threshold {threshold:g} is outside {scale}, the scale of the scores")


def parse_labels(labels: str | None) -> Mapping[str, float]:
    """Return the scores of labels, which are in lower case. Raises OptionError."""
    found: dict[str, float] = {}
    for pair in labels.split(",") if labels is not None else ():
        label, _, score = (part.strip() for part in pair.rpartition("="))
        try:
            number = float(score)
        except ValueError:
            number = float("nan")
        if not label or label.casefold() in found or not abs(number) < float("inf"):
            raise OptionError(f"--labels {labels}: expected LABEL=SCORE pairs, each label once, as pass=1,fail=0")
        found[label.casefold()] = number
    return found


def parse_names(option: str, names: str | None) -> tuple[str, ...]:
    """Return a comma-separated list of different names. Raises OptionError."""
    found = tuple(name.strip() for name in names.split(",")) if names is not None else ()
    if not all(found) or len(set(found)) < len(found):
        raise OptionError(f"{option} {names}: expected different names, comma-separated")
    return found
