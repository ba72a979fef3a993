"""A small benchmark with texts, the pack that the real command builds of it, and a way to call commands."""

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.app import app
from routing.benchmark import Dataset, Model
from routing.tidy import write_benchmark

QUESTIONS = {
    "sums": "What is {a} plus {b}?",
    "prices": "{a} lamps cost {b} euros each. How much is due?",
    "capitals": "Which city is the capital of country number {a}, with {b} million people?",
    "rivers": "Name the longest river in region {a} of continent {b}.",
}
MODELS = (Model("calc", 7, 0.3, 0.6), Model("atlas", 8), Model("broad", 70, 8, 24), Model("secret"))
INPUTS_PER_DATASET = 20
LONG = " Explain every single step of the way, please." * 25


def run_command(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Calls a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def write_questions(folder: Path, per_dataset: int = INPUTS_PER_DATASET, long_ones: int = 0) -> None:
    """`calc` is right on sums and prices, `atlas` on the others, `broad` mostly; `secret`, of unknown size, seldom."""
    generator = random.Random(per_dataset)  # noqa: S311 - a seeded example, no secret
    inputs, outcomes = [], []
    for dataset, question in QUESTIONS.items():
        calculates = dataset in ("sums", "prices")
        chances = {"calc": 0.95 if calculates else 0.1, "atlas": 0.1 if calculates else 0.95, "broad": 0.7, "secret": 0}
        for number in range(per_dataset):
            text = question.format(a=generator.randint(2, 9999), b=generator.randint(2, 9999))
            text += LONG if number >= per_dataset - long_ones else ""
            inputs.append((f"{dataset}-{number}", dataset, text))
            outcomes += [(f"{dataset}-{number}", m, float(generator.random() < p)) for m, p in chances.items()]
    write_benchmark(
        folder, inputs, outcomes, MODELS, [Dataset(name, source="[tests]", licence="CC0-1.0") for name in QUESTIONS]
    )


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tidy benchmark's folder; not to be written to."""
    folder = tmp_path_factory.mktemp("benchmarks") / "questions"
    write_questions(folder)
    return folder


@pytest.fixture(scope="session")
def built(questions: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A pack, and what building it printed."""
    scratch = tmp_path_factory.mktemp("packs")
    result = run_command("pack", "build", questions, "-o", scratch / "pack", "--no-carry", "--cache", scratch / "cache")
    assert result.exit_code == 0, result.output
    return scratch / "pack", result


@pytest.fixture(scope="session")
def pack(built: tuple[Path, Result]) -> Path:
    """A pack's folder; not to be written to."""
    return built[0]
