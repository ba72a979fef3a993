"""`benchroute models …`: one more model in a pack, from some of its outcomes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli import evals
from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, KeyEnv, Url
from gateway.cli.errors import InputsError, OptionError
from gateway.cli.pack.build import check_place, pack_provenance
from gateway.cli.terminal import format_number, print_note, show_progress, stderr_console, stdout_console
from gateway.config import Config, load_config
from gateway.evals.questions import Grader

if TYPE_CHECKING:
    from routing.benchmark import Model
    from routing.input_index import InputIndex
    from routing.pack import Pack

app = typer.Typer(help="One more model in a pack, from some of its outcomes.", no_args_is_help=True)

CONFIG = Path("config.yaml")
ASKED = "asked.jsonl"

Name = Annotated[str, typer.Argument(help="The model, as the configuration calls it.", show_default=False)]
ConfigOption = Annotated[Path, typer.Option("--config", help="The gateway's configuration.")]
PackOption = Annotated[
    Path | None, typer.Option("--pack", help="The pack. Default: the configuration's.", show_default=False)
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The new pack. Default: beside it, as PACK+NAME.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--benchmark", exists=True, file_okay=False, help="What the pack was built from, if it is an old one."
    ),
]
Activate = Annotated[bool, typer.Option("--activate", help="And put it in force: live tasks are scored again.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")]
Count = Annotated[int, typer.Option("--inputs", "-n", min=1, help="How many inputs.")]
QUESTIONS = "Labelled questions, as `bench run` takes them, the pack's inputs among them."


@app.command("add")
def add_model(
    name: Name,
    outcomes: Annotated[
        Path,
        typer.Option(
            exists=True, help="CSV, JSON lines or parquet: input_id or text, and score; or a benchmark's folder."
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
    """Add a model's outcomes to a pack: some hundred will do, the others are estimated.

    Nothing is embedded or indexed again. A row that fits no input is told, and then nothing is written.
    """
    where = _place(pack, config)
    made = _with_column(where, name, outcomes, _beside(where, name, output), benchmark, config)
    _finish(made, name, activate, config, AdminClient(url, key_env) if activate else None, as_json)


@app.command("choose")
def choose_questions(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, JSON lines.", show_default=False)],
    inputs: Count = 100,
    pack: PackOption = None,
    questions: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help=QUESTIONS)] = None,
    benchmark: Folder = None,
    config: ConfigOption = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Choose the inputs whose outcomes tell most of a new model, and write them down to be asked."""
    where = _place(pack, config)
    opened, known = _opened(where, benchmark)
    lines = _chosen(opened, known, inputs, questions, benchmark)
    output.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps({"file": str(output), "inputs": len(lines)}))
        return
    stdout_console().print(f"{len(lines)} inputs  {output}", soft_wrap=True)
    print_note("with their outcomes, `benchroute models add` estimates the others")


