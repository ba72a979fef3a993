"""Whether backends answer, take their keys, and know their models. They are asked for a list, never for an answer."""

import importlib.util
from collections.abc import Iterator, Mapping

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.cli.probe import ProbeResult, ProbeTarget
from gateway.config import BackendConfig, Config, ModelConfig
from gateway.config.schema import OpenAIBackendConfig

REFUSED = frozenset({401, 403})


def backend_endpoints(config: Config) -> list[ProbeTarget]:
    """All that can be asked, each as often as it is named."""
    return [_endpoint(one) for model in config.models for one in model.backends if isinstance(one, OpenAIBackendConfig)]


def check_backends(config: Config, probed: Mapping[ProbeTarget, ProbeResult]) -> Iterator[Finding]:
    """One finding for each backend."""
    for model in config.models:
        for number, backend in enumerate(model.backends, 1):
            what = f"backend {model.name}/{number}"
            if isinstance(backend, OpenAIBackendConfig):
                yield _openai(what, model, backend, probed[_endpoint(backend)])
            else:
                yield _litellm(what, backend)


def _endpoint(backend: OpenAIBackendConfig) -> ProbeTarget:
    return ProbeTarget(backend.base_url, backend.api_key.get_secret_value() if backend.api_key else None)


def _openai(what: str, model: ModelConfig, backend: OpenAIBackendConfig, probed: ProbeResult) -> Finding:
    url, name = backend.base_url, backend.model or model.name
    if probed.fault:
        return make_error(what, f"{url}: {probed.fault}", "start it, or mend base_url")
    if probed.status in REFUSED:
        has = "its key is refused" if backend.api_key else "it takes a key, and none is configured"
        return make_error(what, f"{url} answered {probed.status}: {has}", "mend api_key, or the variable that it names")
    if probed.models is None:
        told = f"{url}/models answered {probed.status}, no list: it is there, but whether it has {name} is not known"
        return make_warning(what, told, "base_url usually ends in /v1; send a request to be sure")
    if probed.models and name not in probed.models:
        some = ", ".join(probed.models[:5]) + (", …" if len(probed.models) > 5 else "")
        return make_warning(what, f"{url} does not list {name}; it lists {some}", "mend the backend's `model`")
    return make_ok(what, f"{url} has {name}")


def _litellm(what: str, backend: BackendConfig) -> Finding:
    if importlib.util.find_spec("litellm") is None:
        return make_error(what, "litellm is not installed", "pip install 'benchroute[litellm]'")
    return make_ok(what, f"through litellm: {backend.model}; not asked, for that would cost an answer")
