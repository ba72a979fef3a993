"""The index of a pack, in one line: which it is, why, and what it finds; and on what a large pack was measured."""

from collections.abc import Mapping
from typing import Any

from routing.manifest import MAX_GRAPH, Manifest


def describe_index(manifest: Manifest, report: Mapping[str, Any]) -> str:
    """Return the index and its reason; of inverted lists also how many are read, and their recall."""
    if not manifest.has_lists:
        return f"HNSW graph, for up to {MAX_GRAPH:,} inputs"
    found = report.get("index")
    if not found:
        return f"inverted lists, for more than {MAX_GRAPH:,} inputs"
    if found["is_exhaustive"]:
        return f"inverted lists, for more than {MAX_GRAPH:,} inputs; {describe_exhaustive(found)}"
    shares = ((found["recall_known"], "known"), (found["recall_new"], "new"))
    recall = ", ".join(f"{share:.1%} for {name} tasks" for share, name in shares if share is not None)
    return (
        f"inverted lists, for more than {MAX_GRAPH:,} inputs; a query reads {found['n_probe']:,} of "
        f"{found['n_lists']:,}, recall@{found['neighbours']} {recall}"
    )


def describe_sample(report: Mapping[str, Any]) -> str:
    """Return on how many inputs a large pack was measured; empty where on all."""
    if not (found := report.get("sample")):
        return ""
    return (
        f"calibration and gain are measured on {found['n_measured']:,} of {found['n_inputs']:,} inputs, drawn from "
        "every dataset with a fixed seed"
    )


def describe_exhaustive(found: Mapping[str, Any]) -> str:
    """Return why all lists are read. found: `index` in the report."""
    return f"all {found['n_lists']:,} are read, since fewer find less than 97% of the {found['neighbours']} nearest"
