"""Fillings of the templates: what changes from call to call, such as names, passages, examples and transcripts."""

import json
import random
import re
import tomllib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates.toml")
WORDS = {
    name: [word.strip() for word in text.split(",")]
    for name, text in tomllib.loads(Path(__file__).with_name("words.toml").read_text()).items()
}
PLACE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")


@dataclass(frozen=True, slots=True)
class Template:
    """An application's system prompt. pair: other applications that begin like it; empty for none."""

    name: str
    text: str
    pair: str = ""


def list_templates(path: Path = TEMPLATES) -> list[Template]:
    """Return the templates of templates.toml."""
    return [Template(**entry) for entry in tomllib.loads(path.read_text())["template"]]


def fill_template(template: Template, seed: int) -> str:
    """Return a prompt as one call sends it."""
    draw = random.Random(f"{template.name}/{seed}")
    return PLACE.sub(lambda found: FILLERS[found[1]](draw), template.text).replace("{{", "{").replace("}}", "}")


def sentence(draw: random.Random) -> str:
    """Return a sentence of random words."""
    first, second = draw.sample(WORDS["adjectives"], 2)
    subject, thing = draw.sample(WORDS["nouns"], 2)
    verb, city = draw.choice(WORDS["verbs"]), draw.choice(WORDS["cities"])
    return f"The {first} {subject} {verb} the {second} {thing} in {city}."


def _passages(draw: random.Random) -> str:
    count = draw.randint(1, 8)
    return "\n\n".join(
        f"[{number}] " + " ".join(sentence(draw) for _ in range(draw.randint(2, 9))) for number in range(1, count + 1)
    )


def _schema(draw: random.Random) -> str:
    names = draw.sample(WORDS["nouns"], draw.randint(3, 9))
    fields = {name: draw.choice(["string", "number", "boolean"]) for name in names}
    return json.dumps({"type": "object", "properties": fields}, indent=draw.choice([None, 2]))


def _code(draw: random.Random) -> str:
    names = draw.sample(WORDS["nouns"], 6)
    lines = (f"    {name} = load('{draw.choice(names)}', {draw.randint(1, 999)})" for name in names)
    return "def run():\n" + "\n".join(lines)


def _list(draw: random.Random) -> str:
    return "\n".join(f"- {sentence(draw)[:-1]} ({draw.randint(1, 500)})" for _ in range(draw.randint(2, 12)))


def _examples(draw: random.Random) -> str:
    labels = ("positive", "negative", "transfer", "balance", "allowed")
    return "\n".join(f'"{sentence(draw)}" -> {draw.choice(labels)}' for _ in range(draw.randint(2, 8)))


def _transcript(draw: random.Random) -> str:
    return "\n".join(f"{_name(draw)}: {sentence(draw)}" for _ in range(draw.randint(3, 14)))


def _name(draw: random.Random) -> str:
    return " ".join((draw.choice(WORDS["first"]), draw.choice(WORDS["last"])))


def _moment(draw: random.Random) -> datetime:
    return datetime(2024, 1, 1) + timedelta(minutes=draw.randint(0, 1_500_000))


def _date(draw: random.Random) -> str:
    return _moment(draw).strftime(draw.choice(["%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%A, %d %b %Y"]))


def _words(draw: random.Random) -> str:
    return ", ".join(draw.sample(WORDS["nouns"], draw.randint(3, 10)))


FILLERS: Mapping[str, Callable[[random.Random], str]] = {
    "name": _name,
    "names": lambda draw: ", ".join(_name(draw) for _ in range(draw.randint(2, 5))),
    "company": lambda draw: draw.choice(WORDS["companies"]),
    "city": lambda draw: draw.choice(WORDS["cities"]),
    "language": lambda draw: draw.choice(WORDS["languages"]),
    "role": lambda draw: draw.choice(WORDS["roles"]),
    "topic": lambda draw: draw.choice(WORDS["topics"]),
    "diet": lambda draw: draw.choice(WORDS["diets"]),
    "date": _date,
    "datetime": lambda draw: _moment(draw).isoformat(
        sep=draw.choice("T "), timespec=draw.choice(["seconds", "minutes"])
    ),
    "number": lambda draw: str(draw.randint(2, 12)),
    "id": lambda draw: f"{draw.choice('ABCDEF')}{draw.choice('KLMN')}-{draw.randint(100, 99999)}",
    "uuid": lambda draw: str(uuid.UUID(int=draw.getrandbits(128))),
    "url": lambda draw: "https://www.{}.example/{}?p={}".format(*draw.sample(WORDS["nouns"], 2), draw.randint(1, 99)),
    "path": lambda draw: "/srv/{}/{}-{}".format(*draw.sample(WORDS["nouns"], 2), draw.randint(1, 9)),
    "passages": _passages,
    "schema": _schema,
    "code": _code,
    "list": _list,
    "examples": _examples,
    "transcript": _transcript,
    "words": _words,
    "sentence": sentence,
}
"""Filler by the name in braces."""
