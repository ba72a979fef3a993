"""`benchroute models …`: add a model to a pack, from outcomes on some of its inputs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli import evals
from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, KeyEnv, Url
from gateway.cli.errors import InputsError, OptionError
from gateway.cli.pack.build import check_output, pack_provenance
from gateway.cli.terminal import format_number, print_note, show_progress, stderr_console, stdout_console
from gateway.config import Config, load_config
from gateway.evals.questions import Grader

if TYPE_CHECKING:
    from routing.benchmark import Model
    from routing.input_index import InputIndex
    from routing.pack import Pack

app = typer.Typer(help="Add a model to a pack, from outcomes on some of its inputs.", no_args_is_help=True)

CONFIG = Path("config.yaml")
CHOSEN_FILE = "asked.jsonl"

Name = Annotated[str, typer.Argument(help="Name of the model in the configuration.", show_default=False)]
ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file of the gateway.")]
PackOption = Annotated[
    Path | None, typer.Option("--pack", help="Pack to add to. Default: `routing.pack`.", show_default=False)
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="New pack. Default: PACK+NAME in the same folder.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--benchmark", exists=True, file_okay=False, help="Benchmark of the pack, needed for packs of old versions."
    ),
]
Activate = Annotated[bool, typer.Option("--activate", help="Activate the new pack; all live tasks are rescored.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Count = Annotated[int, typer.Option("--inputs", "-n", min=1, help="Number of inputs.")]
QUESTIONS = "Labelled questions in the format of `bench run`, with inputs of the pack among them."


@app.command("add")
def add_model(
    name: Name,
    outcomes: Annotated[
        Path,
        typer.Option(
            exists=True, help="Outcomes: CSV, JSON lines or parquet with input_id or text, and score; or a benchmark."
        ),
    ],
    pack: PackOption = None,
    output: Output = None,
    benchmark: Folder = None,
    activate: Activate = False,
    config: ConfigOption = CONFIG,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Add a model to a pack from its outcomes: about a hundred suffice, the others are estimated.

    Nothing is embedded or indexed again. If a row matches no input of the pack, nothing is written.
    """
    source = _source_pack(pack, config)
    written = _add_column(source, name, outcomes, _output_path(source, name, output), benchmark, config)
    _finish(written, name, activate, config, AdminClient(url, key_env) if activate else None, as_json)


@app.command("choose")
def choose_questions(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, JSON lines.", show_default=False)],
    inputs: Count = 100,
    pack: PackOption = None,
    questions: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help=QUESTIONS)] = None,
    benchmark: Folder = None,
    config: ConfigOption = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Choose the inputs whose outcomes are most informative about a new model, and write them to a file."""
    opened, known = _open(_source_pack(pack, config), benchmark)
    lines = _choose(opened, known, inputs, questions, benchmark)
    output.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps({"file": str(output), "inputs": len(lines)}))
        return
    stdout_console().print(f"{len(lines)} inputs  {output}", soft_wrap=True)
    print_note("next: collect the model's outcomes on them, then `benchroute models add`")


@app.command("estimate")
def estimate_model(
    name: Name,
    questions: Annotated[Path, typer.Option(exists=True, dir_okay=False, help=QUESTIONS)],
    answers: Annotated[Path, typer.Option(help="Folder for the answers; rerun to resume.")],
    inputs: Count = 100,
    pack: PackOption = None,
    output: Output = None,
    benchmark: Folder = None,
    activate: Activate = False,
    mark: Annotated[Grader | None, typer.Option(help="Grading rule for questions that set no `mark`.")] = None,
    judge: evals.JudgeOption = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent requests.")] = 8,
    max_tokens: evals.MaxTokensOption = None,
    yes: evals.YesOption = False,
    config: ConfigOption = CONFIG,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Ask a model the most informative inputs, grade the answers, and add the model to the pack.

    Shows the cost first. Rerun the command to resume after an interruption or failures.
    """
    source = _source_pack(pack, config)
    opened, known = _open(source, benchmark)
    if name in opened.manifest.model_names:
        raise OptionError(f"{source} already contains a model {name!r}")
    answers.mkdir(parents=True, exist_ok=True)
    chosen = answers / CHOSEN_FILE
    if not chosen.exists():  # a rerun resumes with the same inputs
        lines = _choose(opened, known, inputs, questions, benchmark)
        chosen.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    evals.run_benchmark(chosen, answers, config, name, mark, judge, concurrency, max_tokens, 0.0, False, yes, None)
    written = _add_column(source, name, answers, _output_path(source, name, output), benchmark, config)
    _finish(written, name, activate, config, AdminClient(url, key_env) if activate else None, as_json)


def _source_pack(pack: Path | None, config: Path) -> Path:
    """The pack to add to. Raises OptionError if neither the option nor the configuration names one."""
    if pack is not None:
        return pack
    configured = load_config(config).routing.pack
    if configured is None:
        raise OptionError(f"{config} sets no routing.pack; use --pack")
    return Path(configured)


def _output_path(pack: Path, name: str, output: Path | None) -> Path:
    suffix = pack.suffix if pack.suffix == ".tar" else ""
    safe = "".join(char if char.isalnum() or char in "._-" else "-" for char in name)
    path = output or pack.with_name(f"{pack.name.removesuffix(suffix)}+{safe}{suffix}")
    check_output(path)
    return path


