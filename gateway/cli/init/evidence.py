"""What the shipped pack has of the chosen models."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.scorer.evidence import match_evidence
from gateway.scorer.messages import ModelNames
from routing.catalogue.public_pack import public_pack_path
from routing.manifest import read_manifest

if TYPE_CHECKING:
    from gateway.cli.init.providers import ChosenModel
    from routing.catalogue.evidence import EvidenceMatch


def match_public(chosen: "Sequence[ChosenModel]") -> "Sequence[EvidenceMatch]":
    """Return whose outcomes in the shipped pack each model has."""
    return match_evidence([ModelNames(one.name, (one.upstream,)) for one in chosen], read_manifest(public_pack_path()))


def describe_evidence(matches: "Sequence[EvidenceMatch]") -> Iterator[str]:
    """Yield the lines that tell which models have public outcomes, and what to do about the others."""
    known = [match for match in matches if match.evidence is not None]
    for match in known:
        yield f"evidence: {match.model} has the public outcomes of {match.evidence} ({match.kind})"
    unknown = ", ".join(match.model for match in matches if match.evidence is None)
    if unknown:
        yield f"evidence: none for {unknown}; set models[].evidence, or measure them with `benchroute bench run`"
    if len(known) < 2:
        yield "evidence: too few models to choose between; a benchmark of your own (`benchroute bench run`) is needed"
    else:
        yield (
            "evidence: public outcomes find the best model on average, seldom a better one for a single task; to save "
            "cost set tasks.NAME.max_regret, to choose by your own work use `benchroute bench run` or labels"
        )
