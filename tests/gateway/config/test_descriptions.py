"""Descriptions of settings come from the strings below them, where somebody asks for them."""

from gateway.config import Config, KeyConfig, KeyTerms
from gateway.config.descriptions import setting_descriptions
from gateway.config.fields import ConfigSection


class _Section(ConfigSection):
    first: int = 1
    """What the first one
    does."""
    without: int = 2
    third: str = ""
    """What the third one does."""


def test_the_json_schema_describes_every_setting() -> None:
    document = Config.model_json_schema()
    sections = [document, *document["$defs"].values()]
    settings = [(one["title"], name, about) for one in sections for name, about in one.get("properties", {}).items()]
    assert len(settings) > 150
    assert [(title, name) for title, name, about in settings if not about.get("description")] == []


def test_the_description_of_a_setting_is_the_string_below_it() -> None:
    pin = Config.model_json_schema()["$defs"]["TaskConfig"]["properties"]["pin"]
    assert pin["description"] == "Model that always serves the task."


def test_a_section_has_the_settings_of_its_base_class_too() -> None:
    own, base = setting_descriptions(KeyConfig), setting_descriptions(KeyTerms)
    assert base
    assert {name: own[name] for name in base} == base


def test_lines_are_joined_as_they_are_written_and_settings_without_a_string_are_left_out() -> None:
    assert setting_descriptions(_Section) == {
        "first": "What the first one\ndoes.",
        "third": "What the third one does.",
    }
