"""The benchmark is asked for over HTTP, marked, written in the tidy format, and made again only when it must be."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from demo import benchmark
from demo.ask import ask_all
from demo.datasets import DATASETS
from demo.errors import RequestFailed
from demo.models import BY_NAME, GENERALIST, MODELS
from demo.processes import free_port
from routing.benchmark import order_on_average
from routing.tidy import read_benchmark


def test_the_benchmark_is_written_whole(backend_port: int, tmp_path: Path) -> None:
    assert not benchmark.is_current(tmp_path)
    benchmark.make_benchmark(f"http://127.0.0.1:{backend_port}/v1", tmp_path, Console(file=io.StringIO()))
    assert benchmark.is_current(tmp_path)
    made = read_benchmark(tmp_path)
    assert made.texts == tuple(question.text for question in benchmark.make_questions())
    assert [dataset.name for dataset in made.datasets] == list(DATASETS)
    assert {dataset.licence for dataset in made.datasets} == {"Apache-2.0"}
    assert made.model_names == tuple(model.name for model in MODELS)
    assert not np.isnan(made.outcomes).any()
    assert made.model_names[order_on_average(made.dataset_averages())[0]] == GENERALIST


@pytest.mark.parametrize("stamp", ['{"code": "another"}', "{", ""])
def test_a_benchmark_of_other_code_is_not_current(tmp_path: Path, stamp: str) -> None:
    (tmp_path / benchmark.STAMP).write_text(stamp)
    assert not benchmark.is_current(tmp_path)


def test_answers_over_http_are_those_of_the_model_and_cost_what_they_use(backend_port: int) -> None:
    asked, steps = benchmark.make_questions()[::97], []
    marked = ask_all(f"http://127.0.0.1:{backend_port}/v1", list(BY_NAME), asked, lambda: steps.append(1))
    assert len(marked) == len(steps) == len(asked) * len(MODELS)
    assert [answer.question for answer in marked[:: len(MODELS)]] == list(asked)
    assert all(answer.answer == BY_NAME[answer.model].answer(answer.question.text) for answer in marked)
    assert all(answer.cost_usd > 0 for answer in marked)


def test_a_refusal_is_not_taken_for_an_answer(backend_port: int) -> None:
    with pytest.raises(RequestFailed, match="answered 404"):
        ask_all(f"http://127.0.0.1:{backend_port}/nowhere", ["calc-1"], benchmark.make_questions()[:50])
    with pytest.raises(RequestFailed, match="refused the connection"):
        ask_all(f"http://127.0.0.1:{free_port()}/v1", ["calc-1"], benchmark.make_questions()[:50])