def _open(path: Path, benchmark: Path | None) -> "tuple[Pack, InputIndex]":
    """A pack, and the index of its inputs by name and text.

    Raises OptionError if it has no index, PackMismatch if the benchmark is another.
    """
    from routing.input_index import InputIndex
    from routing.pack import open_pack
    from routing.tidy import read_benchmark

    opened = open_pack(path)
    if benchmark is None:
        if opened.input_index is None:
            raise OptionError(f"{path} has no index of its inputs: name its benchmark with --benchmark")
        return opened, opened.input_index
    from routing.errors import PackMismatch

    read = read_benchmark(benchmark)
    found = [read.datasets[number].name for number in read.dataset_ids]
    if found != [opened.manifest.datasets[number].name for number in opened.dataset_ids]:
        raise PackMismatch(f"{path} was built from other inputs than those of {benchmark}")
    return opened, InputIndex.from_texts(read.input_ids, read.texts)


def _add_column(path: Path, name: str, outcomes: Path, output: Path, benchmark: Path | None, config: Path) -> Path:
    """Build and save the new pack."""
    from routing.embedders.bundled import read_bundle_files
    from routing.importing.outcomes_file import read_column
    from routing.new_model.add import NewModelOutcomes, add_model
    from routing.pack import save_pack
    from routing.parallel import build_threads

    opened, known = _open(path, benchmark)
    found = read_column(outcomes, name, known)
    with show_progress(stderr_console()) as steps, build_threads(opened.manifest.n_inputs):
        extended = add_model(opened, NewModelOutcomes(_model(name, config), found.rows, found.outcomes), steps)
    about = pack_provenance()
    manifest = replace(extended.manifest, made_by=about.made_by, made_at=about.made_at, software=about.software)
    bundled = read_bundle_files(path, opened.manifest)
    save_pack(replace(extended, manifest=manifest, input_index=known, bundled_embedder=bundled), output)
    return output


def _model(name: str, config: Path) -> "Model":
    """The model with its configured size and price, if it is configured."""
    from routing.benchmark import Model

    read: Config | None = load_config(config) if config.exists() else None
    for one in read.models if read else ():
        if one.name == name:
            price = one.price
            both = (price.input_usd_per_mtok, price.output_usd_per_mtok) if price else (None, None)
            return Model(name, one.params_b, *(None if usd is None else float(usd) for usd in both))
    print_note(f"warning: {config} has no model {name}: configure it before the gateway can choose it")
    return Model(name)


def _choose(
    pack: "Pack", known: "InputIndex", count: int, questions: Path | None, benchmark: Path | None
) -> list[dict[str, Any]]:
    """The most informative inputs, as lines of a file: the questions themselves if they are given."""
    import numpy as np

    from routing.new_model.add import pack_factors
    from routing.new_model.select_inputs import select_inputs

    lines = _labelled(questions, known) if questions is not None else None
    among = None if lines is None else np.array(sorted(lines), dtype=np.int64)
    rows = select_inputs(pack_factors(pack), count, among).tolist()
    return [lines[row] for row in rows] if lines is not None else _bare(pack, known, rows, benchmark)


def _labelled(path: Path, known: "InputIndex") -> dict[int, dict[str, Any]]:
    """The questions by the pack's rows. Raises InputsError if none is an input of the pack."""
    from gateway.evals.dataset import read_dataset
    from gateway.evals.errors import DatasetFaults
    from routing.input_index import text_digest

    try:
        questions = read_dataset(path)
    except DatasetFaults as error:
        raise InputsError(str(error)) from error
    texts, ids = known.rows_by_text(), known.rows_by_id()
    raw = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    found: dict[int, dict[str, Any]] = {}
    for question, line in zip(questions, raw, strict=True):
        for row in texts.get(text_digest(question.text)) or ids.get(question.id) or ():
            found[row] = {**line, "id": question.id, "dataset": question.dataset}
    if not found:
        raise InputsError(f"{path}: no question is an input of the pack, by text or by id")
    return found


def _bare(pack: "Pack", known: "InputIndex", rows: list[int], benchmark: Path | None) -> list[dict[str, Any]]:
    from routing.tidy import read_benchmark

    texts = read_benchmark(benchmark).texts if benchmark is not None else ()
    if not known.ids and not texts:
        raise OptionError("the pack identifies its inputs by text only: use --questions or --benchmark")
    lines = []
    for row in rows:
        line = {"dataset": pack.manifest.datasets[int(pack.dataset_ids[row])].name}
        line |= {"input_id": known.ids[row]} if known.ids else {}
        lines.append({**line, "text": texts[row]} if texts else line)
    return lines


def _finish(path: Path, name: str, activate: bool, config: Path, client: AdminClient | None, as_json: bool) -> None:
    from routing.manifest import read_manifest

    manifest = read_manifest(path)
    added = manifest.added[-1]
    average = next(model.average for model in manifest.models if model.name == name)
    active = _activate(path, config, client) if activate and client is not None else None
    if as_json:
        document = {"pack": str(path), "hash": manifest.hash, "parent": added.parent, "model": name, "average": average}
        document |= {"n_measured": added.n_measured, "standard_error": added.standard_error, "active": active}
        typer.echo(json.dumps(document, indent=2))
        return
    console = stdout_console()
    error = "" if added.standard_error is None else f" ± {added.standard_error:.3f}, estimated"
    console.print(
        f"model    {name}: {format_number(average)}{error} from {added.n_measured} of {manifest.n_inputs} inputs"
    )
    console.print(f"rank     {manifest.on_average.index(name) + 1} of {len(manifest.models)} on average")
    console.print(f"pack     {path}", soft_wrap=True)
    console.print(f"hash     {manifest.hash}")
    if active is not None:
        console.print(f"active   {active}", soft_wrap=True)


def _activate(path: Path, config: Path, client: AdminClient) -> str:
    """Through Redis if the state is shared; else the running gateway loads the pack from its pack folder."""
    if load_config(config).state.is_shared:
        from gateway.cli.pack.distributed import push_and_activate

        return f"activation {push_and_activate(path, config)}"
    activation = client.send("POST", f"/v1/packs/{quote(path.name, safe='')}/activate")
    return str(activation["id"])
