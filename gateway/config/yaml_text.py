"""YAML read for configuration: duplicate keys are errors, aliases are bounded, and errors show no line of the text.

A line of config.yaml may hold a secret, and errors are printed, logged and returned over HTTP: they name the line and
the column, and what is wrong there.

libyaml reads a text seven times as fast as PyYAML's own parser, and holds up the requests beside a reload for so much
less. It reads what both understand in the same way; PyYAML reads all other texts, and those with an error: the messages
and positions are its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from gateway.config.expand import ConfigFault, join_path
from gateway.errors import ConfigError

MAX_VALUES = 100_000
"""Values of a document with its aliases expanded. Ten lines of nine aliases to the line before make 10**9."""

MAX_DEPTH = 100
"""Levels of lists and mappings in each other."""

MERGE = "tag:yaml.org,2002:merge"
"""Tag of the key `<<`, which stands for another mapping's keys and may repeat."""

TEXT = "tag:yaml.org,2002:str"


class Loader(Protocol):
    """A loader of PyYAML, over its own parser or libyaml's."""

    def get_single_node(self) -> yaml.Node | None:
        """Return the document's root."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Return a root's value."""

    def dispose(self) -> object:
        """Free what the parser holds."""


OpenLoader = Callable[[str], Loader]

LIBYAML: OpenLoader | None = getattr(yaml, "CSafeLoader", None)
"""None where PyYAML was built without libyaml."""

COMMENT = re.compile(r"(?:^|(?<=[ \n]))#[^'\"\n\r\x85\u2028\u2029]*")
"""A comment without quotes. In a quoted scalar it is a part of it: either way the parsers do not look at it."""

UNLIKE = re.compile(r"[\t!?\ufeff]|(?:^|[\n\r\x85\u2028\u2029])%|[|>][0-9+-]*#")
"""What the parsers take differently somewhere: tabs, tags, `?` in flow mappings, directives, byte order marks, and a
comment right behind a block scalar's indicator."""


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A document.

    Attributes:
        value: None for an empty text.
        lines: by path, from 1: those of keys and items.
        duplicates: errors for keys that occur twice in a mapping: (path, message).
    """

    value: Any
    lines: Mapping[str, int]
    duplicates: Sequence[ConfigFault]


def read_yaml(text: str, source: str) -> Any:
    """Return a document's value. source: its name in errors. Raises ConfigError."""
    document = read_document(text, source)
    if document.duplicates:
        raise ConfigError(source, document.duplicates, document.lines)
    return document.value


def read_document(text: str, source: str, libyaml: OpenLoader | None = LIBYAML) -> YamlDocument:
    """Return a document with its lines. source: its name in errors. libyaml: its loader, None to do without.

    Raises ConfigError for what is not YAML.
    """
    try:
        root, value = _construct(text, source, libyaml)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at column {mark.column + 1}" if mark else ""
        lines = {"": mark.line + 1} if mark else {}
        raise ConfigError(source, [("", f"invalid YAML{place}: {_reason(error, text)}")], lines) from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        # A ReaderError has no mark; its position is that of a character that no text may contain. A value that does not
        # fit its tag (`!!bool 7`) is whatever error PyYAML's constructor of that type stumbles on.
        position = getattr(error, "position", None)
        lines = {} if position is None else {"": text.count(chr(10), 0, position) + 1}
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a character or value that YAML forbids"
        raise ConfigError(source, [("", f"invalid YAML: {reason}")], lines) from None
    if root is None:
        return YamlDocument(None, {}, ())
    found = _Places()
    found.visit(root, "")
    return YamlDocument(value, found.lines, found.duplicates)


def _construct(text: str, source: str, libyaml: OpenLoader | None) -> tuple[yaml.Node | None, Any]:
    """Return a document's root and its value; None for an empty text.

    Raises ConfigError for its size, whatever PyYAML raises for what is not YAML, and RecursionError.
    """
    if libyaml is not None and not UNLIKE.search(COMMENT.sub("", text)):
        try:
            return _construct_with(libyaml, text, source)
        except (yaml.YAMLError, ValueError):
            pass  # PyYAML's parser finds an error too, and tells it in its own words
    return _construct_with(yaml.SafeLoader, text, source)


def _construct_with(open_loader: OpenLoader, text: str, source: str) -> tuple[yaml.Node | None, Any]:
    loader = open_loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _check_size(root, source)
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


