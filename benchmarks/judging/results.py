"""Tables of judged labels: what each judge moves, and what becomes of the decisions."""

from collections.abc import Sequence

import numpy as np

from benchmarks.judging.run import NONE, TRUE, TaskOutcome


def to_markdown(found: Sequence[TaskOutcome]) -> str:
    """Return a Markdown table, a row for each number of labels and source: means over tasks, accuracy in percent."""
    before = {one.task: one for one in found if one.source == NONE}
    heads = (
        "labels from",
        "inputs",
        "agrees with itself",
        "J",
        "weight of a label",
        "moved",
        "models changed",
        "accuracy",
    )
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines.append(_row(list(before.values()), before))
    sources = dict.fromkeys((one.n_labels, one.source) for one in found if one.source != NONE)
    lines += [
        _row([one for one in found if (one.n_labels, one.source) == key], before)
        for key in sorted(sources, key=lambda key: key[0])
    ]
    return "\n".join(lines)


def _row(rows: Sequence[TaskOutcome], before: dict[str, TaskOutcome]) -> str:
    first = rows[0]
    judged = [one for one in rows if one.noise is not None]
    agreement = f"{np.mean([one.agreement for one in judged if one.agreement is not None]):.2f}" if judged else ""
    slope = f"{np.mean([one.noise.slope for one in judged if one.noise is not None]):.2f}" if judged else ""
    weight = f"{np.mean([one.weight for one in rows]):.2f}" if first.source != NONE else ""
    moved = f"{100 * np.mean([one.moved for one in rows]):.1f}" if first.source != NONE else ""
    changed = sum(one.model != before[one.task].model for one in rows) if first.source != NONE else ""
    accuracy = f"{100 * np.mean([one.accuracy for one in rows]):.1f}"
    name = {NONE: "nobody", TRUE: "references"}.get(first.source, first.source)
    inputs = str(first.n_labels) if first.n_labels else ""
    return f"| {name} | {inputs} | {agreement} | {slope} | {weight} | {moved} | {changed} | {accuracy} |"
