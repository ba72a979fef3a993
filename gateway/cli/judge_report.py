"""Report of `tasks judge`: answers, the judge's agreement, the decision before and after, and the cost."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from msgspec import to_builtins
from rich.table import Table

from gateway.cli.evals import format_usd
from gateway.cli.terminal import format_counterfactual, format_number, make_table, print_note, stdout_console

if TYPE_CHECKING:
    from gateway.evals.estimate import CostEstimate
    from gateway.evals.judging.plan import JudgePlan
    from gateway.evals.judging.tally import JudgeReport, Share

SHOWN_FAILURES = 5

Found = Mapping[str, Any]
"""A task, as the gateway describes it."""


def show_report(
    plan: "JudgePlan",
    report: "JudgeReport",
    before: Found | None,
    after: Found | None,
    estimate: "CostEstimate",
    as_json: bool,
) -> None:
    """Print the report. before, after: the task, None if the gateway did not know it."""
    if as_json:
        typer.echo(json.dumps(_document(plan, report, before, after), indent=2))
    else:
        console = stdout_console()
        console.print(_models(plan, report))
        console.print()
        console.print(_agreement(plan, report))
        console.print()
        console.print(_decision(before, after), soft_wrap=True)
        if after is not None:
            console.print(after["decision"]["why"], soft_wrap=True)
            format_counterfactual(console, after["decision"])
        spent = f"cost of all answers {format_usd(report.total_usd)} USD"
        console.print(f"{spent}; estimated for this run {format_usd(estimate.total_usd)} USD")
    for note in _notes(plan, report, after):
        print_note(note)


def print_removed(found: Found, task: str, judge: str, as_json: bool) -> None:
    """Print what is left after the labels of a judge were removed."""
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    stdout_console().print(f"{task}: labels of judge:{judge} on {found['removed']} inputs removed", soft_wrap=True)
    if found["decision"] is not None:
        stdout_console().print(f"{found['decision']['model']}  ({found['decision']['reason']})", style="bold")


def _models(plan: "JudgePlan", report: "JudgeReport") -> Table:
    shown = make_table(["model"], ["answers", "mean label", "input tokens", "output tokens", "USD"])
    for one in report.spending:
        role = " (judge)" if one.model == plan.judge.name else " (baseline)" if one.model == plan.baseline else ""
        tokens = (str(one.input_tokens), str(one.output_tokens))
        mean = format_number(report.means.get(one.model))
        shown.add_row(f"{one.model}{role}", str(one.answers), mean, *tokens, format_usd(one.cost_usd))
    return shown


def _agreement(plan: "JudgePlan", report: "JudgeReport") -> Table:
    shown = make_table([f"judge:{plan.judge.name}, {plan.method}"], ["share", "95 % interval", "of"])
    rows = [("agrees with itself in both orders", report.self_agreement)]
    if report.agreement.right_as_right + report.agreement.right_as_wrong:
        rows.append(("right by reference: judged right", report.sensitivity))
    if report.agreement.wrong_as_right + report.agreement.wrong_as_wrong:
        rows.append(("wrong by reference: judged wrong", report.specificity))
    for name, share in rows:
        shown.add_row(name, format_number(share.value), _interval(share), f"{share.n:g}")
    return shown


def _interval(share: "Share") -> str:
    found = share.interval
    return format_number(None) if found is None else f"{found[0]:.3f} to {found[1]:.3f}"


def _decision(before: Found | None, after: Found | None) -> str:
    names = ["no decision" if task is None else task["decision"]["model"] for task in (before, after)]
    return f"decision before: {names[0]}; after: {names[1]}"


def _judged(plan: "JudgePlan", after: Found | None) -> Mapping[str, Any] | None:
    """The weight of the judge's labels in the decision; None where the score does not use them."""
    listed = ((after or {}).get("auto") or {}).get("judged", ())
    return next((row for row in listed if row["source"] == f"judge:{plan.judge.name}"), None)


def _notes(plan: "JudgePlan", report: "JudgeReport", after: Found | None) -> list[str]:
    ties = f"{report.ties} ties ({report.equal} of equal answers), " if plan.baseline is not None else ""
    notes = [
        f"{report.n_marks} answers judged twice, {ties}{report.differ} with different verdicts; "
        f"{report.unreadable} unreadable verdicts, {len(report.failed)} failed requests"
    ]
    if report.true_labels:
        notes.append(f"{len(report.true_labels)} inputs have references: sent as true labels, which take precedence")
    else:
        notes.append("no references: errors that the judge makes in both orders are not measured")
    found = _judged(plan, after)
    if found is not None and found["weight"] > 0:
        effective = found["n"] * found["weight"]
        notes.append(f"{found['n']} judged inputs count as much as {effective:.1f} labelled ones")
    elif found is not None:
        notes.append("the judge is not shown to be better than chance: its labels have no effect; use more inputs")
    notes += [f"failed: {one.model} on {one.input_id}: {one.reason}" for one in report.failed[:SHOWN_FAILURES]]
    if report.failed:
        notes.append(f"{len(report.failed)} requests failed; rerun to ask again")
    return notes


def _document(plan: "JudgePlan", report: "JudgeReport", before: Found | None, after: Found | None) -> dict[str, Any]:
    """The report as JSON; money as strings, which are exact."""
    return {
        "judge": plan.judge.name,
        "method": plan.method,
        "folder": str(plan.folder),
        "inputs": len(plan.questions),
        "labels": len(report.labels),
        "true_labels": len(report.true_labels),
        "answers_judged": report.n_marks,
        "ties": report.ties,
        "differ": report.differ,
        "unreadable": report.unreadable,
        "failed": [asdict(one) for one in report.failed],
        "means": report.means,
        "agreement": to_builtins(report.agreement),
        "self_agreement": _share(report.self_agreement),
        "sensitivity": _share(report.sensitivity),
        "specificity": _share(report.specificity),
        "effect": _judged(plan, after),
        "decision_before": before and before["decision"],
        "decision_after": after and after["decision"],
        "spending": [
            {**asdict(one), "cost_usd": None if one.cost_usd is None else str(one.cost_usd)} for one in report.spending
        ],
        "cost_usd": None if report.total_usd is None else str(report.total_usd),
    }


def _share(share: "Share") -> dict[str, Any]:
    return {"value": share.value, "interval": share.interval, "n": share.n}
