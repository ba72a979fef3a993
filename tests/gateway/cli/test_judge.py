"""`benchroute tasks judge` against a real gateway, its scorer, and models that say what they are told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from gateway.cli.judge import FOLDER, default_folder
from tests.gateway.asking import ask, chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.evals.models import Seen, running_models
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually

JUDGES = ("judge", "comparing-judge", "scoring-judge", "fickle-judge", "unreadable-judge", "locked")
PRICE = {"input_usd_per_mtok": 100, "output_usd_per_mtok": 100}
TEXTS = [f"say good {number}" for number in range(30)]
JSON = {"content_type": "application/json"}


@dataclass
class Place:
    """A gateway with its configuration, and the models behind it."""

    url: str
    config: Path
    seen: Seen

    def judge(self, *options: object, task: str = "t", judge: str = "judge") -> Result:
        asked = ("tasks", "judge", task, "--judge", judge, "--config", self.config, "--url", self.url)
        return run_command(*asked, *options)

    def task(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.url, f"/v1/tasks/{name}").json
        return found


@pytest.fixture(scope="module")
def running(good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Candidates are `good`, which says what it is told, and `other`, which says other; `none` has no price."""
    folder = tmp_path_factory.mktemp("judge")
    with running_models() as seen:
        names = {"good": "echo", "other": "other", **{judge: judge for judge in JUDGES}}
        models: list[dict[str, Any]] = [
            {"name": name, "price": PRICE, "backends": [{"kind": "openai", "base_url": seen.base_url, "model": there}]}
            for name, there in names.items()
        ]
        models.append({"name": "unpriced", "backends": [models[2]["backends"][0]]})
        about = {
            "models": models,
            "routing": {"pack": str(good_pack), "score": "auto", "adaptive_sampling": False},
            "tasks": {"kept": {"keep_texts": True}, "paper": {"score": "s3"}, "alone": {"candidates": ["good"]}},
            "state": {"url": f"sqlite:///{folder}/state.db"},
            "scorer": {"nice": 0},
        }
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(about))
        with running_gateway(config.read_text()) as url:
            eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
            yield Place(url, config, seen)


@pytest.fixture
def place(running: Place) -> Place:
    running.seen.bodies.clear()
    return running


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return path


def shown_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.slow
def test_a_judges_labels_are_weighed_shown_and_removed(place: Place, texts: Path, tmp_path: Path) -> None:
    options = ("--inputs", texts, "-o", tmp_path / "out", "--yes")
    told = place.judge(*options)
    assert told.exit_code == 0, told.output
    assert "decision before: " in told.stdout
    assert "agrees with itself in both orders" in told.stdout
    assert "errors that the judge makes in both orders are not measured" in told.stderr
    assert "30 judged inputs count as much as" in told.stderr
    before = len(place.seen.bodies)
    again = shown_json(place.judge(*options, "--json"))
    assert len(place.seen.bodies) == before, "everything is in the journal"
    assert (again["labels"], again["answers_judged"], again["differ"], again["unreadable"]) == (30, 60, 0, 0)
    assert again["means"]["good"] == 1
    assert again["self_agreement"]["value"] == 1
    assert again["effect"]["source"] == "judge:judge"
    task = place.task("t")
    assert task["auto"]["judged"] == [again["effect"]]
    assert "30 inputs labelled by judge:judge (weight 0." in task["decision"]["why"]
    assert task["decision"]["model"] == "good"
    gone = place.judge("--remove")
    assert gone.exit_code == 0, gone.output
    assert "labels of judge:judge on 30 inputs removed" in gone.stdout
    assert place.task("t")["auto"]["judged"] == []
    missing = place.judge("--remove")
    assert (missing.exit_code, "no labels of judge 'judge'" in missing.stderr) == (1, True)


@pytest.mark.slow
def test_stored_inputs_are_judged_and_a_rerun_judges_the_same(place: Place, tmp_path: Path) -> None:
    for text in TEXTS[:5]:
        chat(place.url, task="kept", messages=[{"role": "user", "content": text}])
    eventually(lambda: place.task("kept").get("n") == 5)
    place.seen.bodies.clear()
    options = ("-n", 3, "-o", tmp_path / "out", "--yes", "--json")
    first = shown_json(place.judge(*options, task="kept"))
    assert (first["inputs"], len(place.seen.bodies)) == (3, 6 + 2 * 6)
    again = shown_json(place.judge(*options, task="kept"))
    assert (again["labels"], len(place.seen.bodies)) == (3, 18)
    more = place.judge("-n", 9, "-o", tmp_path / "out", "--yes", task="kept")
    assert "5 inputs without a label are stored, 9 were requested" in more.stderr
    assert place.task("kept")["n"] == 5


