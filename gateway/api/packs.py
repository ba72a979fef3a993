"""/v1/packs: the packs to choose from, what each is worth, what it would change, and taking it into use."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from gateway.api.configuration import refused
from gateway.api.services import Given, ManagedBy, Operator, Scorer, Services, services_of
from gateway.config import Config
from gateway.errors import ConfigError, Conflict, InvalidRequest, NotFound, PackRefused, ScorerUnavailable
from gateway.packfiles import read_report
from gateway.packs import FoundPack, found
from gateway.versions import Version
from routing.errors import RoutingError
from routing.manifest import Manifest
from routing.worth import worth

router = APIRouter(tags=["packs"])


@router.get("/v1/packs")
async def list_packs(services: Given, _: Operator) -> dict[str, Any]:
    """The pack in use and those beside it."""
    packs = await asyncio.to_thread(_packs, services)
    active = next((pack.id for pack in packs.values() if pack.is_active), None)
    data = await asyncio.to_thread(lambda: [_summary(pack) for pack in packs.values()])
    return {"object": "list", "active": active, "data": data}


@router.get("/v1/packs/{pack}")
async def get_pack(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """All that a pack says of itself: datasets with source and licence, models, parameters, and its report."""
    one = await _found(pack, services)
    return await asyncio.to_thread(_whole, one)


@router.get("/v1/packs/{pack}/outcomes")
async def pack_outcomes(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """Each model's mean outcome on each dataset."""
    one = await _found(pack, services)
    return dict(await _scorer(services).look("outcomes", pack="" if one.is_active else str(one.path)))


@router.get("/v1/packs/{pack}/diff")
async def pack_diff(pack: str, services: Given, _: Operator) -> dict[str, Any]:
    """Which live tasks would have another model with this pack, and by how much it is better. Changes nothing."""
    one = await _found(pack, services)
    return {**await _scorer(services).look("difference", pack=str(one.path)), "id": pack}


@router.post("/v1/packs/{pack}/activate")
async def activate_pack(pack: str, request: Request, _: ManagedBy) -> dict[str, Any]:
    """Takes a pack into use, as a new version of the configuration; every live task is scored again with it."""
    services = services_of(request)
    one = await _found(pack, services)
    if one.is_active:
        raise Conflict(f"pack {pack!r} is in use already")
    return await _take(services, one.path)


@router.post("/v1/packs/rollback")
async def rollback_pack(request: Request, _: ManagedBy) -> dict[str, Any]:
    """Takes the pack into use again that was in use before this one."""
    services = services_of(request)
    now = services.versions.in_force.config.routing.pack
    earlier = (version.config.routing.pack for version in reversed(services.versions.history()))
    before = next((path for path in earlier if path is not None and path != now), None)
    if before is None:
        raise Conflict("no other pack was in use since the gateway started")
    return await _take(services, Path(before))


async def _take(services: Services, path: Path) -> dict[str, Any]:
    def changed(config: Config) -> Config:
        return config.model_copy(update={"routing": config.routing.model_copy(update={"pack": str(path)})})

    try:
        version: Version = await services.versions.change("pack", changed)
    except (ConfigError, PackRefused) as error:
        raise refused(error) from error
    return {
        "object": "pack.activated",
        "id": path.name,
        "config_version": version.number,
        "message": services.versions.about_file(),
    }


def _packs(services: Services) -> Mapping[str, FoundPack]:
    path = services.config.routing.pack
    return {} if path is None else {pack.id: pack for pack in found(Path(path))}


async def _found(pack: str, services: Services) -> FoundPack:
    one = (await asyncio.to_thread(_packs, services)).get(pack)
    if one is None:
        raise NotFound(f"there is no pack {pack!r} beside the one in use")
    return one


def _summary(pack: FoundPack) -> dict[str, Any]:
    shown: dict[str, Any] = {"object": "pack", "id": pack.id, "active": pack.is_active, "fault": pack.fault}
    if pack.manifest is None:
        return shown
    about = pack.manifest
    report = _report(pack, about)
    accuracy = (report or {}).get("accuracy") or {}
    return {
        **shown,
        "name": about.name,
        "hash": about.hash,
        "path": str(pack.path),
        "size_bytes": pack.size_bytes,
        "made_at": about.made_at or None,
        "made_by": about.made_by or None,
        "software": about.software or None,
        "embedder": asdict(about.embedder),
        "n_inputs": about.n_inputs,
        "n_datasets": len(about.datasets),
        "n_models": len(about.models),
        "accuracy": accuracy,
        "worth": worth(report) if report else None,
        "has_map": "map.npz" in about.files,
        "has_texts": "texts.json" in about.files,
    }


def _whole(pack: FoundPack) -> dict[str, Any]:
    if pack.manifest is None:
        raise InvalidRequest(f"pack {pack.id!r} cannot be read: {pack.fault}", code="pack_refused")
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


def _report(pack: FoundPack, manifest: Manifest) -> dict[str, Any] | None:
    try:
        return read_report(pack.path, manifest)
    except RoutingError:
        return None


def _scorer(services: Services) -> Scorer:
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so there is nothing to look at")
    return services.scorer
