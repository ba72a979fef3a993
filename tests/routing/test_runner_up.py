import numpy as np
import pytest

from routing.confidence import probability_better
from routing.counterfactual import find_runner_up
from routing.scores import ScoreKind, TaskScores, s3


def scores(s2: list[float], n: int = 30) -> TaskScores:
    """Of models a, b, c, of which a is the best on average."""
    share, reliability = np.array(s2), np.full(len(s2), 0.9)
    return TaskScores(
        models=tuple("abc"[: len(s2)]),
        n=n,
        distance=0.3,
        s1=share,
        s2=share,
        s3=s3(share, reliability),
        reliability=reliability,
        counts=np.full(len(s2), float(n)),
    )


def test_the_rival_of_a_choice_is_the_best_on_average() -> None:
    found = find_runner_up(scores([0.5, 0.9, 0.8]), "b", ScoreKind.S3)
    assert found is not None
    assert (found.model, found.p) == ("a", probability_better(30, 0.9, 0.9, 0.5, 0.9))
    assert found.p > 0.9


def test_the_rival_of_the_best_on_average_is_the_best_of_the_others() -> None:
    found = find_runner_up(scores([0.9, 0.5, 0.8]), "a", ScoreKind.S3)
    assert found is not None
    assert found.model == "c"


@pytest.mark.parametrize(("s2", "n"), [([0.5], 30), ([0.5, 0.9], 0), ([0.5, float("nan")], 30)])
def test_where_there_is_nothing_to_compare_there_is_no_rival(s2: list[float], n: int) -> None:
    assert find_runner_up(scores(s2, n), "a", ScoreKind.S3) is None
