"""Parser of labelled files: one JSON object per line.

    id           unique name; by default the dataset and the line
    dataset      dataset in the benchmark; by default the file's name
    input        the text to send, or
    messages     the messages to send
    reference    the right answer, or a list of right answers
    choices      the choices; appended to `input`, but not to `messages`
    mark         the grading rule; by default the command's

Other members are ignored. Blank lines are skipped. Every error is reported with its line.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from gateway.evals.errors import DatasetFaults
from gateway.evals.marking import is_same_answer, parse_numbers
from gateway.evals.questions import EvalQuestion, Grader, Message, with_choices
from gateway.scorer.input_text import extract_text


class _Fault(Exception):
    """An invalid line."""


def read_dataset(
    path: Path, default: Grader | None = None, limit: int | None = None, *, needs_references: bool = True
) -> tuple[EvalQuestion, ...]:
    """Read the questions of a file. Raises DatasetFaults.

    default: grading rule of questions without a `mark`; by default `choice` if there are choices, else `exact`.
    limit: maximum number of questions of each dataset, the first ones. needs_references: False to give questions
    without a `reference` and a `mark` to a judge.
    """
    faults: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    found: list[EvalQuestion] = []
    for number, line in _lines(path):
        try:
            question = _question(line, number, path.stem, default, needs_references)
            if question.id in seen:
                raise _Fault(f"duplicate id {question.id!r}, also in line {seen[question.id]}")
        except _Fault as fault:
            faults.append((number, str(fault)))
            continue
        seen[question.id] = number
        found.append(question)
    if not found and not faults:
        faults.append((0, "contains no question"))
    if faults:
        raise DatasetFaults(path, faults)
    return tuple(_first(found, limit))


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        text = data.decode()
    except OSError as error:
        raise DatasetFaults(path, [(0, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise DatasetFaults(path, [(data[: error.start].count(b"\n") + 1, "not UTF-8 text")]) from error
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _first(questions: Iterable[EvalQuestion], limit: int | None) -> Iterable[EvalQuestion]:
    taken: Counter[str] = Counter()
    for question in questions:
        taken[question.dataset] += 1
        if limit is None or taken[question.dataset] <= limit:
            yield question


def _question(line: str, number: int, stem: str, default: Grader | None, needs_references: bool) -> EvalQuestion:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Fault(f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise _Fault("expected a JSON object")
    if not _is_text(value):
        raise _Fault("contains half a surrogate pair, which is not valid text")
    dataset = _name(value, "dataset", stem)
    choices = _choices(value)
    if not needs_references and value.get("reference") is None:
        default = Grader.JUDGE
    mark = _mark(value, default or (Grader.CHOICE if choices else Grader.EXACT))
    messages, text = _messages(value, choices)
    references = _references(value, mark, choices)
    return EvalQuestion(_name(value, "id", f"{dataset}-{number}"), dataset, messages, text, mark, references, choices)


def _is_text(value: dict[str, Any]) -> bool:
    """True if its strings can be encoded: JSON's escapes can express text that UTF-8 cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(value: dict[str, Any], member: str, default: str) -> str:
    found = value.get(member, default)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str) or not found.strip():
        raise _Fault(f"{member} must be a non-empty string")
    return found


def _mark(value: dict[str, Any], default: Grader) -> Grader:
    found = value.get("mark", default)
    try:
        return Grader(found)
    except ValueError as error:
        raise _Fault(f"unknown mark {found!r}: expected {', '.join(Grader)}") from error


def _choices(value: dict[str, Any]) -> tuple[str, ...]:
    found = value.get("choices")
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(choice, str) and choice.strip() for choice in found):
        raise _Fault("choices must be a list of non-empty strings")
    if not 2 <= len(found) <= len(ascii_uppercase):
        raise _Fault(f"{len(found)} choices, expected 2 to {len(ascii_uppercase)}")
    if len(set(found)) < len(found):
        raise _Fault("duplicate choices")
    return tuple(found)


def _messages(value: dict[str, Any], choices: Sequence[str]) -> tuple[tuple[Message, ...], str]:
    """The messages, and the text of them that routing embeds."""
    if ("input" in value) == ("messages" in value):
        raise _Fault("requires either input or messages")
    if "input" in value:
        if not isinstance(value["input"], str) or not value["input"].strip():
            raise _Fault("input must be a non-empty string")
        text = with_choices(value["input"], choices)
        return ({"role": "user", "content": text},), text
    messages = value["messages"]
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise _Fault("messages must be a list of objects with role and content")
    seen = extract_text(json.dumps(messages).encode(), "last_user")
    if seen is None:
        raise _Fault("messages contain no user message with text")
    return tuple(messages), seen


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str | list)
    )


def _references(value: dict[str, Any], mark: Grader, choices: Sequence[str]) -> tuple[str, ...]:
    found = value.get("reference")
    if found is None and mark is Grader.JUDGE:
        return ()
    listed = found if isinstance(found, list) else [found]
    texts = [str(one) if mark is Grader.NUMBER and _is_number(one) else one for one in listed]
    valid = [text for text in texts if isinstance(text, str) and text.strip()]
    if not valid or len(valid) < len(texts):
        raise _Fault("reference must be a non-empty string, or a list of them")
    return tuple(_reference(text, mark, choices) for text in valid)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _reference(reference: str, mark: Grader, choices: Sequence[str]) -> str:
    """A reference in the form that grading compares with."""
    if mark is Grader.NUMBER and [isfinite(number) for number in parse_numbers(reference)] != [True]:
        raise _Fault(f"reference {reference!r}: expected one number")
    if mark is Grader.REGEX:
        try:
            re.compile(reference)
        except re.error as error:
            raise _Fault(f"reference {reference!r}: invalid regular expression: {error}") from error
    return _letter(reference.strip(), choices) if mark is Grader.CHOICE else reference


def _letter(reference: str, choices: Sequence[str]) -> str:
    """The letter of a reference: the reference itself, or the letter of the choice with these words."""
    if not choices:
        raise _Fault("mark `choice` requires choices")
    letters = ascii_uppercase[: len(choices)]
    worded = [letter for letter, choice in zip(letters, choices, strict=True) if is_same_answer(choice, reference)]
    matches = {*worded, *([reference] if len(reference) == 1 and reference in letters else [])}
    if len(matches) > 1:
        raise _Fault(f"reference {reference!r} is ambiguous: choices {' and '.join(sorted(matches))}; use the text")
    if not matches:
        raise _Fault(f"reference {reference!r} is neither a choice nor a letter from {letters[0]} to {letters[-1]}")
    return matches.pop()
