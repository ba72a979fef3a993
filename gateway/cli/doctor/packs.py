"""The pack, and whether its embedder is to be had."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.cli.load_embedder import embedder_identity, pack_embedder
from gateway.packs.metadata import read_report
from gateway.tasks.policies import models_not_in_pack
from gateway.tasks.resolved_config import ResolvedConfig
from routing.errors import EmbedderError, PackError
from routing.manifest import Manifest

NEEDED = ("numpy", "hnswlib")


def check_packs(plan: ResolvedConfig, load: bool) -> Iterator[Finding]:
    """What there is to say of the pack. load: whether the embedder is loaded, which takes seconds."""
    manifest, path = plan.manifest, plan.config.routing.pack
    if manifest is None or path is None:
        told = f"none: every task goes to {plan.config.models[0].name}"
        yield make_warning(
            "pack", told, "`benchroute pack build`, then routing.pack; docs/bring-your-benchmark.md says what of"
        )
        return
    yield from _content(Path(path), manifest)
    unknown = models_not_in_pack(plan.config, manifest)
    if unknown:
        told = f"the pack does not know {', '.join(unknown)}: never chosen by score"
        yield make_warning("pack models", told, f"name models as the pack does: {', '.join(manifest.model_names)}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        yield make_error("scorer", f"{', '.join(missing)} cannot be imported", "pip install 'benchroute[scorer]'")
    elif load:
        yield _embedder(Path(path), manifest)


def _content(path: Path, manifest: Manifest) -> Iterator[Finding]:
    about = f"{manifest.name}: {manifest.n_inputs} inputs, {len(manifest.models)} models ({path})"
    try:
        read_report(path, manifest)
    except PackError as error:
        yield make_error("pack", str(error), "`benchroute pack verify` says more; build it again, or copy it again")
    else:
        yield make_ok("pack", about)


def _embedder(path: Path, manifest: Manifest) -> Finding:
    recorded = manifest.embedder
    try:
        here = embedder_identity(pack_embedder(path, manifest))
    except EmbedderError as error:
        return make_error(
            "embedder", str(error), "install what it names, or build the pack with an embedder that is here"
        )
    if not recorded.matches(here):
        told = f"the pack was built with {recorded}, here it is {here}"
        return make_error("embedder", told, "build the pack again, or install that revision")
    return make_ok("embedder", str(recorded))
