"""The pack that the distribution ships: public outcomes of many models, without texts.

public/public.tar    the pack
public/public.json   its sources, their terms and dates, and the origin of every model's outcomes
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

PUBLIC = "public"
"""Its name in a configuration."""


@dataclass(frozen=True, slots=True)
class PublicSource:
    """A source of the public pack.

    Attributes:
        commit: of its repository; empty where it was not recorded.
        measured: year and month of its newest outcomes.
        inputs: number of inputs taken from it.
        models: number of its models in the pack.
    """

    title: str
    url: str
    commit: str
    paper: str
    licence: str
    credit: str
    measured: str
    inputs: int
    models: int
    datasets: Sequence[str]


@dataclass(frozen=True, slots=True)
class PublicSources:
    """Content of public.json.

    Attributes:
        sources: by name.
        origins: pack's model to, by source, the model's name there.
    """

    sources: Mapping[str, PublicSource]
    origins: Mapping[str, Mapping[str, str]]


def public_pack_path() -> Path:
    """Return the path of the shipped pack."""
    return _folder() / "public.tar"


def read_public_sources() -> PublicSources:
    """Return where the shipped pack's outcomes come from."""
    document = json.loads((_folder() / "public.json").read_text(encoding="utf-8"))
    return PublicSources(
        {name: PublicSource(**source) for name, source in document["sources"].items()}, document["models"]
    )


def _folder() -> Path:
    return Path(str(files("routing.catalogue"))) / "public"
