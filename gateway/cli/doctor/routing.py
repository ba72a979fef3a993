"""Checks of backends, pack and embedder. Backends are asked for their list of models, never for a completion."""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.cli.load_embedder import embedder_identity, pack_embedder
from gateway.cli.probe import ProbeResult, ProbeTarget, ProbeWay
from gateway.config import Config, ModelConfig
from gateway.config.schema import AzureBackendConfig, LitellmBackendConfig, OpenAIBackendConfig
from gateway.packs import configured_path, read_report
from gateway.tasks.resolved_config import ResolvedConfig
from gateway.upstream.proxies import find_proxy
from gateway.upstream.request_heads import RequestHeads
from routing.errors import EmbedderError, PackError
from routing.manifest import Manifest
from routing.recommendation import AUTO_DATA, RECOMMENDED, recommend_score

REJECTED = frozenset({401, 403})
REQUIRED = ("numpy", "hnswlib")
MAX_NAMES = 20
"""Names of a pack's models that a fix lists."""


def backend_endpoints(config: Config) -> list[ProbeTarget]:
    """Return the endpoints of all openai and azure backends, repeated if several backends share one."""
    return [
        _endpoint(one) for model in config.models for one in model.backends if not isinstance(one, LitellmBackendConfig)
    ]


def check_backends(config: Config, probed: Mapping[ProbeTarget, ProbeResult]) -> Iterator[Finding]:
    """Check that each backend responds, accepts its key, and lists its model."""
    for model in config.models:
        for number, backend in enumerate(model.backends, 1):
            check = f"backend {model.name}/{number}"
            if isinstance(backend, LitellmBackendConfig):
                yield _litellm(check, backend)
            else:
                yield _openai(check, model, backend, probed[_endpoint(backend)])
                if not backend.tls.verify:
                    fix = "set tls.ca_file to the authority's certificate"
                    yield make_warning(check, "tls.verify is off: anybody on the way can read its key", fix)


def check_packs(plan: ResolvedConfig, load: bool) -> Iterator[Finding]:
    """Check the pack, its models, and its embedder. load: load the embedder, which takes seconds."""
    manifest, named = plan.manifest, plan.config.routing.pack
    if manifest is None or named is None:
        message = f"no pack: every task uses {plan.policies.default.ranking[0]}"
        fix = "set `routing.pack: public`, or build a pack of your own benchmark (see docs/bring-your-benchmark.md)"
        yield make_warning("pack", message, fix)
        return
    path = configured_path(named)
    assert path is not None  # noqa: S101 - a pack is configured
    yield from _content(path, manifest, plan.config.routing.score == RECOMMENDED)
    yield from _models(plan, manifest)
    for task, fault in plan.unknown_datasets.items():
        names = ", ".join(dataset.name for dataset in manifest.datasets)
        yield make_warning(f"task {task}", fault, f"name one of the pack's datasets: {names}")
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        yield make_error("scorer", f"{', '.join(missing)} cannot be imported", "pip install 'benchroute[scorer]'")
    elif load:
        yield _embedder(path, manifest)


def _models(plan: ResolvedConfig, manifest: Manifest) -> Iterator[Finding]:
    """Check whose outcomes the configured models have."""
    if own := [match.model for match in plan.evidence if match.evidence == match.model]:
        yield make_ok("evidence", f"outcomes under their own names: {', '.join(own)}")
    for match in plan.evidence:
        if match.evidence not in (None, match.model):
            yield make_ok(f"evidence {match.model}", f"outcomes of {match.evidence} ({match.kind})")
    if unknown := [match.model for match in plan.evidence if match.evidence is None]:
        message = f"not in the pack: {', '.join(unknown)}; never chosen by score"
        some = ", ".join(manifest.model_names[:MAX_NAMES]) + (", …" if len(manifest.models) > MAX_NAMES else "")
        fix = f"set models[].evidence to the pack's name of the model, or name it as in the pack: {some}"
        yield make_warning("pack models", message, fix)


def _endpoint(backend: OpenAIBackendConfig | AzureBackendConfig) -> ProbeTarget:
    proxy = find_proxy(backend.base_url, backend.proxy, os.environ)
    # The model's name is in no target of a list of models.
    heads = RequestHeads(backend, "", proxy)
    return ProbeTarget(
        backend.base_url, way=ProbeWay(heads.list_target(), tuple(heads.list_headers()), backend.tls, proxy)
    )


def _openai(
    check: str, model: ModelConfig, backend: OpenAIBackendConfig | AzureBackendConfig, probed: ProbeResult
) -> Finding:
    url, name = backend.base_url, backend.model or model.name
    if probed.error:
        return make_error(check, f"{url}: {probed.error}", "start the server, or correct base_url")
    if probed.status in REJECTED:
        has_key = backend.api_key or backend.api_key_file
        reason = "it rejects the key" if has_key else "it requires a key, and none is configured"
        return make_error(check, f"{url} returned {probed.status}: {reason}", "set api_key, or its variable")
    if probed.models is not None and isinstance(backend, AzureBackendConfig):
        return make_ok(check, f"{url} accepts its key; it does not list deployments, so {name} is not checked")
    if probed.models is None:
        message = f"{url}/models returned {probed.status} and no list: cannot check that it serves {name}"
        return make_warning(check, message, "base_url usually ends in /v1; send a request to be sure")
    if probed.models and name not in probed.models:
        some = ", ".join(probed.models[:5]) + (", …" if len(probed.models) > 5 else "")
        return make_warning(check, f"{url} does not list {name}; it lists {some}", "correct the backend's `model`")
    return make_ok(check, f"{url} serves {name}")


def _litellm(check: str, backend: LitellmBackendConfig) -> Finding:
    if importlib.util.find_spec("litellm") is None:
        return make_error(check, "litellm is not installed", "pip install 'benchroute[litellm]'")
    return make_ok(check, f"litellm: {backend.model}; not probed, since a completion would cost money")


def _content(path: Path, manifest: Manifest, uses_recommendation: bool) -> Iterator[Finding]:
    try:
        report = read_report(path, manifest)
    except PackError as error:
        yield make_error("pack", str(error), "run `benchroute pack verify` for details; copy or rebuild the pack")
    else:
        counts = f"{manifest.n_inputs} inputs, {len(manifest.models)} models"
        yield make_ok("pack", f"{manifest.name}: {counts} ({path})")
        if uses_recommendation:
            found = recommend_score(report, AUTO_DATA in manifest.files)
            yield make_ok("score", f"recommended: {found.score}; {found.why}")


def _embedder(path: Path, manifest: Manifest) -> Finding:
    recorded = manifest.embedder
    try:
        installed = embedder_identity(pack_embedder(path, manifest))
    except EmbedderError as error:
        return make_error("embedder", str(error), "install it, or rebuild the pack with an available embedder")
    if not recorded.matches(installed):
        message = f"the pack was built with {recorded}, installed is {installed}"
        return make_error("embedder", message, "rebuild the pack, or install that revision")
    return make_ok("embedder", str(recorded))
