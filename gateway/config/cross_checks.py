"""Checks of references between sections of a configuration.

They work on the expanded document instead of the parsed sections, so that their errors are reported together with
those of the fields. Values of the wrong type are skipped here: the schema reports them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.config.exclusions import (
    BOTH_GOALS,
    BOTH_KEYS,
    END_WITHOUT_HASH,
    HEADER_WITHOUT_KEY,
    KEY_WITHOUT_CERTIFICATE,
)
from gateway.config.expand import ConfigFault
from gateway.config.field_messages import nearest_word
from gateway.config.redis_url import parse_redis_url
from gateway.vocabulary import PUBLIC_PACK, REDIS_SCHEMES, is_routed_model

MAX_LISTED = 8
"""Known names listed when none is similar."""

KEY_HASHES = ("sha256", "previous_sha256")


def check_references(document: Mapping[str, Any]) -> list[ConfigFault]:
    """Return the errors between sections: duplicate names, unknown models, missing files."""
    models = [(f"models[{place}].name", model.get("name")) for place, model in _items(document.get("models"))]
    every_key = [*_keys(document, "keys"), *_keys(document.get("admin"), "keys", "admin.")]
    keys = [(f"{path}.name", key.get("name")) for path, key in every_key]
    hashes = [(f"{path}.{name}", _lower(key.get(name))) for path, key in every_key for name in KEY_HASHES]
    names = {name for _, name in models if isinstance(name, str)}
    return [
        *_duplicates(models),
        *_duplicates(keys),
        *_duplicates(hashes),
        *((path, f"reserved name {name!r}: it requests routing") for path, name in models if _reserved(name)),
        *_unknown_models(document, names),
        *_other_kinds(document),
        *_files_backend(document),
        *_exclusive_settings(document),
        *_forbidden_defaults(document),
        *_nothing_left(document),
        *_missing_pack(document),
        *_open_to_pages(document),
        *_state_url(document),
    ]


def _items(section: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, item in enumerate(section if isinstance(section, list) else []):
        if isinstance(item, Mapping):
            yield place, item


def _keys(section: object, name: str, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, key in _items(section.get(name) if isinstance(section, Mapping) else None):
        yield f"{prefix}{name}[{place}]", key


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _tasks(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    tasks = document.get("tasks")
    for name, task in (tasks if isinstance(tasks, Mapping) else {}).items():
        if isinstance(task, Mapping):
            yield f"tasks.{name}", task


def _duplicates(named: Sequence[tuple[str, object]]) -> Iterator[ConfigFault]:
    first: dict[object, str] = {}
    for path, name in named:
        if isinstance(name, str) and first.setdefault(name, path) != path:
            yield path, f"duplicate of {first[name]}: {name!r}"


def _reserved(name: object) -> bool:
    return isinstance(name, str) and is_routed_model(name)


def _unknown_models(document: Mapping[str, Any], names: set[str]) -> Iterator[ConfigFault]:
    for path, task in _tasks(document):
        yield from _check_models(names, f"{path}.candidates", task.get("candidates"))
        yield from _check_models(names, f"{path}.fallbacks", task.get("fallbacks"))
        yield from _check_model(names, f"{path}.pin", task.get("pin"))
        yield from _check_model(names, f"{path}.embedding_model", task.get("embedding_model"))
    routing = document.get("routing")
    if isinstance(routing, Mapping):
        yield from _check_model(names, "routing.embedding_model", routing.get("embedding_model"))
    for place, key in _items(document.get("keys")):
        yield from _check_models(names, f"keys[{place}].models", key.get("models"))


def _other_kinds(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Yield models of other kinds than chat where a task's requests would go to them."""
    models = [model for _, model in _items(document.get("models"))]
    kinds = {name: model.get("kind", "chat") for model in models if isinstance(name := model.get("name"), str)}
    if kinds and "chat" not in kinds.values():
        yield "models", "no model of kind chat: every task needs at least one"
    for path, task in _tasks(document):
        for setting in ("candidates", "fallbacks", "pin"):
            listed = task.get(setting)
            for name in listed if isinstance(listed, list) else [listed]:
                if isinstance(name, str) and kinds.get(name, "chat") != "chat":
                    yield (
                        f"{path}.{setting}",
                        f"model {name!r} is of kind {kinds[name]}: a task's models are of kind chat",
                    )


