"""/v1/packs: the packs to choose from, what each is worth, what it would change, and taking it into use."""

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from gateway.api.configuration import config_rejected
from gateway.api.services import Given, ManagedBy, Operator, Services
from gateway.errors import ConfigError, Conflict, InvalidRequest, NotFound, PackRejected, ScorerUnavailable
from gateway.packs.library import Activation, PackInfo
from gateway.packs.metadata import read_report
from gateway.scorer.client import ScorerClient
from routing.errors import RoutingError
from routing.gain_summary import gain_sentence
from routing.manifest import Manifest

router = APIRouter(tags=["packs"])


@router.get("/v1/packs")
async def list_packs(services: Given, _: Operator) -> dict[str, Any]:
    """The pack in use and those that could be, what each is worth where its files are on this machine."""
    packs = await asyncio.to_thread(services.packs.list_packs)
    active = next((pack.id for pack in packs if pack.is_active), None)
    data = await asyncio.to_thread(lambda: [_summary(pack) for pack in packs])
    return {"object": "list", "active": active, "data": data}


@router.get("/v1/packs/{pack}")
async def get_pack(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """All that a pack says of itself: datasets with source and licence, models, parameters, and its report."""
    one = await _found(pack, services)
    try:
        return await asyncio.to_thread(lambda: _whole(services.packs.ensure_local(one)))
    except PackRejected as error:
        raise config_rejected(error) from error


@router.get("/v1/packs/{pack}/outcomes")
async def get_pack_outcomes(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """Each model's mean outcome on each dataset."""
    one = await _found(pack, services)
    return dict(await _scorer(services).inspect_pack("outcomes", pack="" if one.is_active else one.place))


@router.get("/v1/packs/{pack}/diff")
async def get_pack_diff(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """Which live tasks would have another model with this pack, and by how much it is better. Changes nothing."""
    one = await _found(pack, services)
    return {**await _scorer(services).inspect_pack("difference", pack=one.place), "id": pack}


@router.post("/v1/packs/{pack}/activate")
async def activate_pack(pack: str, services: Given, _: ManagedBy) -> dict[str, Any]:
    """Takes a pack into use; every live task is scored again with it."""
    one = await _found(pack, services)
    if one.is_active:
        raise Conflict(f"pack {pack!r} is in use already")
    return await _taken(services.packs.activate_pack(one))


@router.post("/v1/packs/rollback")
async def rollback_pack(services: Given, _: ManagedBy) -> dict[str, Any]:
    """Takes the pack into use again that was in use before this one."""
    return await _taken(services.packs.rollback_pack())


async def _taken(taking: Awaitable[Activation]) -> dict[str, Any]:
    try:
        taken = await taking
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return {"object": "pack.activated", **asdict(taken)}


async def _found(pack: str, services: Services) -> PackInfo:
    for one in await asyncio.to_thread(services.packs.list_packs):
        if one.id == pack:
            return one
    raise NotFound(f"there is no pack {pack!r}: GET /v1/packs lists them")


def _summary(pack: PackInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {"object": "pack", "id": pack.id, "active": pack.is_active, "fault": pack.error}
    if pack.manifest is None:
        return shown
    about = pack.manifest
    report = _report(pack, about)
    accuracy = (report or {}).get("accuracy") or {}
    return {
        **shown,
        "name": about.name,
        "hash": about.hash,
        "place": pack.place,
        "size_bytes": pack.size_bytes,
        "made_at": about.made_at or None,
        "made_by": about.made_by or None,
        "software": about.software or None,
        "embedder": asdict(about.embedder),
        "n_inputs": about.n_inputs,
        "n_datasets": len(about.datasets),
        "n_models": len(about.models),
        "accuracy": accuracy,
        "worth": gain_sentence(report) if report else None,
        "has_map": "map.npz" in about.files,
        "has_texts": "texts.json" in about.files,
    }


def _whole(pack: PackInfo) -> dict[str, Any]:
    if pack.manifest is None:
        raise InvalidRequest(f"pack {pack.id!r} cannot be read: {pack.error}", code="pack_refused")
    about = pack.manifest
    return {
        **_summary(pack),
        "datasets": [asdict(dataset) for dataset in about.datasets],
        "models": [asdict(model) for model in about.models],
        "on_average": list(about.on_average),
        "routing": dict(about.routing),
        "calibration": dict(about.calibration),
        "report": _report(pack, about),
    }


def _report(pack: PackInfo, manifest: Manifest) -> dict[str, Any] | None:
    if pack.path is None:
        return None
    try:
        return read_report(pack.path, manifest)
    except RoutingError:
        return None


def _scorer(services: Services) -> ScorerClient:
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so there is nothing to look at")
    return services.scorer
