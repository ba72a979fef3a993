"""The report of a pack in one sentence. Plain data without numpy: the gateway imports it too."""

from collections.abc import Mapping
from typing import Any

MIN_GAIN = 0.5
"""Points below which a gain counts as none: a single dataset more or less moves it by that."""

CLEARLY_BETTER = 0.3
"""Points by which one score must lead another to be mentioned."""


def gain_sentence(report: Mapping[str, Any]) -> str:
    """Return one sentence on the gain to expect from routing with this pack."""
    accuracy = report["accuracy"]
    if not accuracy:
        return "The gain is unknown: a benchmark of one dataset leaves nothing to hold out."
    gain = 100 * (accuracy["s3"] - accuracy["best_on_average"])
    room = 100 * (accuracy["oracle"] - accuracy["best_on_average"])
    tail = (
        f"over {report['n_datasets']} held-out datasets (S3 {accuracy['s3']:.3f}, "
        f"best on average {accuracy['best_on_average']:.3f}, oracle {accuracy['oracle']:.3f})"
    )
    against = "always using the best model on average"
    if gain >= MIN_GAIN:
        result = f"Routing gains {gain:.1f} points over {against}, of at most {room:.1f}, {tail}"
    elif gain > -MIN_GAIN:
        result = f"Routing gains nothing ({gain:+.1f} points) over {against}, {tail}"
    else:
        result = f"Routing loses {-gain:.1f} points to {against}, {tail}"
    return f"{result}{_auto(accuracy, gain)}."


def _auto(accuracy: Mapping[str, float], gain: float) -> str:
    """Return the clause on `score: auto`; empty where the pack has none, or where it makes no difference."""
    if "auto" not in accuracy:
        return ""
    auto = 100 * (accuracy["auto"] - accuracy["best_on_average"])
    if abs(auto - gain) < CLEARLY_BETTER:
        return ""
    advice = ", so auto is the better choice for this pack" if auto > gain else ""
    return f"; with `score: auto` the gain is {auto:+.1f} points{advice}"