@app.command("estimate")
def estimate_model(
    name: Name,
    questions: Annotated[Path, typer.Option(exists=True, dir_okay=False, help=QUESTIONS)],
    answers: Annotated[Path, typer.Option(help="Where answers are kept; the same again asks for what is missing.")],
    inputs: Count = 100,
    pack: PackOption = None,
    output: Output = None,
    benchmark: Folder = None,
    activate: Activate = False,
    mark: Annotated[Grader | None, typer.Option(help="How lines are marked that do not say.")] = None,
    judge: Annotated[str | None, typer.Option(help="The model that gives verdicts.", show_default=False)] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Calls at a time.")] = 8,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer. Default: the backend's.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether the price will do.")] = False,
    config: ConfigOption = CONFIG,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Ask a model the inputs that tell most of it, price first, mark the answers, and add it to the pack."""
    where = _place(pack, config)
    opened, known = _opened(where, benchmark)
    if name in opened.manifest.model_names:
        raise OptionError(f"{where} has a model {name!r} already")
    answers.mkdir(parents=True, exist_ok=True)
    asked = answers / ASKED
    if not asked.exists():  # the same command goes on: what was chosen stays chosen
        lines = _chosen(opened, known, inputs, questions, benchmark)
        asked.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    evals.print_progress(asked, answers, config, name, mark, judge, concurrency, max_tokens, 0.0, False, yes, None)
    made = _with_column(where, name, answers, _beside(where, name, output), benchmark, config)
    _finish(made, name, activate, config, AdminClient(url, key_env) if activate else None, as_json)


def _place(pack: Path | None, config: Path) -> Path:
    """The pack to add to. Raises OptionError where neither option nor configuration names one."""
    if pack is not None:
        return pack
    named = load_config(config).routing.pack
    if named is None:
        raise OptionError(f"{config} names no pack: --pack does")
    return Path(named)


def _beside(pack: Path, name: str, output: Path | None) -> Path:
    suffix = pack.suffix if pack.suffix == ".tar" else ""
    safe = "".join(char if char.isalnum() or char in "._-" else "-" for char in name)
    made = output or pack.with_name(f"{pack.name.removesuffix(suffix)}+{safe}{suffix}")
    check_place(made)
    return made


def _opened(path: Path, benchmark: Path | None) -> "tuple[Pack, InputIndex]":
    """A pack and by what names it knows its inputs. Raises OptionError where it knows none, PackMismatch where the
    benchmark is another."""
    from routing.input_index import InputIndex
    from routing.pack import open_pack
    from routing.tidy import read_benchmark

    opened = open_pack(path)
    if benchmark is None:
        if opened.input_index is None:
            raise OptionError(f"{path} is of before packs named their inputs: --benchmark names what it was built from")
        return opened, opened.input_index
    from routing.errors import PackMismatch

    read = read_benchmark(benchmark)
    there = [read.datasets[number].name for number in read.dataset_ids]
    if there != [opened.manifest.datasets[number].name for number in opened.dataset_ids]:
        raise PackMismatch(f"{path} was built from other inputs than those of {benchmark}")
    return opened, InputIndex.from_texts(read.input_ids, read.texts)


def _with_column(path: Path, name: str, outcomes: Path, output: Path, benchmark: Path | None, config: Path) -> Path:
    """Makes and saves the new pack."""
    from routing.embedders.bundled import read_bundle_files
    from routing.importing.outcomes_file import read_column
    from routing.new_model.add import NewModelOutcomes, add_model
    from routing.pack import save_pack

    opened, known = _opened(path, benchmark)
    found = read_column(outcomes, name, known)
    with show_progress(stderr_console()) as steps:
        made = add_model(opened, NewModelOutcomes(_model(name, config), found.rows, found.outcomes), steps)
    about = pack_provenance()
    manifest = replace(made.manifest, made_by=about.made_by, made_at=about.made_at, software=about.software)
    carried = read_bundle_files(path, opened.manifest)
    save_pack(replace(made, manifest=manifest, input_index=known, bundled_embedder=carried), output)
    return output


def _model(name: str, config: Path) -> "Model":
    """What the configuration says of it, where it knows it."""
    from routing.benchmark import Model

    read: Config | None = load_config(config) if config.exists() else None
    for one in read.models if read else ():
        if one.name == name:
            price = one.price
            both = (price.input_usd_per_mtok, price.output_usd_per_mtok) if price else (None, None)
            return Model(name, one.params_b, *(None if usd is None else float(usd) for usd in both))
    print_note(f"warning: {config} has no model {name}: the gateway cannot choose it before it has")
    return Model(name)


def _chosen(
    pack: "Pack", known: "InputIndex", count: int, questions: Path | None, benchmark: Path | None
) -> list[dict[str, Any]]:
    """The inputs to ask, as lines: the questions themselves where they are given."""
    import numpy as np

    from routing.new_model.add import pack_factors
    from routing.new_model.select_inputs import select_inputs

    lines = _labelled(questions, known) if questions is not None else None
    among = None if lines is None else np.array(sorted(lines), dtype=np.int64)
    rows = select_inputs(pack_factors(pack), count, among).tolist()
    return [lines[row] for row in rows] if lines is not None else _bare(pack, known, rows, benchmark)


def _labelled(path: Path, known: "InputIndex") -> dict[int, dict[str, Any]]:
    """The questions by the pack's rows. Raises InputsError where none is an input of the pack."""
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
        raise InputsError(f"{path}: none of its questions is an input of the pack, by text or by id")
    return found


def _bare(pack: "Pack", known: "InputIndex", rows: list[int], benchmark: Path | None) -> list[dict[str, Any]]:
    from routing.tidy import read_benchmark

    texts = read_benchmark(benchmark).texts if benchmark is not None else ()
    if not known.ids and not texts:
        raise OptionError("the pack knows its inputs by their texts alone: give --questions or --benchmark")
    made = []
    for row in rows:
        line = {"dataset": pack.manifest.datasets[int(pack.dataset_ids[row])].name}
        line |= {"input_id": known.ids[row]} if known.ids else {}
        made.append({**line, "text": texts[row]} if texts else line)
    return made


def _finish(path: Path, name: str, activate: bool, config: Path, client: AdminClient | None, as_json: bool) -> None:
    from routing.manifest import read_manifest

    manifest = read_manifest(path)
    told = manifest.added[-1]
    average = next(model.average for model in manifest.models if model.name == name)
    in_force = _put_in_force(path, config, client) if activate and client is not None else None
    if as_json:
        document = {"pack": str(path), "hash": manifest.hash, "parent": told.parent, "model": name, "average": average}
        document |= {"n_measured": told.n_measured, "standard_error": told.standard_error, "active": in_force}
        typer.echo(json.dumps(document, indent=2))
        return
    console, error = stdout_console(), "" if told.standard_error is None else f" ± {told.standard_error:.3f}, estimated"
    console.print(
        f"model    {name}: {format_number(average)}{error} from {told.n_measured} of {manifest.n_inputs} inputs"
    )
    console.print(f"place    {manifest.on_average.index(name) + 1} of {len(manifest.models)} on average")
    console.print(f"pack     {path}", soft_wrap=True)
    console.print(f"hash     {manifest.hash}")
    if in_force is not None:
        console.print(f"active   {in_force}", soft_wrap=True)


def _put_in_force(path: Path, config: Path, client: AdminClient) -> str:
    """In a fleet through Redis; else the running gateway takes up the pack beside its own."""
    if load_config(config).state.is_shared:
        from gateway.cli.pack.distributed import push_and_activate

        return f"activation {push_and_activate(path, config)}"
    told = client.send("POST", f"/v1/packs/{quote(path.name, safe='')}/activate")
    return str(told["id"])
