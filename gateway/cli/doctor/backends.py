"""Whether backends answer, take their keys, and know their models. They are asked for a list, never for an answer."""

import importlib.util
from collections.abc import Iterator, Mapping

from gateway.cli.doctor.finding import Finding, fault, ok, warning
from gateway.cli.probe import Endpoint, Probed
from gateway.config import BackendConfig, Config, ModelConfig
from gateway.config.schema import OpenAIBackend

REFUSED = frozenset({401, 403})


def endpoints(config: Config) -> list[Endpoint]:
    """All that can be asked, each as often as it is named."""
    return [_endpoint(one) for model in config.models for one in model.backends if isinstance(one, OpenAIBackend)]


def backends(config: Config, probed: Mapping[Endpoint, Probed]) -> Iterator[Finding]:
    """One finding for each backend."""
    for model in config.models:
        for number, backend in enumerate(model.backends, 1):
            what = f"backend {model.name}/{number}"
            if isinstance(backend, OpenAIBackend):
                yield _openai(what, model, backend, probed[_endpoint(backend)])
            else:
                yield _litellm(what, backend)


def _endpoint(backend: OpenAIBackend) -> Endpoint:
    return Endpoint(backend.base_url, backend.api_key.get_secret_value() if backend.api_key else None)


def _openai(what: str, model: ModelConfig, backend: OpenAIBackend, probed: Probed) -> Finding:
    url, name = backend.base_url, backend.model or model.name
    if probed.fault:
        return fault(what, f"{url}: {probed.fault}", "start it, or mend base_url")
    if probed.status in REFUSED:
        has = "its key is refused" if backend.api_key else "it takes a key, and none is configured"
        return fault(what, f"{url} answered {probed.status}: {has}", "mend api_key, or the variable that it names")
    if probed.models is None:
        told = f"{url}/models answered {probed.status}, no list: it is there, but whether it has {name} is not known"
        return warning(what, told, "base_url usually ends in /v1; send a request to be sure")
    if probed.models and name not in probed.models:
        some = ", ".join(probed.models[:5]) + (", …" if len(probed.models) > 5 else "")
        return warning(what, f"{url} does not list {name}; it lists {some}", "mend the backend's `model`")
    return ok(what, f"{url} has {name}")


def _litellm(what: str, backend: BackendConfig) -> Finding:
    if importlib.util.find_spec("litellm") is None:
        return fault(what, "litellm is not installed", "pip install 'benchroute[litellm]'")
    return ok(what, f"through litellm: {backend.model}; not asked, for that would cost an answer")
