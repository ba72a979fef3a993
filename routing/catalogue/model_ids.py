"""An id of a provider resolved to the model that it means, and the model's version.

| who serves it      | form of the id                                                                     |
|--------------------|------------------------------------------------------------------------------------|
| OpenAI, Anthropic  | `gpt-4o-2024-11-20`, `claude-sonnet-4-20250514`, `claude-3-5-haiku-latest`          |
| Google, Vertex AI  | `models/gemini-1.5-pro-002`, `claude-sonnet-4@20250514`, `…-maas`                   |
| Bedrock            | `us.anthropic.claude-sonnet-4-20250514-v1:0`, `meta.llama3-3-70b-instruct-v1:0`     |
| OpenRouter         | `anthropic/claude-sonnet-4`, `deepseek/deepseek-r1:free`                            |
| Fireworks          | `accounts/fireworks/models/llama-v3p3-70b-instruct`                                 |
| Together, vLLM     | the Hugging Face id: `Qwen/Qwen2.5-72B-Instruct-AWQ`                                |
| Ollama             | `llama3.3:70b-instruct-q4_K_M`                                                      |
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from routing.curation.model_names import ModelKey, parse_model_name

BEDROCK = re.compile(
    r"^(?:(?:us|us-gov|eu|apac|jp|au|ca|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|nvidia|openai|qwen|writer|zai)\."
)
"""Publisher, and the region of an inference profile."""
BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)*$|(?<=-v\d):\d+$")
FIREWORKS = re.compile(r"\bv?(\d+)p(\d+)\b")
PATHS = ("accounts/fireworks/models/", "publishers/google/models/", "publishers/anthropic/models/")
REPACKAGERS = re.compile(
    r"^(?:bartowski|lmstudio-community|mlx-community|neuralmagic|nm-testing|redhatai|thebloke|unsloth)/"
)
"""Owners on Hugging Face whose models are others' in another format."""
VARIANT = re.compile(r":(?:free|nitro|floor|online|extended|beta|exacto|latest)$")
QUANTIZED = re.compile(
    r"[-_:](?:fp8|fp16|bf16|int4|int8|w4a16|w8a8|awq|gptq|gguf|mlx|bnb-4bit|[48]bit|i?q\d(?:_[0-9km]+)*|fp8-dynamic|maas)$"
)
LATEST = re.compile(r"[-@](?:latest|default)$")
REVISION = re.compile(r"[-@](0\d\d)$")
"""Google's: gemini-1.5-pro-002."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model and its version.

    Attributes:
        model: its name in models.toml; what the id itself says where no entry has it.
        version: (year, month, day), (year, month) or (revision,); empty where the id names none.
        is_listed: True if models.toml has the model.
    """

    model: str
    version: tuple[int, ...] = ()
    is_listed: bool = False

    @property
    def version_text(self) -> str:
        """Version as ids write it: 2024-11-20, 002; empty without one."""
        if len(self.version) == 1:
            return f"{self.version[0]:03d}"
        return "-".join(f"{part:02d}" for part in self.version)


class ModelIds:
    """Known models, looked up by any id of theirs."""

    def __init__(self, models: Mapping[str, Sequence[str]]) -> None:
        """models: name to further ids. Raises ValueError for an id of two models."""
        self._by_parts: dict[tuple[str, ...], str] = {}
        # An id that ends in a date or in a revision is the model in that version, whatever the rest of it says.
        self._exact: dict[str, str] = {}
        for name, ids in models.items():
            for one in (name, *ids):
                plain = plain_id(one)
                if self._exact.setdefault(plain, name) != name:
                    raise ValueError(f"{one} is an id of {self._exact[plain]} and of {name}")
                if not parse_model_name(plain).date:
                    self._by_parts.setdefault(parse_model_name(plain).parts, name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all known models."""
        return tuple(dict.fromkeys(self._exact.values()))

    def resolve(self, written: str) -> ModelId:
        """Return the model that an id means."""
        revision, plain = _split_revision(plain_id(written))
        key = parse_model_name(plain)
        name = self._exact.get(plain) or self._by_parts.get(key.parts)
        return ModelId(name or _spell(key), key.date or revision, name is not None)


def read_model_ids() -> ModelIds:
    """Return the models of models.toml."""
    return ModelIds(tomllib.loads(files("routing.catalogue").joinpath("models.toml").read_text())["models"])


def plain_id(written: str) -> str:
    """Return an id without what says where and in which form the model is served."""
    plain = written.strip().lower()
    for path in PATHS:
        _, found, rest = plain.rpartition(path)
        plain = rest if found else plain
    if "/" in plain and BEDROCK.match(plain.rpartition("/")[2]):
        plain = plain.rpartition("/")[2]
    if BEDROCK.match(plain):
        plain = BEDROCK_VERSION.sub("", BEDROCK.sub("", plain))
    plain = REPACKAGERS.sub("", plain)
    plain = FIREWORKS.sub(r"\1.\2", plain)
    for pattern in (VARIANT, QUANTIZED, QUANTIZED, LATEST):
        plain = pattern.sub("", plain)
    return plain


def newest_first(versions: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return versions, the newest first; none at all counts as the newest: it is what the plain id means."""
    return sorted(versions, key=lambda version: (not version, version), reverse=True)


def _split_revision(plain: str) -> tuple[tuple[int, ...], str]:
    found = REVISION.search(plain)
    return ((int(found[1]),), plain[: found.start()]) if found else ((), plain)


def _spell(key: ModelKey) -> str:
    return "-".join(key.parts).replace("/-", "/", 1)
