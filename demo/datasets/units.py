"""Questions that convert one unit of measurement into another."""

from collections.abc import Sequence
from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft
from demo.reading import format_number

Conversion = tuple[str, str, float]
"""(from, to, how many `to` make one `from`)"""

LENGTHS: Sequence[Conversion] = (
    ("miles", "kilometres", 1.609344),
    ("kilometres", "miles", 1 / 1.609344),
    ("inches", "centimetres", 2.54),
    ("centimetres", "inches", 1 / 2.54),
    ("feet", "metres", 0.3048),
    ("metres", "feet", 1 / 0.3048),
    ("yards", "metres", 0.9144),
    ("kilometres", "metres", 1000),
    ("metres", "millimetres", 1000),
)
WEIGHTS: Sequence[Conversion] = (
    ("pounds", "kilograms", 0.45359237),
    ("kilograms", "pounds", 1 / 0.45359237),
    ("ounces", "grams", 28.349523125),
    ("grams", "ounces", 1 / 28.349523125),
    ("stones", "kilograms", 6.35029318),
    ("tonnes", "kilograms", 1000),
    ("kilograms", "grams", 1000),
    ("pounds", "ounces", 16),
)
VOLUMES: Sequence[Conversion] = (
    ("gallons", "litres", 3.785411784),
    ("litres", "gallons", 1 / 3.785411784),
    ("pints", "millilitres", 473.176473),
    ("cups", "millilitres", 236.5882365),
    ("fluid ounces", "millilitres", 29.5735295625),
    ("tablespoons", "teaspoons", 3),
    ("litres", "millilitres", 1000),
    ("quarts", "litres", 0.946352946),
)

_TEMPLATES = (
    "Convert {x} {a} to {b}.",
    "How many {b} are {x} {a}?",
    "What is {x} {a} in {b}?",
    "Express {x} {a} in {b}.",
    "Change {x} {a} into {b}.",
    "{x} {a} is how many {b}?",
)
_LENGTH_STORIES = (
    "A fence is {x} {a} long. How long is that in {b}?",
    "The runner covered {x} {a}. Give the distance in {b}.",
    "A rope measures {x} {a}; state its length in {b}.",
)
_WEIGHT_STORIES = (
    "A sack of rice has a mass of {x} {a}. What is its mass in {b}?",
    "The dog weighs {x} {a}. How heavy is it in {b}?",
    "A crate weighs {x} {a}; give its weight in {b}.",
)
_VOLUME_STORIES = (
    "A tank holds {x} {a}. How many {b} is that?",
    "The jug contains {x} {a} of water; how much is it in {b}?",
    "A soup needs {x} {a} of stock. How many {b} is that?",
)


def _conversion(draw: Random, conversions: Sequence[Conversion], stories: Sequence[str]) -> Draft:
    a, b, factor = draw.choice(conversions)
    x = draw.choice([draw.randint(2, 60), draw.randint(60, 900), draw.randint(3, 99) / 2])
    text = draw.choice([*_TEMPLATES, *stories]).format(x=format_number(x), a=a, b=b)
    return Draft(text, format_number(x * factor), MarkingRule.MEASURE)


def lengths(draw: Random) -> Draft:
    """Draw a conversion of lengths or distances."""
    return _conversion(draw, LENGTHS, _LENGTH_STORIES)


def weights(draw: Random) -> Draft:
    """Draw a conversion of weights or masses."""
    return _conversion(draw, WEIGHTS, _WEIGHT_STORIES)


def volumes(draw: Random) -> Draft:
    """Draw a conversion of volumes, kitchen measures included (US customary)."""
    return _conversion(draw, VOLUMES, _VOLUME_STORIES)


def temperatures(draw: Random) -> Draft:
    """Draw a conversion between degrees Celsius and Fahrenheit."""
    x = draw.randint(2, 220)
    a, b, value = draw.choice([("Celsius", "Fahrenheit", x * 1.8 + 32), ("Fahrenheit", "Celsius", (x + 33 - 32) / 1.8)])
    x = x if a == "Celsius" else x + 33
    text = draw.choice(
        [
            "Convert {x} degrees {a} to {b}.",
            "What is {x} degrees {a} in {b}?",
            "The oven is at {x} °{a}. What is that in degrees {b}?",
            "It is {x} degrees {a} outside. How many degrees {b} is that?",
            "Water was heated to {x} degrees {a}. Give its temperature in {b}.",
        ]
    ).format(x=x, a=a, b=b)
    return Draft(text.replace("°Celsius", "°C").replace("°Fahrenheit", "°F"), format_number(value), MarkingRule.MEASURE)
