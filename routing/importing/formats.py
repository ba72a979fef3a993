"""Registry of importers: readers by format name, and the options that each format accepts.

A format's module is imported when the format is requested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from routing.importing.record import Reader

TABLE_COLUMNS = ("input_id", "dataset", "text", "model", "score", "loglik")


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """A format of results.

    Attributes:
        module: of this package, with the reader.
        options: fields of ImportOptions that the reader uses: metric, dataset, columns, models.
        columns: our fields that `ImportOptions.columns` can map.
        reader: name of the reader in the module.
    """

    module: str
    options: frozenset[str]
    columns: tuple[str, ...] = ()
    reader: str = "read_sources"


def _format(module: str, options: str, columns: tuple[str, ...] = (), reader: str = "read_sources") -> ImportFormat:
    return ImportFormat(module, frozenset(options.split()), columns, reader)


FORMATS: Mapping[str, ImportFormat] = MappingProxyType(
    {
        "helm": _format("helm", "metric"),
        "lm-eval": _format("lm_eval", "metric columns", ("text",)),
        "open-llm-leaderboard": _format("leaderboard", "metric columns", ("text",)),
        "routerbench": _format("routerbench", "dataset models"),
        "mixinstruct": _format("mixinstruct", "metric dataset"),
        "inspect": _format("inspect_logs", "metric"),
        "csv": _format("tables", "dataset columns models", TABLE_COLUMNS, "read_csv_sources"),
        "jsonl": _format("tables", "dataset columns models", TABLE_COLUMNS, "read_jsonl_sources"),
        "parquet": _format("tables", "dataset columns models", TABLE_COLUMNS, "read_parquet_sources"),
    }
)
"""Formats by name. The command line is built from it."""


def reader_for(name: str) -> Reader:
    """Return the reader of a format. Raises KeyError for a name that is not in FORMATS."""
    known = FORMATS[name]
    found: Reader = getattr(import_module(f"routing.importing.{known.module}"), known.reader)
    return found
