"""What a pack's report says in one sentence. Plain data, no numpy: the gateway says it too."""

from collections.abc import Mapping
from typing import Any


def worth(report: Mapping[str, Any]) -> str:
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
    if gain >= 0.5:
        return f"routing gains {gain:.1f} points over {against}, of at most {room:.1f}, {tail}"
    if gain > -0.5:
        return f"routing gains nothing ({gain:+.1f} points) over {against}, {tail}"
    return f"routing loses {-gain:.1f} points to {against}, {tail}"
