"""The recipes of CONTRIBUTING.md name files and symbols that exist, and the counts that they state."""

import re

import pytest

from tests.docs.markdown import TOP

TEXT = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = {
    part.partition("\n")[0]: part.partition("\n")[2]
    for part in TEXT.partition("## Recipes")[2].partition("\n## ")[0].split("\n### ")[1:]
}
FILE = re.compile(r"`((?:gateway|routing|docs|tests)/[\w/]+\.py)`")
COUNTS = {"One module and a line:": 2, "Two files:": 2, "Three files:": 3}


def test_there_is_a_recipe_for_each_common_change() -> None:
    assert len(RECIPES) >= 7


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_files_that_exist(name: str) -> None:
    files = FILE.findall(RECIPES[name])
    assert files
    assert [file for file in files if not (TOP / file).is_file()] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_as_many_steps_as_it_states(name: str) -> None:
    steps = re.findall(r"^\d+\. ", RECIPES[name], re.MULTILINE)
    stated = [count for sentence, count in COUNTS.items() if sentence in RECIPES[name]]
    assert stated in ([], [len(steps)])
    assert len(steps) >= 2


@pytest.mark.parametrize(
    ("file", "symbol"),
    [
        ("gateway/config/schema.py", "BackendConfig"),
        ("gateway/scorer/messages.py", "InspectView"),
        ("gateway/scorer/queries.py", "def inspect_pack"),
    ],
)
def test_symbols_that_recipes_name_are_in_their_files(file: str, symbol: str) -> None:
    assert symbol in (TOP / file).read_text(encoding="utf-8")
