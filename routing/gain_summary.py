"""What a pack's report says in one sentence. Plain data, no numpy: the gateway says it too."""

from collections.abc import Mapping
from typing import Any

MIN_GAIN = 0.5
"""Points below which a gain is none: a single dataset more or less moves it by that."""

CLEARLY_BETTER = 0.3
"""Points by which one score must lead another to be worth a word."""


def gain_sentence(report: Mapping[str, Any]) -> str:
    """One sentence on what routing with this pack can be expected to bring."""
    accuracy = report["accuracy"]
    if not accuracy:
        return "nothing is known: with one dataset there is nothing to hold out"
    gain = 100 * (accuracy["s3"] - accuracy["best_on_average"])
    room = 100 * (accuracy["oracle"] - accuracy["best_on_average"])
    tail = (
        f"over {report['n_datasets']} held-out datasets (S3 {accuracy['s3']:.3f}, "
        f"best on average {accuracy['best_on_average']:.3f}, oracle {accuracy['oracle']:.3f})"
    )
    against = "always using the best model on average"
    if gain >= MIN_GAIN:
        told = f"routing gains {gain:.1f} points over {against}, of at most {room:.1f}, {tail}"
    elif gain > -MIN_GAIN:
        told = f"routing gains nothing ({gain:+.1f} points) over {against}, {tail}"
    else:
        told = f"routing loses {-gain:.1f} points to {against}, {tail}"
    return told + _auto(accuracy, gain)


def _auto(accuracy: Mapping[str, float], gain: float) -> str:
    """What there is to say of `score: auto`: nothing where the pack has none, or where it makes no difference."""
    if "auto" not in accuracy:
        return ""
    auto = 100 * (accuracy["auto"] - accuracy["best_on_average"])
    if abs(auto - gain) < CLEARLY_BETTER:
        return ""
    advice = ": `score: auto` is the better choice here" if auto > gain else ""
    return f"; with score auto it is {auto:+.1f} points{advice}"
