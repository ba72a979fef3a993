"""Language models whose log-likelihoods are true: laws of probability, and a benchmark run that keeps them."""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from demo import endings
from demo.datasets import SKILLS
from demo.fetch import get_json
from demo.ngram import NGram
from demo.processes import free_port, run_process
from routing.tidy import read_benchmark
from tests.gateway.cli.conftest import run_command

TINY = NGram("tiny", 3, ["abab", "abba"])
QUESTION = "ab\n\nA. ab\nB. zz\n\nAnswer with the letter of the right choice."


@given(st.binary(max_size=4))
def test_the_probabilities_of_all_bytes_sum_to_one_after_any_history(history: bytes) -> None:
    probabilities = [TINY.probability(byte, history) for byte in range(256)]
    assert math.fsum(probabilities) == pytest.approx(1)
    assert min(probabilities) > 0


def test_an_order_of_one_counts_letters() -> None:
    """Of `aab` and its end: four bytes, three different ones."""
    model = NGram("one", 1, ["aab"])
    assert model.probability(ord("a"), b"whatever") == pytest.approx((2 + 3 / 256) / (4 + 3))
    assert model.probability(ord("z"), b"whatever") == pytest.approx((0 + 3 / 256) / (4 + 3))


def test_a_longer_history_is_interpolated_with_the_shorter_one() -> None:
    """In `abab` and its end b follows a twice and nothing else does; b is 2 of 5 bytes, 3 of them different."""
    model = NGram("two", 2, ["abab"])
    shorter = (2 + 3 / 256) / (5 + 3)
    assert model.probability(ord("b"), b"a") == pytest.approx((2 + shorter) / (2 + 1))


@given(st.text(max_size=10), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
def test_an_answers_log_probabilities_are_those_of_its_characters(text: str, answer: str) -> None:
    tokens = TINY.logprobs(text.encode("utf-8", "replace").decode(), answer)
    assert "".join(token for token, _ in tokens) == answer
    assert all(logprob < 0 for _, logprob in tokens)


def test_the_likeliest_choice_is_the_answer() -> None:
    assert TINY.answer(QUESTION) == "ab"


def test_without_choices_the_training_text_goes_on() -> None:
    model = NGram("fox", 6, ["the quick brown fox"])
    assert model.answer("the quick") == "brown fox"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, log = free_port(), Path(tmp_path_factory.mktemp("logs")) / "endings.log"
    with run_process("the language models", ["demo.endings", "127.0.0.1", str(port)], log, {}) as child:
        child.wait_until(lambda: get_json(port, "/v1/models") is not None, 30)
        yield port


def test_they_are_served_with_log_probabilities(port: int) -> None:
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0) as client:
        asked, plain = (
            client.chat.completions.create(
                model="ngram-short", messages=[{"role": "user", "content": QUESTION}], logprobs=wanted
            )
            for wanted in (True, False)
        )
    assert asked.choices[0].logprobs is not None
    assert asked.usage is not None
    tokens = asked.choices[0].logprobs.content or []
    assert "".join(token.token for token in tokens) == asked.choices[0].message.content
    assert asked.usage.completion_tokens == len(tokens) > 0
    assert plain.choices[0].logprobs is None


def test_a_benchmark_run_keeps_log_likelihoods_that_tell_who_knows_what(port: int, tmp_path: Path) -> None:
    """The log-likelihood baseline of the paper: the model that finds its own answers likeliest."""
    endings.write_questions(tmp_path / "endings.jsonl", per_dataset=8)
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump({"models": [_configured(name, port) for name in ("ngram-figures", "ngram-words")]})
    )
    options = ("--config", config, "-o", tmp_path / "out", "--logprobs")
    result = run_command("bench", "run", tmp_path / "endings.jsonl", *options)
    assert result.exit_code == 0, result.output
    benchmark = read_benchmark(tmp_path / "out")
    assert benchmark.loglik is not None
    assert not np.isnan(benchmark.loglik).any()
    skill_of = {dataset: skill for skill, datasets in SKILLS.items() for dataset in datasets}
    means: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for place, dataset in enumerate(benchmark.datasets):
        rows = benchmark.dataset_ids == place
        for column in range(2):
            figures = benchmark.outcomes[rows, column].mean(), benchmark.loglik[rows, column].mean()
            means[f"{skill_of[dataset.name]}/{column}"].append(figures)
    for skill in SKILLS:
        (score, loglik), (other_score, other_loglik) = (_means(means[f"{skill}/{column}"]) for column in range(2))
        assert (score > other_score) == (loglik > other_loglik), skill


def _means(figures: list[tuple[float, float]]) -> tuple[float, float]:
    return fmean(score for score, _ in figures), fmean(loglik for _, loglik in figures)


def _configured(name: str, port: int) -> dict[str, object]:
    return {
        "name": name,
        "price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0},
        "backends": [{"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}],
    }
