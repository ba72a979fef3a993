"""Names the differences between two JSON values."""

from collections.abc import Iterator
from typing import Any

ABSENT = "nothing"
LONG = 80


def differences(direct: Any, gateway: Any, path: str = "") -> Iterator[str]:
    """Yield each difference: its path, the value directly, the value through the gateway."""
    if isinstance(direct, dict) and isinstance(gateway, dict):
        yield from _members(direct, gateway, path)
    elif isinstance(direct, list) and isinstance(gateway, list):
        yield from _items(direct, gateway, path)
    elif type(direct) is not type(gateway) or direct != gateway:
        yield f"{path or 'result'}: {_short(direct)} directly, {_short(gateway)} through the gateway"


def _members(direct: dict[str, Any], gateway: dict[str, Any], path: str) -> Iterator[str]:
    for name in [*direct, *(name for name in gateway if name not in direct)]:
        inner = f"{path}.{name}" if path else str(name)
        if name not in gateway:
            yield f"{inner}: {_short(direct[name])} directly, {ABSENT} through the gateway"
        elif name not in direct:
            yield f"{inner}: {ABSENT} directly, {_short(gateway[name])} through the gateway"
        else:
            yield from differences(direct[name], gateway[name], inner)


def _items(direct: list[Any], gateway: list[Any], path: str) -> Iterator[str]:
    if len(direct) != len(gateway):
        yield f"{path}: {len(direct)} items directly, {len(gateway)} through the gateway"
    for place, (one, other) in enumerate(zip(direct, gateway, strict=False)):
        yield from differences(one, other, f"{path}[{place}]")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONG else f"{text[:LONG]}…"
