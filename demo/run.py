"""The demo from end to end, and the demo gateway for experiments.

It uses the product like any user: the command line in separate processes, and HTTP.
"""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from rich.console import Console

from demo.ask import MarkedAnswer, ask_all
from demo.errors import DemoError, RequestFailed
from demo.fetch import get_json
from demo.models import MODELS
from demo.prepare import Places, best_on_average, prepare_pack
from demo.printing import print_models, print_summary, print_task
from demo.processes import ChildProcess, ending_on_sigterm, free_port, is_port_free, run_process
from demo.questions import Question, generate_questions
from demo.results import TaskResult, task_result, write_results
from demo.tasks import TASKS
from demo.traffic import TaskTraffic, send_all

TASK_SEED = 15789
INPUTS_PER_TASK = 40
BACKEND_TIMEOUT_S = 20.0
GATEWAY_TIMEOUT_S = 120.0
WATCH_S = 0.5


def run_demo(work_dir: Path, config: Path, results: Path, console: Console | None = None) -> list[TaskResult]:
    """Run the demo, print its results and write them to `results`. Raises DemoError if it cannot continue."""
    console, places, started = console or Console(), Places(work_dir.resolve()), time.monotonic()
    tasks = new_tasks()
    with ending_on_sigterm(), demo_backend(places) as backend_port:
        print_models(console)
        prepare_pack(places, backend_port, console)
        with demo_gateway(places, config, "demo", free_port(), backend_port) as (gateway, port):
            asked = _while_loading(backend_port, tasks, console)
            wait_ready(gateway, port)
            console.print(f"sending {len(tasks)} new tasks through http://127.0.0.1:{port}/v1", highlight=False)
            found = _results(send_all(port, tasks), asked, best_on_average(places.pack))
    _show(console, found, best_on_average(places.pack))
    write_results(results, found, {"best_on_average": best_on_average(places.pack)})
    console.print(f"written to {results}; {time.monotonic() - started:.1f} s in total", highlight=False)
    return found


def serve_demo(work_dir: Path, config: Path, port: int, console: Console | None = None) -> None:
    """Run the demo backends and a gateway until Ctrl-C. Raises DemoError if that is not possible."""
    if not is_port_free(port):
        raise DemoError(f"port {port} is in use: choose another with --port")
    console, places = console or Console(), Places(work_dir.resolve())
    with ending_on_sigterm(), demo_backend(places) as backend_port:
        print_models(console)
        prepare_pack(places, backend_port, console)
        with demo_gateway(places, config, "serve", port, backend_port) as (gateway, _):
            console.print("waiting for the gateway's scorer to load its embedder", highlight=False)
            wait_ready(gateway, port)
            console.print(_curl(port), highlight=False, soft_wrap=True, markup=False)
            _watch(gateway)


def new_tasks() -> dict[str, tuple[Question, ...]]:
    """Generate the new tasks' questions, by task."""
    questions = generate_questions(TASKS, TASK_SEED, INPUTS_PER_TASK)
    return {task: tuple(question for question in questions if question.dataset == task) for task in TASKS}


@contextmanager
def demo_backend(places: Places) -> Iterator[int]:
    """Run the demo backends; yields their port."""
    port = free_port()
    arguments = ["demo.backend", "127.0.0.1", str(port)]
    with run_process("the demo backend", arguments, places.log("backend"), {}) as child:
        child.wait_until(lambda: get_json(port, "/v1/models") is not None, BACKEND_TIMEOUT_S)
        yield port


@contextmanager
def demo_gateway(
    places: Places, config: Path, name: str, port: int, backend_port: int
) -> Iterator[tuple[ChildProcess, int]]:
    """Start a gateway with an empty state; it may not be ready yet."""
    state = places.state(name)
    for leftover in state.parent.glob(f"{state.name}*"):
        leftover.unlink()
    environment = {
        "BENCHROUTE_PACK": str(places.pack),
        "BENCHROUTE_STATE": f"sqlite:///{state}",
        "BENCHROUTE_DEMO_PORT": str(backend_port),
    }
    arguments = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    with run_process("the gateway", arguments, places.log("gateway"), environment) as child:
        try:
            yield child, port
        except RequestFailed as error:
            raise RequestFailed(f"{error}\n{child.tail()}") from error


def wait_ready(gateway: ChildProcess, port: int) -> None:
    """Wait until the gateway's scorer has loaded its embedder and the pack."""
    gateway.wait_until(lambda: (get_json(port, "/health/ready") or {}).get("scorer") == "ready", GATEWAY_TIMEOUT_S)


def _while_loading(
    backend_port: int, tasks: Mapping[str, tuple[Question, ...]], console: Console
) -> list[MarkedAnswer]:
    """Ask every model every task's questions directly, for comparison, while the scorer loads its embedder."""
    console.print("starting the gateway; meanwhile asking every model directly, for comparison", highlight=False)
    questions = [question for task in tasks.values() for question in task]
    with ThreadPoolExecutor(max_workers=1) as pool:
        client = pool.submit(import_module, "openai")
        asked = ask_all(f"http://127.0.0.1:{backend_port}/v1", [model.name for model in MODELS], questions)
        client.result()
    return asked


def _results(traffic: list[TaskTraffic], asked: list[MarkedAnswer], best: str) -> list[TaskResult]:
    return [
        task_result(sent, [answer for answer in asked if answer.question.dataset == sent.task], best)
        for sent in traffic
    ]


def _show(console: Console, found: list[TaskResult], best: str) -> None:
    for result in found:
        print_task(console, result)
    print_summary(console, found, best)


def _watch(gateway: ChildProcess) -> None:
    """Return on Ctrl-C; raises ChildEnded if the gateway ends before."""
    try:
        while True:
            gateway.check()
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        return


def _curl(port: int) -> str:
    question = "INV-AN: 14 headsets, unit price 33.90 EUR, less credit note of 6 EUR. Balance owing?"
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": question}]})
    headers = "-H 'content-type: application/json' -H 'x-task-id: my-invoices'"
    return f"""
the demo gateway listens on port {port} until Ctrl-C. Send a few requests:

curl -si http://127.0.0.1:{port}/v1/chat/completions {headers} -d '{body}'

and then

curl -s http://127.0.0.1:{port}/v1/tasks/my-invoices

or open http://127.0.0.1:{port}/ui
"""
