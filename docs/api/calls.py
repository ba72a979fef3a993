"""The calls of the API reference, as calls.toml lists them."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("calls.toml")
VARIABLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form."""

    field: str
    name: str
    text: str


@dataclass(frozen=True)
class ApiCall:
    """A call of the reference. `{{name}}` in its texts is what an earlier call has saved.

    Attributes:
        page: the page that shows it.
        endpoint: method and path as the endpoints reference has them.
        path: as it is called; by default the endpoint's.
        body: of a JSON request, None for none.
        form: of a multipart request, with `upload`.
        save: names for what later calls need: `header:NAME`, or members of the answer, joined with dots.
        key: `client` or `admin`.
        is_shown: false for calls that only prepare others.
    """

    page: str
    endpoint: str
    path: str = ""
    note: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    save: Mapping[str, str] = field(default_factory=dict)
    key: str = "client"
    is_shown: bool = True

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.endpoint.partition(" ")[0]

    @property
    def url_path(self) -> str:
        """The path that is called."""
        return self.path or self.endpoint.partition(" ")[2]

    def fill(self, saved: Mapping[str, str]) -> "ApiCall":
        """Return the call with what earlier ones have saved."""
        return ApiCall(
            **{
                **{name: getattr(self, name) for name in self.__dataclass_fields__},
                "path": _filled(self.url_path, saved),
                "body": _filled(self.body, saved),
                "form": _filled(self.form, saved),
            }
        )


def read_calls(path: Path = FILE) -> Sequence[ApiCall]:
    """Return all calls, in the order in which they are made."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["call"]
    return [ApiCall(**{**one, "upload": Upload(**one["upload"])} if "upload" in one else one) for one in listed]


def _filled(value: Any, saved: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: saved[match[1]], value)
    if isinstance(value, dict):
        return {name: _filled(one, saved) for name, one in value.items()}
    return [_filled(one, saved) for one in value] if isinstance(value, list) else value
