"""Table of the public pack's worth, as Markdown."""

from collections.abc import Sequence

import numpy as np

from benchmarks.public_pack.worth import JudgedChoice, Team, mean_gain

BASELINES = {"average": "best on average", "first": "first of the file", "dearest": "most expensive"}
HEAD = ("models", "score", "datasets", *(f"over {title}" for title in BASELINES.values()), "possible", "price ratio")


def gain_table(judged: Sequence[tuple[Team, Sequence[JudgedChoice]]]) -> str:
    """Return the gains by team and score: points and 95 % intervals over each baseline.

    `possible`: gain over best on average of the model that is best in hindsight. `price ratio`: of the chosen models
    to the most expensive one.
    """
    rows = [_row(team, system, found) for team, found in judged if found for system in ("S3", "auto")]
    lines = (HEAD, tuple("---" for _ in HEAD), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(team: Team, system: str, judged: Sequence[JudgedChoice]) -> tuple[str, ...]:
    gains = (mean_gain(judged, system, baseline) for baseline in BASELINES)
    ratio = float(np.mean([one.price[system] / one.price["dearest"] for one in judged]))
    shown = [f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" for mean, low, high in gains]
    possible = mean_gain(judged, "best", "average")[0]
    return team.title, system, str(len(judged)), *shown, f"{possible:+.1f}", f"{ratio:.2f}"