REASONS = (
    ("cannot start any token", "\t", "a tab: indent with spaces"),
    ("cannot start any token", "", "a character that cannot begin a value: put the value in quotes"),
    ("mapping values are not allowed here", "", "unexpected `:`: check the indentation, or put the value in quotes"),
    ("could not find expected ':'", "", "a name without `:` behind it, or a wrong indentation"),
    ("expected <block end>", "", "wrong indentation, or something behind a value"),
    ("expected ',' or ']'", "", "a list in `[ ]` is not closed, or lacks a comma"),
    ("expected ',' or '}'", "", "a mapping in `{ }` is not closed, or lacks a comma"),
    ("expected the node content", "", "a value is missing, or a bracket is not closed"),
    ("unexpected end of stream", "", "a quote is not closed"),
    ("unknown escape character", "", "unknown escape: use single quotes, or double the backslash"),
    ("undefined alias", "", "an alias (`*name`) without its anchor (`&name`): put a text that begins with * in quotes"),
    ("another document", "", "a second document (`---`): expected one"),
    ("duplicate anchor", "", "an anchor (`&name`) that occurs twice"),
    ("could not determine a constructor", "", "a tag (`!name`), which is not supported: put the value in quotes"),
    ("unhashable key", "", "a list or a mapping as a name"),
    ("mapping for merging", "", "`<<` must name a mapping"),
    ("directive", "", "a directive (`%`) that is not supported"),
    ("version", "", "a directive (`%`) that is not supported"),
)
"""Words in the parser's message, the character at its place, and what is wrong. The first that fits counts."""


def _reason(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return what is wrong, without anything of the text: the parser quotes it, and it may be a secret."""
    said = f"{error.problem} {error.context}"
    mark = error.problem_mark
    here = (
        text.splitlines()[mark.line][mark.column : mark.column + 1]
        if mark and mark.line < len(text.splitlines())
        else ""
    )
    return next(
        (reason for words, character, reason in REASONS if words in said and (not character or character == here)),
        "cannot be parsed",
    )


class _Places:
    """Lines and duplicate keys of a document."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.duplicates: list[ConfigFault] = []

    def visit(self, node: yaml.Node, path: str) -> None:
        """Note the lines of what is below a node."""
        if isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self._note(f"{path}[{place}]", item)
                self.visit(item, f"{path}[{place}]")
        elif isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, path)

    def _visit_mapping(self, node: yaml.MappingNode, path: str) -> None:
        seen: dict[str, int] = {}
        # Own keys after those of `<<`, which they replace.
        merged = [value for key, value in node.value if key.tag == MERGE]
        for value in (
            one for each in merged for one in (each.value if isinstance(each, yaml.SequenceNode) else [each])
        ):
            self.visit(value, path)
        for key, value in node.value:
            if key.tag == MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            below, line = join_path(path, _name_of(key)), key.start_mark.line + 1
            if below in seen:
                self.duplicates.append((below, f"occurs twice: first in line {seen[below]}, again in line {line}"))
            seen.setdefault(below, line)
            self.lines[below] = line
            self.visit(value, below)

    def _note(self, path: str, node: yaml.Node) -> None:
        self.lines[path] = node.start_mark.line + 1


def _name_of(key: yaml.ScalarNode) -> object:
    """Return a key as the document has it, so that paths are the same."""
    if key.tag == TEXT:  # nearly all, and a loader for each takes a quarter of the time
        return key.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(key)
    finally:
        loader.dispose()


def _check_size(root: yaml.Node, source: str) -> None:
    """Raise ConfigError for a document that aliases blow up, or that contains itself; RecursionError for a deep one."""
    if _size_of(root, 0, {}, source) > MAX_VALUES:
        raise ConfigError(source, [("", f"aliases expand to more than {MAX_VALUES:,} values")])


def _size_of(node: yaml.Node, depth: int, sizes: dict[int, int], source: str) -> int:
    """Return how many values a node has, with its aliases expanded. sizes: of nodes by id, 0 for those around it."""
    found = sizes.get(id(node))
    if found == 0:
        raise ConfigError(source, [("", "a value contains itself (alias)")], {"": node.start_mark.line + 1})
    if found is None:
        if depth > MAX_DEPTH:
            raise RecursionError
        sizes[id(node)] = 0
        children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else None
        inside = children or (node.value if isinstance(node, yaml.SequenceNode) else ())
        values = sum([_size_of(child, depth + 1, sizes, source) for child in inside])
        found = sizes[id(node)] = min(MAX_VALUES + 1, 1 + values)
    return found