@pytest.mark.slow
def test_a_judge_that_goes_by_the_order_has_no_effect(place: Place, texts: Path, tmp_path: Path) -> None:
    ask(place.url, "/v1/tasks/fickle/inputs", {"inputs": TEXTS}, **JSON)
    before = place.task("fickle")
    told = place.judge("--inputs", texts, "-o", tmp_path / "out", "--yes", task="fickle", judge="fickle-judge")
    assert "is not shown to be better than chance: its labels have no effect" in told.stderr
    after = place.task("fickle")
    assert after["auto"]["judged"][0]["weight"] == 0
    assert after["scores"] == before["scores"]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "judge"), [("pairwise", "comparing-judge"), ("rubric", "scoring-judge")])
def test_every_method_gives_labels(place: Place, texts: Path, tmp_path: Path, method: str, judge: str) -> None:
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("be good\n")
    options = ("--inputs", texts, "--method", method, *(("--rubric", rubric) if method == "rubric" else ()))
    told = shown_json(place.judge(*options, "-o", tmp_path / "out", "--yes", "--json", task=method, judge=judge))
    assert (told["labels"], told["method"]) == (30, method)
    assert place.task(method)["auto"]["judged"][0]["source"] == f"judge:{judge}"


@pytest.mark.slow
def test_references_measure_the_judge_and_count_as_true_labels(place: Place, tmp_path: Path) -> None:
    lines = [{"input": text, "reference": "good", "mark": "contains"} for text in TEXTS[:10]]
    path = tmp_path / "inputs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"input": TEXTS[11]}]))
    told = shown_json(place.judge("--inputs", path, "-o", tmp_path / "out", "--yes", "--json", task="referenced"))
    assert (told["labels"], told["true_labels"]) == (11, 10)
    assert (told["sensitivity"]["n"], told["specificity"]["n"]) == (10, 10)
    auto = place.task("referenced")["auto"]
    assert (auto["labels"], auto["judged"][0]["n"]) == (10, 1)


