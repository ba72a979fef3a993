"""`benchroute pack inspect`: contents of a pack, and its measured gain."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from gateway.cli.coverage import describe_floor
from gateway.cli.pack.index_summary import describe_index, describe_sample
from gateway.cli.terminal import UNKNOWN, format_number, format_prices, make_table, stdout_console
from gateway.packs import pack_size_bytes, read_embedder_info, read_report
from routing.manifest import Manifest, PackModel, read_manifest
from routing.recommendation import AUTO_DATA, recommend_score

CHOOSERS = {
    "s1": "S1",
    "s2": "S2",
    "s3": "S3",
    "auto": "auto",
    "best_on_average": "best on average",
    "oracle": "oracle",
}


def inspect_pack(
    pack: Annotated[Path, typer.Argument(help="Pack: a folder or a .tar file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    datasets: Annotated[bool, typer.Option("--datasets", help="Show the routing gain on each dataset.")] = False,
) -> None:
    """Show the contents of a pack and its measured gain. Reads manifest and report only; see also `pack verify`."""
    from routing.gain_summary import describe_twins, gain_sentence, gain_sentences

    manifest = read_manifest(pack)
    report = read_report(pack, manifest)
    recommended = recommend_score(report, AUTO_DATA in manifest.files)
    if as_json:
        # The file leaves out members of a model that say nothing; `added` is there even if it is empty.
        members = {**asdict(manifest), **json.loads(manifest.to_json())}
        about = {"path": str(pack), "size_bytes": pack_size_bytes(pack), **members}
        result = {
            "index": describe_index(manifest, report),
            "report": report,
            "gain_summary": gain_sentence(report),
            "recommended": asdict(recommended),
        }
        typer.echo(json.dumps({**about, **result}, indent=2))
        return
    console = stdout_console()
    _show_head(console, pack, manifest, report)
    _show_table(console, "datasets", _datasets(manifest))
    _show_table(console, "models, best on average first", _models(manifest))
    if floor := describe_floor(manifest):
        console.print(f"{floor}\n", soft_wrap=True)
    if report["datasets"]:
        title = f"accuracy on held-out datasets, mean of {report['n_datasets']}"
        _show_table(console, title, _accuracy(report))
    if report.get("embedders"):
        _show_table(console, "accuracy and speed with other embedders", _embedders(report))
    if datasets:
        _show_table(console, "accuracy on each held-out dataset", _each_dataset(report))
    for sentence in gain_sentences(report):
        console.print(sentence, soft_wrap=True)
    console.print(f"recommended score: {recommended.score}; {recommended.why}", soft_wrap=True)
    for twins in report.get("twins", ()):
        console.print(describe_twins(twins), soft_wrap=True)


def _show_table(console: Console, title: str, made: Table) -> None:
    console.print(title, style="bold", soft_wrap=True)
    console.print(made)
    console.print()


def _show_head(console: Console, path: Path, manifest: Manifest, report: Mapping[str, Any]) -> None:
    maker = f"{manifest.made_by or 'unknown'}, {manifest.made_at or 'unknown'}, {manifest.software or 'unknown'}"
    for name, value in (
        ("pack", f"{manifest.name} ({path})"),
        ("hash", manifest.hash),
        ("size", f"{decimal(pack_size_bytes(path))}, {manifest.n_inputs} inputs, schema {manifest.schema}"),
        ("made", maker),
        ("embedder", f"{manifest.embedder}{_carried(path, manifest)}"),
        ("index", describe_index(manifest, report)),
        ("routing", ", ".join(f"{name} = {value:g}" for name, value in manifest.routing.items())),
        ("calibration", _calibration(manifest.calibration)),
        *((("sample", sample),) if (sample := describe_sample(report)) else ()),
        *(("added", f"{one.model} to {one.parent}") for one in manifest.added),
    ):
        console.print(f"{name:<12}{value}", soft_wrap=True)
    console.print()


def _carried(path: Path, manifest: Manifest) -> str:
    about = read_embedder_info(path, manifest)
    if about is None:
        return "; not bundled"
    recall = "" if about["kept"] is None else f", {about['kept']:.1%} of the 19 nearest inputs preserved"
    return f"; bundled, {about['kind']} {about['precision']}{recall}"


def _embedders(report: Mapping[str, Any]) -> Table:
    made = make_table(("embedder", "runs as"), ("inputs/s", "neighbour recall", *CHOOSERS.values()))
    for row in report["embedders"]:
        accuracy = (format_number(row["accuracy"].get(name)) for name in CHOOSERS)
        speed, recall = format_number(row["inputs_per_s"], "{:g}"), format_number(row["neighbours_kept"])
        made.add_row(row["embedder"], row["runs_as"], speed, recall, *accuracy)
    return made


def _calibration(settings: Mapping[str, Any]) -> str:
    alphas = settings["alphas"]
    return (
        f"{settings['pairs']} pairs (u, p) from {len(alphas)} alphas, {min(alphas):g} to {max(alphas):g}, "
        f"{settings['repeats']} repeats, at most {settings['cap']} inputs moved, seed {settings['seed']}"
    )


def _datasets(manifest: Manifest) -> Table:
    made = make_table(("dataset", "source", "licence"), ("n", "correct above"))
    for one in manifest.datasets:
        made.add_row(
            one.name,
            one.source or UNKNOWN,
            one.licence or UNKNOWN,
            str(one.n_inputs),
            format_number(one.threshold, "{:g}"),
        )
    return made


def _models(manifest: Manifest) -> Table:
    made = make_table(("model",), ("average", "size, B", "in/out, USD per Mtok"))
    by_name = {model.name: model for model in manifest.models}
    for name in manifest.on_average:
        model = by_name[name]
        partial = f" ({caveat})" if (caveat := _caveat(manifest, model)) else ""
        made.add_row(
            f"{name}{partial}",
            f"{format_number(model.average)}{_error(manifest, model)}",
            format_number(model.params_b, "{:g}"),
            format_prices(model.input_usd_per_mtok, model.output_usd_per_mtok),
        )
    return made


def _caveat(manifest: Manifest, model: PackModel) -> str:
    """The caveat of a model's average, empty if there is none."""
    added = manifest.find_estimated(model.name)
    if added is not None:
        return f"estimated from {added.n_measured} of {manifest.n_inputs} inputs"
    if model.coverage is not None:
        return f"estimated, coverage {model.coverage:.1%}"
    return "not on every dataset" if model.partial else ""


def _error(manifest: Manifest, model: PackModel) -> str:
    added = manifest.find_estimated(model.name)
    error = model.standard_error if added is None else added.standard_error
    return "" if error is None else f" ± {format_number(error)}"


def _choosers(report: Mapping[str, Any]) -> list[str]:
    """The strategies in the report: older packs have no `auto`."""
    return [name for name in CHOOSERS if name in report["accuracy"]]


def _accuracy(report: Mapping[str, Any]) -> Table:
    names = _choosers(report)
    made = make_table((), tuple(CHOOSERS[name] for name in names))
    made.add_row(*(format_number(report["accuracy"][name]) for name in names))
    return made


def _each_dataset(report: Mapping[str, Any]) -> Table:
    names = _choosers(report)
    made = make_table(("dataset", "chosen by S3", "oracle's choice"), ("n", "u", *(CHOOSERS[name] for name in names)))
    for row in report["datasets"]:
        accuracy = (format_number(row["accuracy"][name]) for name in names)
        chosen = (row["model"]["s3"], row["model"]["oracle"])
        made.add_row(row["dataset"], *chosen, str(row["n"]), format_number(row["distance"]), *accuracy)
    return made
