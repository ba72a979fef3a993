"""The models of a configuration and the models of a pack that hold their evidence.

The exact version comes first, then the same model in another version, the newest; another model never. Names may
differ: a configured `fast` whose backend serves `openai/gpt-4o-mini` has the evidence of the pack's
`gpt-4o-mini-2024-07-18`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from routing.catalogue.model_ids import ModelId, ModelIds, newest_first
from routing.errors import PackMismatch
from routing.manifest import Manifest

MAX_NAMES = 5
"""Names of a pack's models that an error lists."""


class MatchKind(StrEnum):
    """How a pack's model was found for a configured one."""

    CONFIGURED = "configured"
    NAME = "same name"
    VERSION = "same version"
    MODEL = "another version"


@dataclass(frozen=True, slots=True)
class ConfiguredModel:
    """A model as a configuration names it.

    Attributes:
        name: in the configuration.
        served: ids under which its backends serve it, the first of them first.
        evidence: the pack's model whose evidence counts, where the configuration says so.
    """

    name: str
    served: Sequence[str] = ()
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceMatch:
    """A configured model and the pack's model that holds its evidence.

    Attributes:
        model: the configured one.
        evidence: the pack's; None where it has none of this model.
        kind: how it was found; None likewise.
        reason: why there is none; empty otherwise.
        version: of the pack's, as ids write it; empty where its name has none.
    """

    model: str
    evidence: str | None = None
    kind: MatchKind | None = None
    reason: str = ""
    version: str = ""


def match_models(
    models: Sequence[ConfiguredModel], pack_names: Sequence[str], ids: ModelIds
) -> tuple[EvidenceMatch, ...]:
    """Return the match of every configured model, in their order.

    A model of the pack serves one configured model: of several that mean the same, the first by name, else the first
    of the configuration. Raises PackMismatch where `evidence` names a model that the pack does not have.
    """
    found = {one.name: _match(one, pack_names, ids) for one in models}
    taken: dict[str, str] = {}
    for match in sorted(found.values(), key=lambda one: _order(one.kind)):
        if match.evidence is not None and taken.setdefault(match.evidence, match.model) != match.model:
            reason = f"{match.evidence} is already the evidence of {taken[match.evidence]}"
            found[match.model] = EvidenceMatch(match.model, reason=reason)
    return tuple(_with_version(found[one.name], ids) for one in models)


def rename_models(manifest: Manifest, matches: Iterable[EvidenceMatch]) -> Manifest:
    """Return the manifest with the configured names in place of the pack's. Its hash stays: the content is the same.

    A model of the pack that has the name of a configured one, but is not its evidence, gets a name of its own.
    """
    shown = {match.evidence: match.model for match in matches if match.evidence is not None}
    if all(pack_name == name for pack_name, name in shown.items()):
        return manifest
    taken = set(shown.values())
    for name in manifest.model_names:
        if name not in shown and name in taken:
            shown[name] = f"{name} (pack)"
    models = tuple(replace(model, name=shown.get(model.name, model.name)) for model in manifest.models)
    added = tuple(replace(one, model=shown.get(one.model, one.model)) for one in manifest.added)
    on_average = tuple(shown.get(name, name) for name in manifest.on_average)
    return replace(manifest, models=models, on_average=on_average, added=added)


def _with_version(match: EvidenceMatch, ids: ModelIds) -> EvidenceMatch:
    return match if match.evidence is None else replace(match, version=ids.resolve(match.evidence).version_text)


def _order(kind: MatchKind | None) -> int:
    return len(MatchKind) if kind is None else list(MatchKind).index(kind)


def _match(model: ConfiguredModel, pack_names: Sequence[str], ids: ModelIds) -> EvidenceMatch:
    if model.evidence is not None:
        return EvidenceMatch(model.name, _named(model, pack_names, ids), MatchKind.CONFIGURED)
    if model.name in pack_names:
        return EvidenceMatch(model.name, model.name, MatchKind.NAME)
    known = _by_model(pack_names, ids)
    for written in (model.name, *model.served):
        if (match := _match_id(model.name, ids.resolve(written), known)) is not None:
            return match
    return EvidenceMatch(model.name, reason="the pack has no outcomes of this model")


def _named(model: ConfiguredModel, pack_names: Sequence[str], ids: ModelIds) -> str:
    """Return the pack's model that `evidence` names, by its name or by an id of the same model."""
    assert model.evidence is not None  # noqa: S101 - the caller has checked
    if model.evidence in pack_names:
        return model.evidence
    match = _match_id(model.name, ids.resolve(model.evidence), _by_model(pack_names, ids))
    if match is None or match.evidence is None:
        some = ", ".join(pack_names[:MAX_NAMES])
        raise PackMismatch(
            f"model {model.name}: evidence names {model.evidence}, which is not among the pack's "
            f"{len(pack_names)} models ({some}, …)"
        )
    return match.evidence


def _by_model(pack_names: Sequence[str], ids: ModelIds) -> Mapping[str, Mapping[tuple[int, ...], str]]:
    """Return the pack's names by model and version."""
    known: dict[str, dict[tuple[int, ...], str]] = {}
    for name in pack_names:
        found = ids.resolve(name)
        known.setdefault(found.model, {}).setdefault(found.version, name)
    return known


def _match_id(model: str, wanted: ModelId, known: Mapping[str, Mapping[tuple[int, ...], str]]) -> EvidenceMatch | None:
    versions = known.get(wanted.model)
    if not versions:
        return None
    if wanted.version in versions:
        return EvidenceMatch(model, versions[wanted.version], MatchKind.VERSION)
    # A month is exact where the pack has one day of it.
    days = [one for one in versions if one[: len(wanted.version)] == wanted.version] if wanted.version else []
    if len(days) == 1:
        return EvidenceMatch(model, versions[days[0]], MatchKind.VERSION)
    return EvidenceMatch(model, versions[newest_first(versions)[0]], MatchKind.MODEL)
