"""Which providers are there, and what models they have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.cli.init.providers import Provider
from gateway.cli.probe import ProbeResult, ProbeTarget, probe_endpoints

REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class DetectedProvider:
    """A provider that is there. models: as it lists them, else those known of it. remark: what is amiss."""

    provider: Provider
    models: tuple[str, ...]
    remark: str = ""


def detect_providers(
    providers: Sequence[Provider],
    environment: Mapping[str, str],
    done: Callable[[int, int], None],
    timeout_s: float,
) -> list[DetectedProvider]:
    """Those that have a key in the environment or answer on this machine, in the order given."""
    here = [one for one in providers if one.variable is None or environment.get(one.variable, "").strip()]
    ends = {one: _endpoint(one, environment) for one in here}
    probed = probe_endpoints(list(ends.values()), done, timeout_s)
    found = (_found(one, probed[ends[one]]) for one in here)
    return [one for one in found if one is not None]


def _endpoint(provider: Provider, environment: Mapping[str, str]) -> ProbeTarget:
    return ProbeTarget(provider.base_url, environment[provider.variable].strip() if provider.variable else None)


def _found(provider: Provider, probed: ProbeResult) -> DetectedProvider | None:
    if provider.is_local and not probed.models:
        return None
    if probed.status in REFUSED:
        return DetectedProvider(provider, provider.models, f"it refuses the key in {provider.variable}")
    if probed.models is None:
        why = probed.fault or f"/models answered {probed.status}"
        return DetectedProvider(provider, provider.models, f"its models cannot be listed: {why}")
    return DetectedProvider(provider, probed.models)
