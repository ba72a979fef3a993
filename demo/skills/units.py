"""Conversion of units of length, weight, volume and temperature."""

import re
from dataclasses import dataclass

from demo.reading import NUMBER, format_number
from demo.skills.words import with_digits

_NAMES = {
    "length": {
        "km|kms|kilomet(?:re|er)s?": 1000.0, "cm|cms|centimet(?:re|er)s?": 0.01, "mm|millimet(?:re|er)s?": 0.001,
        "m|met(?:re|er)s?": 1.0, "mi|miles?": 1609.344, "yd|yds|yards?": 0.9144, "ft|foot|feet": 0.3048,
        "inch|inches": 0.0254,
    },
    "weight": {
        "kg|kgs|kilos?|kilogram(?:me)?s?": 1000.0, "g|gr|grams?|grammes?": 1.0, "tonnes?|metric tons?": 1e6,
        "lb|lbs|pounds?": 453.59237, "oz|ounces?": 28.349523125, "st|stones?": 6350.29318,
    },
    "volume": {
        "l|lit(?:re|er)s?": 1000.0, "ml|mls|millilit(?:re|er)s?": 1.0, "cl|centilit(?:re|er)s?": 10.0,
        "gal|gallons?": 3785.411784, "quarts?|qt": 946.352946, "pints?|pt": 473.176473, "cups?|cupfuls?": 236.5882365,
        "fl\\.? ?oz|fluid ounces?": 29.5735295625, "tbsp|tablespoon(?:ful)?s?": 14.78676478,
        "tsp|teaspoon(?:ful)?s?": 4.92892159,
    },
    "temperature": {"°? ?C|celsius|centigrade": 1.0, "°? ?F|fahrenheit": 2.0},
}  # fmt: skip
"""What is measured -> name (regular expression) -> how many of the smallest unit; for temperatures only a label."""

_DEGREES = r"(?:\s*degrees?(?:\s+of)?)?"


@dataclass(frozen=True, slots=True)
class _Unit:
    measure: str
    name: str
    factor: float


@dataclass(frozen=True, slots=True)
class Units:
    """Solver of conversions.

    Attributes:
        factor_digits: significant digits of a conversion factor; None for all of them.
    """

    factor_digits: int | None = None

    def answer(self, text: str) -> str | None:
        """Return the converted quantity; None without a quantity and another unit of the same kind."""
        text = with_digits(text)
        given = _quantities(text)
        wanted = [unit for unit in _mentioned(text) if given and unit.measure == given[0][1].measure]
        target = next((unit for unit in wanted if all(unit.name != known.name for _, known in given)), None)
        if not given or target is None:
            return None
        amounts = [(x, unit) for x, unit in given if unit.measure == target.measure]
        value = sum(self._converted(x, unit, target) for x, unit in amounts)
        return f"That is {format_number(value)}."

    def _converted(self, x: float, unit: _Unit, target: _Unit) -> float:
        if unit.measure == "temperature":
            return self._degrees(x, unit)
        return x * self._known(unit.factor / target.factor)

    def _degrees(self, x: float, unit: _Unit) -> float:
        """Convert Celsius to Fahrenheit and back; with few digits, the factor is known in one direction only."""
        if unit.factor == 1.0:
            return x * self._known(1.8) + 32
        return (x - 32) * self._known(5 / 9)

    def _known(self, factor: float) -> float:
        return factor if self.factor_digits is None else float(f"{factor:.{self.factor_digits}g}")


def _units() -> list[tuple[re.Pattern[str], _Unit]]:
    """Return the unit names, longer ones first, so that a fluid ounce is not read as an ounce, nor a millimetre as a
    metre.
    """
    every = [
        (name, _Unit(measure, name, factor)) for measure, names in _NAMES.items() for name, factor in names.items()
    ]
    every.sort(key=lambda pair: "fluid" not in pair[0])
    return [
        (re.compile(rf"(?<![\w°])(?:{name})(?!\w)", 0 if len(name) < 3 else re.IGNORECASE), unit)
        for name, unit in every
    ]


_UNITS = _units()


def _mentioned(text: str) -> list[_Unit]:
    """Return the units named in the text, from its end to its beginning."""
    found: list[tuple[int, _Unit]] = []
    for pattern, unit in _UNITS:
        found += [(match.start(), unit) for match in pattern.finditer(text)]
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    return [unit for _, unit in sorted(found, key=lambda pair: -pair[0])]


def _quantities(text: str) -> list[tuple[float, _Unit]]:
    """Return every number with a unit right after it, in order."""
    found: list[tuple[int, float, _Unit]] = []
    for _, unit in _UNITS:
        pattern = re.compile(rf"(?<![\w.])({NUMBER}){_DEGREES}[\s-]*(?:{unit.name})(?!\w)", re.IGNORECASE)
        found += [(match.start(), float(match[1].replace(",", "")), unit) for match in pattern.finditer(text)]
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    return [(x, unit) for _, x, unit in sorted(found, key=lambda row: row[0])]
