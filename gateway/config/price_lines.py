"""List prices written into the text of a configuration file; comments, order and variables are preserved.

A price from a list has a comment with the list's day, and only a price with that comment is updated: one without it is
its operator's own. YAML's parser marks the position of each node, which gives the place of a line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.config.list_prices import ListedPrice
from gateway.errors import ConfigError

LIST_PRICE = "list price, "
"""Begin of the comment; the list's day, or its name, follows."""

_COMMENT = re.compile(rf"\s*# {LIST_PRICE}(?P<as_of>.*)")


@dataclass(frozen=True, slots=True)
class WrittenPrice:
    """A list price in a file. text: the value in YAML. as_of: the list's day."""

    text: str
    as_of: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model's price is, or belongs.

    Attributes:
        row: line of the price, or of the name; rows from 0.
        column: where the model's keys begin, or where the price's value or the text after the name does.
        written: the list price that is there; None where there is none.
        is_own: the operator has set the price.
    """

    name: str
    row: int
    column: int
    is_flow: bool = False
    written: WrittenPrice | None = None
    is_own: bool = False


def read_list_prices(text: str, source: str) -> Mapping[str, WrittenPrice]:
    """Return the prices of models that came from a list. Raises ConfigError for a text without models."""
    return {place.name: place.written for place in _places(text, source) if place.written is not None}


def insert_prices(text: str, source: str, found: Mapping[str, ListedPrice]) -> str:
    """Return the text with a `price` for each of the models found, in place of its former list price.

    Raises ConfigError for a text without models.
    """
    lines = text.splitlines(keepends=True)
    # From the last place to the first, so that those before stay where they are.
    for place in sorted(_places(text, source), key=lambda one: (one.row, one.column), reverse=True):
        if place.name in found and not place.is_own:
            _write_price(lines, place, found[place.name])
    return "".join(lines)


def price_line(price: ListedPrice) -> str:
    """Return the member `price` with its comment."""
    return f"price: {price.to_yaml()}{_comment(price)}"


def _comment(price: ListedPrice) -> str:
    return f"  # {LIST_PRICE}{price.as_of}" if price.as_of else ""


def _write_price(lines: list[str], place: _Place, price: ListedPrice) -> None:
    line = lines[place.row]
    if place.written is not None:
        end = line[len(line.rstrip("\r\n")) :]
        lines[place.row] = f"{line[: place.column]}{price.to_yaml()}{_comment(price)}{end}"
    elif place.is_flow:
        lines[place.row] = f"{line[: place.column]}, price: {price.to_yaml()}{line[place.column :]}"
    else:
        end = "" if line.endswith("\n") else "\n"
        lines[place.row] += f"{end}{' ' * place.column}{price_line(price)}\n"


def _places(text: str, source: str) -> Iterator[_Place]:
    lines = text.splitlines(keepends=True)
    models = _member(yaml.compose(text, Loader=yaml.SafeLoader), "models")
    if not isinstance(models, yaml.SequenceNode):
        raise ConfigError(source, [("models", "expected a list of models")])
    for model in models.value:
        name, price = _member(model, "name"), _member(model, "price")
        if not isinstance(name, yaml.ScalarNode):
            continue
        if price is not None:
            written, mark = _read_written(lines, price), price.start_mark
            yield _Place(name.value, mark.line, mark.column, written=written, is_own=written is None)
        elif model.flow_style:
            yield _Place(name.value, name.end_mark.line, name.end_mark.column, is_flow=True)
        else:
            yield _Place(name.value, name.end_mark.line, model.start_mark.column)


def _read_written(lines: list[str], price: yaml.Node) -> WrittenPrice | None:
    """Return a price that came from a list; None for the operator's own."""
    start, end = price.start_mark, price.end_mark
    found = _COMMENT.fullmatch(lines[start.line][end.column :].rstrip("\r\n")) if start.line == end.line else None
    return found and WrittenPrice(lines[start.line][start.column : end.column], found["as_of"])


def _member(node: Any, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
