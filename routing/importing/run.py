"""From a reader's sources to a benchmark folder, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routing.importing.errors import NothingImported, UnreadableFile
from routing.importing.record import ImportedRecord, ImportRemark, ImportSource, RejectedRow
from routing.importing.writer import TidyWriter, atomic_folder

MAX_SHOWN = 20

ImportSteps = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How to write. threshold: eta_d of every dataset; None leaves the default. force: replace a benchmark that lies
    there. keep_going: files that cannot be used are left out and told, instead of ending it all."""

    threshold: float | None = None
    force: bool = False
    keep_going: bool = False


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did.

    datasets: name to inputs. models: name to outcomes. refusals: the first 20 of n_refused. left_out: unusable files.
    """

    datasets: dict[str, int]
    models: dict[str, int]
    logliks: int
    n_rejected: int
    rejections: tuple[RejectedRow, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def n_inputs(self) -> int:
        """Inputs of all datasets."""
        return sum(self.datasets.values())

    @property
    def n_outcomes(self) -> int:
        """Outcomes of all models."""
        return sum(self.models.values())


def import_results(
    sources: Sequence[ImportSource],
    origin: Path,
    target: Path,
    settings: ImportSettings,
    steps: ImportSteps | None = None,
) -> ImportSummary:
    """Writes what the sources give as a benchmark in the tidy format.

    origin: where the sources lie. Raises UnreadableFile or NothingImported for the first file that cannot be used
    (unless told to keep going), NothingImported if there is no outcome at all, OutputExists. After an error nothing has
    been written.
    """
    tally = _Tally()
    with atomic_folder(target, origin, settings.force) as folder, TidyWriter(folder) as writer:
        for done, source in enumerate(sources, 1):
            before = writer.n_outcomes
            try:
                _take(source, writer, tally)
            except (UnreadableFile, NothingImported) as error:
                if not settings.keep_going:
                    raise
                kept = writer.n_outcomes - before
                beside = f"; the {kept} outcomes before that are kept" if kept else ""
                tally.left_out.append(f"{source.path}: {error.faults[0]}{beside}")
            if steps is not None:
                steps("files", done, len(sources))
        if not writer.n_outcomes:
            raise NothingImported(str(origin), tally.left_out or ["it holds no outcome"])
        writer.finish_files(settings.threshold)
    return tally.summary(writer)


@dataclass(slots=True)
class _Tally:
    """What has been told so far."""

    n_refused: int = 0
    refusals: list[RejectedRow] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)

    def refuse(self, refusal: RejectedRow) -> None:
        self.n_refused += 1
        if len(self.refusals) < MAX_SHOWN:
            self.refusals.append(refusal)

    def summary(self, writer: TidyWriter) -> ImportSummary:
        return ImportSummary(
            datasets=dict(writer.inputs_of),
            models=dict(writer.outcomes_of),
            logliks=writer.logliks,
            n_rejected=self.n_refused,
            rejections=tuple(self.refusals),
            left_out=tuple(self.left_out),
            warnings=tuple(self.remarks),
        )


def _take(source: ImportSource, writer: TidyWriter, tally: _Tally) -> None:
    """Goes through one source. Raises NothingImported if not one of its rows is good."""
    before, refused = writer.n_outcomes, _Tally()
    try:
        for item in source.items():
            match item:
                case ImportedRecord():
                    wrong = writer.add_record(item)
                    if wrong is not None:
                        refused.refuse(RejectedRow(item.where, wrong))
                case RejectedRow():
                    refused.refuse(item)
                case ImportRemark(text=told):
                    tally.remarks[told] = None
    finally:
        tally.n_refused += refused.n_refused
        tally.refusals.extend(refused.refusals[: MAX_SHOWN - len(tally.refusals)])
    if writer.n_outcomes == before:
        raise NothingImported(str(source.path), _faults(refused))


def _faults(refused: _Tally) -> list[str]:
    shown = [f"{refusal.where}: {refusal.reason}" for refusal in refused.refusals[: MAX_SHOWN - 2]]
    more = refused.n_refused - len(shown)
    return ["not one good row", *shown, *([f"… and {more} more"] if more else [])]
