"""Readers by format name. A format's module is imported when the format is requested."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from routing.importing.record import Reader

FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "helm": ("helm", "read_sources"),
        "lm-eval": ("lm_eval", "read_sources"),
        "open-llm-leaderboard": ("leaderboard", "read_sources"),
        "routerbench": ("routerbench", "read_sources"),
        "mixinstruct": ("mixinstruct", "read_sources"),
        "inspect": ("inspect_logs", "read_sources"),
        "csv": ("tables", "read_csv_sources"),
        "jsonl": ("tables", "read_jsonl_sources"),
        "parquet": ("tables", "read_parquet_sources"),
    }
)
"""Format -> (module of this package, its reader)."""


def reader_for(name: str) -> Reader:
    """Return the reader of a format. Raises KeyError for a name that is not in FORMATS."""
    module, function = FORMATS[name]
    found: Reader = getattr(import_module(f"routing.importing.{module}"), function)
    return found
