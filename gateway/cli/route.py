"""`benchroute route`: what a pack says about a task's inputs, and the model that the task would get."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.errors import OptionError
from gateway.cli.inputs import STDIN, InputFormat, read_inputs
from gateway.cli.load_embedder import embed_texts, embedder_identity, pack_embedder
from gateway.cli.terminal import (
    format_counterfactual,
    format_number,
    format_prices,
    make_table,
    print_note,
    stdout_console,
)
from routing.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from routing.calibration import Calibration


class ScoreName(StrEnum):
    """routing.scores.Score, which this module must not load to say what the options are."""

    S1 = "s1"
    S2 = "s2"
    S3 = "s3"
    AUTO = "auto"


def route_inputs(
    pack: Annotated[Path, typer.Option(help="A pack: a folder or a .tar.", show_default=False)],
    inputs: Annotated[
        Path,
        typer.Argument(help="The task's inputs: .txt, one a line, or .jsonl; `-` is standard input.", allow_dash=True),
    ] = STDIN,
    format_: Annotated[InputFormat | None, typer.Option("--format", help="How the inputs are written.")] = None,
    score: Annotated[ScoreName, typer.Option(help="Which task score leads; s3 with the fallback of eq. 6; auto.")] = (
        ScoreName.S3
    ),
    candidates: Annotated[str | None, typer.Option(help="Only these models, separated by commas.")] = None,
    max_params_b: Annotated[float | None, typer.Option(min=0, help="No larger model, billions of parameters.")] = None,
    eta: Annotated[
        float | None, typer.Option(min=0, max=1, help="How sure a change of model must be. Default: the pack's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score a new task's inputs, and say which model it would get. Needs no gateway and no labels."""
    if inputs == STDIN and sys.stdin.isatty():
        print_note("one input a line, Ctrl-D ends")
    texts = read_inputs(inputs, format_)
    manifest = read_manifest(pack)
    names = _candidates(manifest, candidates, max_params_b)
    document = _routed(pack, manifest, texts, names, score, eta)
    if as_json:
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        _show(document, manifest)


def _candidates(manifest: Manifest, named: str | None, max_params_b: float | None) -> tuple[str, ...]:
    """The models to choose from. Raises OptionError for an unknown one, and where none is left."""
    names = manifest.model_names if named is None else [name.strip() for name in named.split(",") if name.strip()]
    unknown = [name for name in names if name not in manifest.model_names]
    if unknown:
        known = ", ".join(manifest.on_average)
        raise OptionError(f"--candidates: the pack knows no model {', '.join(unknown)}; it knows {known}")
    sizes = {model.name: model.params_b for model in manifest.models}
    fitting = tuple(name for name in names if _fits(sizes[name], max_params_b))
    if not fitting:
        limit = "" if max_params_b is None else f" of at most {max_params_b:g} B parameters"
        raise OptionError(f"no candidate{limit} is left; a model of unknown size fits no limit")
    return fitting


def _fits(size: float | None, largest: float | None) -> bool:
    return largest is None or (size is not None and size <= largest)


def _routed(
    path: Path, manifest: Manifest, texts: Sequence[str], names: Sequence[str], score: ScoreName, eta: float | None
) -> Mapping[str, Any]:
    """The document that the gateway's dry run gives: eq. 6, once over all inputs.

    k, kappa and sigma are those that the pack was calibrated with.
    """
    from gateway.scorer.task_update import build_explanation
    from routing.calibration import RoutingSettings
    from routing.pack import open_pack
    from routing.router import Router
    from routing.scores import ScoreKind
    from routing.task import TaskState

    embedder = pack_embedder(path, manifest)
    pack = open_pack(path, embedder_identity(embedder))
    settings = RoutingSettings(**manifest.routing)  # type: ignore[arg-type]  # k and kappa are whole there too
    router = Router(pack, settings if eta is None else replace(settings, eta=eta))
    state = TaskState.from_evidence(router.find_evidence(embed_texts(embedder, texts)))
    scores = router.score_task(state, router.select_candidates(names), ScoreKind(score))
    made = router.make_decision(scores, score=ScoreKind(score))
    _warn(scores.distance, pack.calibration)
    shown = build_explanation(router, state, made, scores, ScoreKind(score))
    decision = {"model": made.model, "reason": made.reason.value, "ranking": list(made.ranking), **shown["decision"]}
    return {"object": "route", "n": state.n, **shown, "decision": decision}


def _warn(distance: float, calibration: "Calibration") -> None:
    if len(calibration.distances) == 0:
        print_note(
            "warning: the pack has no calibration pairs (one dataset alone): p is 0.5 and S3 ties for every model"
        )
    elif distance > calibration.distances.max():
        print_note(
            f"warning: u = {distance:.3f} is farther off the benchmark than anything the pack was calibrated on "
            f"(at most {calibration.distances.max():.3f}): p is extrapolated"
        )


def _show(document: Mapping[str, Any], manifest: Manifest) -> None:
    decision, console = document["decision"], stdout_console()
    rows, models = {row["model"]: row for row in document["scores"]}, {model.name: model for model in manifest.models}
    columns = [name for name in ("s1", "s2", "s3", "p", "auto") if name in document["scores"][0]]
    titles = [name if name in ("p", "auto") else name.upper() for name in columns]
    made = make_table(("model",), (*titles, "size, B", "in/out, USD per Mtok"))
    for name in decision["ranking"]:
        model = models[name]
        made.add_row(
            name,
            *(format_number(rows[name][key]) for key in columns),
            format_number(model.params_b, "{:g}"),
            format_prices(model.input_usd_per_mtok, model.output_usd_per_mtok),
            style="green" if name == decision["model"] else "",
        )
    console.print(made)
    console.print()
    near = ", ".join(f"{row['dataset']} {row['cosine']:.2f}" for row in document["nearest_datasets"])
    console.print(
        f"n = {document['n']}, u = {format_number(document['u'])}; nearest datasets (cosine): {near}", soft_wrap=True
    )
    console.print(f"{decision['model']}  ({decision['reason']})", style="bold", soft_wrap=True)
    console.print(decision["why"], soft_wrap=True)
    format_counterfactual(console, decision)