def _files_backend(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    upstream = document.get("upstream")
    name = upstream.get("files_backend") if isinstance(upstream, Mapping) else None
    if not isinstance(name, str):
        return
    known = [
        (f"{model.get('name')}/{number}", backend.get("kind"))
        for _, model in _items(document.get("models"))
        for number, (_, backend) in enumerate(_items(model.get("backends")), 1)
    ]
    kind = dict(known).get(name)
    if kind is None:
        yield "upstream.files_backend", _unknown_name("backend", name, [one for one, _ in known])
    elif kind != "openai":
        yield "upstream.files_backend", f"backend {name!r} is of kind {kind}: files need kind openai"


def _forbidden_defaults(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    for path, key in _keys(document, "keys"):
        default, tasks = key.get("default_task"), key.get("tasks")
        if isinstance(default, str) and isinstance(tasks, list) and default not in tasks:
            yield f"{path}.default_task", f"task {default!r} is not among the key's tasks"


def _check_model(names: set[str], path: str, name: object) -> Iterator[ConfigFault]:
    if isinstance(name, str) and name not in names:
        yield path, _unknown_name("model", name, names)


def _check_models(names: set[str], path: str, listed: object) -> Iterator[ConfigFault]:
    for place, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str) and name not in names:
            yield f"{path}[{place}]", _unknown_name("model", name, names)


def _unknown_name(what: str, name: str, known: Collection[str]) -> str:
    """Return the error for a name that nothing has, with a suggestion."""
    near = nearest_word(name, sorted(known))
    shown = ", ".join(sorted(known)[:MAX_LISTED]) + (", …" if len(known) > MAX_LISTED else "")
    return f"unknown {what} {name!r}{near or f'; configured: {shown or None}'}"


def _exclusive_settings(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Yield settings that exclude or need each other. The sections check these themselves once all else is valid."""
    for place, model in _items(document.get("models")):
        for number, backend in _items(model.get("backends")):
            path = f"models[{place}].backends[{number}]"
            if backend.get("api_key") and backend.get("api_key_file"):
                yield path, BOTH_KEYS
            if backend.get("api_key_header") and not (backend.get("api_key") or backend.get("api_key_file")):
                yield path, HEADER_WITHOUT_KEY
            tls = backend.get("tls")
            if isinstance(tls, Mapping) and tls.get("key_file") and not tls.get("cert_file"):
                yield f"{path}.tls", KEY_WITHOUT_CERTIFICATE
    for path, key in (*_keys(document, "keys"), *_keys(document.get("admin"), "keys", "admin.")):
        if key.get("previous_expires_at") is not None and key.get("previous_sha256") is None:
            yield path, END_WITHOUT_HASH
    for path, task in _tasks(document):
        if task.get("objective") is not None and task.get("max_regret") is not None:
            yield f"{path}.objective", BOTH_GOALS


def _nothing_left(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    models = [model for _, model in _items(document.get("models"))]
    sizes = {name: model.get("params_b") for model in models if isinstance(name := model.get("name"), str)}
    for path, task in _tasks(document):
        largest, candidates = _number(task.get("max_params_b")), task.get("candidates")
        among = [name for name in (candidates if isinstance(candidates, list) else sizes) if _is_in(name, sizes)]
        if largest is not None and among and all(_too_large(_number(sizes[name]), largest) for name in among):
            yield f"{path}.max_params_b", f"no candidate has at most {largest:g} billion parameters"


def _is_in(name: object, known: Mapping[str, object]) -> bool:
    return isinstance(name, str) and name in known


def _too_large(size: float | None, largest: float) -> bool:
    return size is not None and size > largest


def _number(value: object) -> float | None:
    convert: Callable[[Any], float] = float
    try:
        return None if isinstance(value, bool) or value is None else convert(value)
    except (TypeError, ValueError):
        return None


def _missing_pack(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    routing = document.get("routing")
    pack = routing.get("pack") if isinstance(routing, Mapping) else None
    if isinstance(pack, str) and pack not in ("", PUBLIC_PACK) and not Path(pack).exists():
        yield "routing.pack", f"{pack} does not exist"


def _open_to_pages(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    server = document.get("server")
    origins = server.get("cors_origins") if isinstance(server, Mapping) else None
    has_keys = any(True for _ in (*_keys(document, "keys"), *_keys(document.get("admin"), "keys")))
    if isinstance(origins, list) and "*" in origins and not has_keys:
        yield "server.cors_origins", "`*` lets every page on the web use a gateway without API keys: configure `keys`"


def _state_url(document: Mapping[str, Any]) -> Iterator[ConfigFault]:
    state = document.get("state")
    url = state.get("url") if isinstance(state, Mapping) else None
    if not isinstance(url, str):
        return
    if url.partition("://")[0] in REDIS_SCHEMES:
        try:
            parse_redis_url(url)
        except ValueError as error:
            yield "state.url", str(error)
    elif not url.startswith("sqlite:///") or url == "sqlite:///":
        yield "state.url", "expected sqlite:///relative/path, sqlite:////absolute/path, or redis://host"
    elif not Path(url.removeprefix("sqlite:///")).absolute().parent.is_dir():
        yield "state.url", f"the folder of {url.removeprefix('sqlite:///')} does not exist"
