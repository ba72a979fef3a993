"""EleutherAI's lm-evaluation-harness against a gateway: python benchmarks/lm_eval_run.py --lm-eval …/bin/lm_eval.

The harness has an environment of its own (PyTorch's CPU build first, then `pip install 'lm_eval[api]'`). It talks to a
real gateway in front of the demo's models, each by its explicit name. Prints where its logs are: samples and results, a
folder a model. Exit code 1 if the harness fails, writes no samples, or a request bypasses the gateway.
"""

import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from demo.datasets import DATASETS
from demo.errors import DemoError
from demo.fetch import get_json
from demo.processes import free_port, run_process
from demo.questions import generate_questions

TASKS: Mapping[str, str] = {"benchroute_sums": "sums", "benchroute_notes": "people-notes"}
"""Task of the harness -> the demo's dataset that it asks."""

SEED = 20
MODELS = ("calc-1", "reader-1", "pico")
TOP = Path(__file__).parents[1]
TIMEOUT_S = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    options = _options(arguments)
    program = shutil.which(options.lm_eval)
    if program is None:
        print(f"error: {options.lm_eval} is no program; see --lm-eval", file=sys.stderr)
        return 1
    folder: Path = options.output.resolve()
    _write_questions(folder, options.questions)
    try:
        with _gateway(folder) as port:
            return max(_evaluate(program, folder, port, model) for model in options.models.split(","))
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


class Options:
    """The options of the command line."""

    lm_eval: str
    models: str
    questions: int
    output: Path


def _options(arguments: Sequence[str] | None) -> Options:
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--lm-eval", default="lm_eval", help="the harness's program")
    parser.add_argument("--models", default=",".join(MODELS), help="configured models, by comma")
    parser.add_argument("--questions", type=int, default=25, help="of each task")
    parser.add_argument("--output", type=Path, default=Path("results/lm_eval"), help="where logs go")
    return parser.parse_args(arguments, namespace=Options())


def _write_questions(folder: Path, n: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    makers = {dataset: DATASETS[dataset] for dataset in TASKS.values()}
    questions = generate_questions(makers, SEED, n)
    for dataset in makers:
        lines = [
            json.dumps({"id": question.id, "input": question.text, "reference": question.reference})
            for question in questions
            if question.dataset == dataset
        ]
        (folder / f"{dataset}.jsonl").write_text("\n".join(lines) + "\n")


@contextmanager
def _gateway(folder: Path) -> Iterator[int]:
    """Run a gateway without a pack in front of the demo's backend; yields its port."""
    backend_port, port = free_port(), free_port()
    environment = {
        "BENCHROUTE_PACK": "",
        "BENCHROUTE_STATE": f"sqlite:///{folder / 'state.db'}",
        "BENCHROUTE_DEMO_PORT": str(backend_port),
    }
    backend = ["demo.backend", "127.0.0.1", str(backend_port)]
    serve = ["gateway.cli", "serve", "--config", str(TOP / "config.yaml"), "--port", str(port)]
    with (
        run_process("the demo backend", backend, folder / "backend.log", {}) as models,
        run_process("the gateway", serve, folder / "gateway.log", environment) as gateway,
    ):
        models.wait_until(lambda: get_json(backend_port, "/v1/models") is not None, TIMEOUT_S)
        gateway.wait_until(lambda: get_json(port, "/health/live") is not None, TIMEOUT_S)
        yield port


def _evaluate(program: str, folder: Path, port: int, model: str) -> int:
    """Run the harness for one model; print its results and the folder of its logs."""
    logs = folder / "logs"
    model_args = {
        "model": model,
        "base_url": f"http://127.0.0.1:{port}/v1/chat/completions",
        "tokenizer_backend": "none",
        "num_concurrent": "4",
        "max_retries": "2",
    }
    command = [program, "run"]
    command += [
        "--model",
        "local-chat-completions",
        "--model_args",
        ",".join(f"{k}={v}" for k, v in model_args.items()),
    ]
    command += ["--tasks", ",".join(TASKS), "--include_path", str(TOP / "benchmarks" / "lm_eval")]
    command += ["--apply_chat_template", "--log_samples", "--output_path", str(logs)]
    hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "huggingface"), "HF_DATASETS_OFFLINE": "1"}
    requests_before, samples_before = _requests(port), _samples(logs, model)
    code = subprocess.run(command, cwd=folder, env={**os.environ, **hub}, check=False).returncode
    asked, samples = _requests(port) - requests_before, _samples(logs, model) - samples_before
    print(f"{model}: {asked} requests went through the gateway; logs in {logs / model}")
    return int(code != 0 or len(samples) < len(TASKS) or asked <= 0)


def _samples(logs: Path, model: str) -> set[Path]:
    return set((logs / model).glob("samples_*.jsonl"))


def _requests(port: int) -> int:
    """Return the number of requests that the gateway has answered."""
    usage = get_json(port, "/v1/usage") or {}
    return sum(int(task["requests"]) for task in usage["data"])


if __name__ == "__main__":
    sys.exit(main())
