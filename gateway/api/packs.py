"""Pack endpoints at /v1/packs: list, contents, comparison with the active pack, activation, rollback."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Response

from gateway.api.dependencies import Given, ManagedBy, Operator, count_read
from gateway.api.management import config_rejected
from gateway.api.pagination import Paging, encode_row, json_response, page_of_sorted, page_to_json
from gateway.api.services import Services, require_scorer
from gateway.config import Config
from gateway.errors import ConfigError, Conflict, InvalidRequest, NotFound, PackRejected
from gateway.keys.auth import Principal
from gateway.packs import Activation, PackInfo, read_report
from gateway.scorer.evidence import evidence_to_json, match_evidence, refuse_unrelated
from gateway.tasks.resolved_config import model_names
from routing.errors import PackMismatch, RoutingError
from routing.gain_summary import gain_sentence
from routing.manifest import Manifest
from routing.recommendation import AUTO_DATA, recommend_score

router = APIRouter(tags=["packs"])


@router.get("/v1/packs", response_model=dict[str, Any])
async def list_packs(services: Given, _: Operator, page: Paging) -> Response:
    """List packs by ID: the active one and those to activate, with measured gains if their files are local."""
    packs = sorted(await asyncio.to_thread(services.packs.list_packs), key=_pack_id)
    active = next((pack.id for pack in packs if pack.is_active), None)
    rows, last = page_of_sorted(packs, _pack_id, page, "packs")
    data = await asyncio.to_thread(lambda: [encode_row(_summary(pack)) for pack in rows])
    return json_response(page_to_json(data, "packs", last, active=active))


@router.get("/v1/packs/{pack}", response_model=dict[str, Any])
async def get_pack(pack: str, services: Given, _: Operator) -> Response:
    """Return a pack's manifest and report: datasets with source and licence, models, parameters.

    `evidence` tells whose outcomes in the pack each configured model has.
    """
    one = await _find(pack, services)
    try:
        return await asyncio.to_thread(
            lambda: json_response(_details(services.packs.ensure_local(one), services.config))
        )
    except PackRejected as error:
        raise config_rejected(error) from error


@router.get("/v1/packs/{pack}/outcomes", response_model=dict[str, Any], dependencies=[Depends(count_read)])
async def get_pack_outcomes(pack: str, services: Given, client: Operator) -> Response:
    """Return each model's mean outcome on each dataset."""
    one = await _find(pack, services)
    place = "" if one.is_active else one.place
    return json_response(await require_scorer(services).inspect_pack("outcomes", pack=place, key=client.name))


@router.get("/v1/packs/{pack}/diff", response_model=dict[str, Any], dependencies=[Depends(count_read)])
async def get_pack_diff(pack: str, services: Given, client: Operator) -> Response:
    """List the live tasks that would change their model with this pack, with the gain in score. Changes nothing."""
    one = await _find(pack, services)
    found = await require_scorer(services).inspect_pack("difference", pack=one.place, key=client.name)
    return json_response({**_own_tasks(found, client), "id": pack})


@router.post("/v1/packs/{pack}/activate")
async def activate_pack(pack: str, services: Given, _: ManagedBy, force: bool = False) -> dict[str, Any]:
    """Activate a pack. All live tasks are rescored with it. `force`: even if it knows none of the models."""
    one = await _find(pack, services)
    if one.is_active:
        raise Conflict(f"Pack {pack!r} is already active.")
    if one.manifest is not None and not force:
        try:
            refuse_unrelated(one.manifest, model_names(services.config))
        except PackRejected as error:
            raise config_rejected(error) from error
    return await _activated(services.packs.activate_pack(one))


@router.post("/v1/packs/rollback")
async def rollback_pack(services: Given, _: ManagedBy) -> dict[str, Any]:
    """Activate the previously active pack again."""
    return await _activated(services.packs.rollback_pack())


def _own_tasks(found: Mapping[str, Any], client: Principal) -> Mapping[str, Any]:
    """Leave out the tasks that the key may not use, of the counts too."""
    if client.tasks is None:
        return found
    rows = [row for row in found["data"] if client.can_use_task(row["task"])]
    changed = sum(row["before"] != row["after"] for row in rows)
    return {**found, "data": rows, "tasks": len(rows), "compared": len(rows), "changed": changed}


async def _activated(pending: Awaitable[Activation]) -> dict[str, Any]:
    try:
        activation = await pending
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return {"object": "pack.activated", **asdict(activation)}


async def _find(pack: str, services: Services) -> PackInfo:
    for one in await asyncio.to_thread(services.packs.list_packs):
        if one.id == pack:
            return one
    raise NotFound(f"Unknown pack {pack!r}. GET /v1/packs lists packs.")


def _pack_id(pack: PackInfo) -> str:
    return pack.id


def _summary(pack: PackInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {"object": "pack", "id": pack.id, "active": pack.is_active, "error": pack.error}
    if pack.manifest is None:
        return shown
    about = pack.manifest
    report = _report(pack, about)
    accuracy = (report or {}).get("accuracy") or {}
    return {
        **shown,
        "name": about.name,
        "hash": about.hash,
        "path": pack.place,
        "size_bytes": pack.size_bytes,
        "made_at": about.made_at or None,
        "made_by": about.made_by or None,
        "software": about.software or None,
        "embedder": asdict(about.embedder),
        "n_inputs": about.n_inputs,
        "n_datasets": len(about.datasets),
        "n_models": len(about.models),
        "accuracy": accuracy,
        "gain_summary": gain_sentence(report) if report else None,
        "recommended": asdict(recommend_score(report, AUTO_DATA in about.files)) if report else None,
        "has_map": "map.npz" in about.files,
        "has_texts": "texts.json" in about.files,
    }


def _details(pack: PackInfo, config: Config) -> dict[str, Any]:
    if pack.manifest is None:
        raise InvalidRequest(f"Pack {pack.id!r} cannot be read: {pack.error}", code="pack_refused")
    about = pack.manifest
    return {
        **_summary(pack),
        "datasets": [asdict(dataset) for dataset in about.datasets],
        "models": [asdict(model) for model in about.models],
        "on_average": list(about.on_average),
        "routing": dict(about.routing),
        "calibration": dict(about.calibration),
        "evidence": _evidence(about, config),
        "report": _report(pack, about),
    }


def _evidence(manifest: Manifest, config: Config) -> dict[str, Any]:
    """Return the match of every configured model; empty where `evidence` names a model that this pack does not have."""
    try:
        matches = match_evidence(model_names(config), manifest)
    except PackMismatch:
        return {}
    return {match.model: evidence_to_json(match) for match in matches}


def _report(pack: PackInfo, manifest: Manifest) -> dict[str, Any] | None:
    if pack.path is None:
        return None
    try:
        return read_report(pack.path, manifest)
    except RoutingError:
        return None