@pytest.mark.slow
def test_nothing_is_asked_before_it_is_certain_that_labels_count(place: Place, texts: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "labelled.jsonl"
    dataset.write_text(json.dumps({"input": "say yes", "reference": "yes"}) + "\n")
    for command in (
        ("judge", "paper", "--judge", "judge", "--inputs", texts),
        ("label", "paper", dataset),
    ):
        options = ("-o", tmp_path / "out", "--config", place.config, "--url", place.url, "--yes")
        told = run_command("tasks", *command, *options)
        assert told.exit_code == 2, told.output
        assert "task paper is decided by score s3 (it is configured), which does not use labels" in told.stderr
        assert "Set `score: auto` in `tasks.paper`" in told.stderr
        assert place.seen.bodies == []
    forced = run_command("tasks", "label", "paper", dataset, *options, "--force")
    assert (forced.exit_code, "score s3 does not use labels" in forced.stderr) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "alone"), "answers of two models or more, but the task's candidates are: good"),
        (("--judge", "nobody"), "--judge nobody: unknown model; the configuration has good, other"),
        (("--models", "good,nobody"), "--models nobody: unknown model"),
        (("--method", "rubric"), "--method rubric requires --rubric FILE"),
        (("--rubric", "FILE"), "--rubric has no effect with --method score"),
        (("--prompt", "FILE"), "placeholder {question}, {answer} is missing; method `score` requires"),
        (("--max-usd", "0.001"), "USD is above --max-usd 0.001: reduce -n, or raise the limit"),
        (("--judge", "unpriced", "--max-usd", "100"), "--max-usd needs the prices of all models: unpriced has none"),
        (("--no-inputs",), "`keep_texts: true`"),
        (("--task", "kept-empty", "--no-inputs"), "`keep_texts: true`"),
        (("--no-yes",), "confirm with --yes"),
        (
            ("--judge", "unpriced", "--no-yes"),
            "an unknown amount (a model has no price): confirm with --yes",
        ),
        (
            ("--judge", "locked"),
            "first reason: no backend could answer: locked/1 answered 401",
        ),
        (("--judge", "unreadable-judge"), "no answer has two verdicts; first reason: 120 verdicts cannot be read"),
        (("--url", "http://127.0.0.1:9"), "connection refused; start a gateway"),
    ],
)
def test_what_cannot_be_done_is_said(
    place: Place, texts: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    given: list[object] = [] if "--no-inputs" in options else ["--inputs", texts]
    given += [] if "--no-yes" in options else ["--yes"]
    rest = [word for word in options if not word.startswith("--no-")]
    task = "new"
    if "--task" in rest:
        place_of = rest.index("--task")
        task = rest[place_of + 1]
        del rest[place_of : place_of + 2]
    words = [texts if word == "FILE" else word for word in rest]
    told = place.judge(*given, "-o", tmp_path / "out", *words, task=task)
    assert told.exit_code in (1, 2), told.output
    assert message in " ".join(told.stderr.split()), told.stderr


AGREEMENT = '"agreement": {"both_right": 10, "both_wrong": 10}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (f"{{{AGREEMENT}}}", "model"),
        ('{"model": "j"}', "agreement"),
        (f'{{"model": "", {AGREEMENT}}}', "model"),
        (f'{{"model": "j", "method": "dice", {AGREEMENT}}}', "method"),
        (f'{{"model": "j", "decided": 1.5, {AGREEMENT}}}', "decided"),
        ('{"model": "j", "agreement": {"differ": -1}}', "differ"),
        ('{"model": "j", "agreement": {"differ": NaN}}', "differ"),
        ('{"model": "j", "agreement": {"differ": 1e99}}', "differ"),
        ('{"model": "j", "agreement": {"same": 1}}', "same"),
    ],
)
def test_a_judge_that_cannot_be_weighed_is_refused(place: Place, judge: str, message: str) -> None:
    labels = '[{"input": "x", "outcomes": {"good": 1, "other": 0}}]'
    told = ask(place.url, "/v1/tasks/refused/labels", f'{{"labels": {labels}, "judge": {judge}}}'.encode(), **JSON)
    assert (told.status, message in told.error["message"]) == (400, True), told.body


@pytest.mark.slow
def test_removing_the_labels_of_a_judge_needs_its_name(place: Place) -> None:
    told = ask(place.url, "/v1/tasks/t/labels", method="DELETE")
    assert (told.status, "judge" in told.error["message"]) == (400, True)


@pytest.mark.slow
def test_a_dry_run_shows_the_cost_and_asks_nothing(place: Place, texts: Path, tmp_path: Path) -> None:
    told = place.judge("--inputs", texts, "-o", tmp_path / "out", "--dry-run", task="dry")
    assert told.exit_code == 0, told.output
    assert place.seen.bodies == []
    assert "180" in told.stderr, "60 answers and 120 verdicts"


@pytest.mark.parametrize("task", ["t", "a/b", "..", "auto:1f", "../../x"])
def test_a_session_is_stored_below_one_folder(task: str) -> None:
    assert default_folder(task).resolve().parent == FOLDER.resolve()


def test_the_prompt_is_shown_without_a_gateway(tmp_path: Path) -> None:
    for method, named in (("score", "{answer}"), ("pairwise", "{second}"), ("rubric", "{rubric}")):
        told = run_command("tasks", "judge", "t", "--method", method, "--show-prompt")
        assert (told.exit_code, named in told.stdout) == (0, True), told.output
    own = tmp_path / "prompt.txt"
    own.write_text("Is {answer} an answer to {question}?\n")
    told = run_command("tasks", "judge", "t", "--prompt", own, "--show-prompt")
    assert told.stdout.startswith("Is {answer} an answer to {question}?\nExplain")
    assert run_command("tasks", "judge", "t").exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{question}", "{answer} is missing"),
        (b"{question} {answer} {", "braces"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(content)
    told = run_command("tasks", "judge", "t", "--prompt", path, "--show-prompt")
    assert told.exit_code == 2
    assert message in told.stderr
