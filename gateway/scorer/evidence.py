"""Whose outcomes in a pack are a configured model's. Without numpy: the gateway asks too."""

from collections.abc import Sequence
from typing import Any

from gateway.errors import PackRejected
from gateway.scorer.messages import ModelNames
from routing.catalogue.evidence import ConfiguredModel, EvidenceMatch, match_models, rename_models
from routing.catalogue.model_ids import ModelIds, read_model_ids
from routing.manifest import Manifest


def match_evidence(models: Sequence[ModelNames], manifest: Manifest) -> tuple[EvidenceMatch, ...]:
    """Return the match of every configured model. Raises PackMismatch where `evidence` names an unknown one."""
    named = [ConfiguredModel(model.name, model.served, model.evidence) for model in models]
    is_plain = all(model.name in manifest.model_names and model.evidence is None for model in named)
    # The catalogue is read only where a name is not the pack's own.
    return match_models(named, manifest.model_names, ModelIds({}) if is_plain else read_model_ids())


def evidence_to_json(match: EvidenceMatch) -> dict[str, Any]:
    """Return a match as the endpoints show it. `match` is `none` where the pack has nothing of the model."""
    return {
        "name": match.evidence,
        "version": match.version or None,
        "match": "none" if match.kind is None else match.kind.value,
        "reason": match.reason or None,
    }


def configured_manifest(manifest: Manifest, models: Sequence[ModelNames]) -> Manifest:
    """Return a pack's manifest with the names of the configuration in place of its own. Raises PackMismatch."""
    return rename_models(manifest, match_evidence(models, manifest))


def refuse_unrelated(manifest: Manifest, models: Sequence[ModelNames]) -> None:
    """Raise PackRejected for a pack with outcomes of none of the configured models: it could choose nothing."""
    if any(match.evidence is not None for match in match_evidence(models, manifest)):
        return
    names = ", ".join(model.name for model in models)
    raise PackRejected(
        f"pack {manifest.name} has outcomes of none of the configured models ({names}): all tasks would use the first. "
        "Set models[].evidence to the pack's names of them, or force the activation."
    )
