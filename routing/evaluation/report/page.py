"""report.html: one self-contained page that starts with the gain from routing."""

from collections.abc import Mapping, Sequence
from html import escape

from routing.evaluation.report.tables import COLUMNS, HELM, QUALITY, TABLE_4, TABLES, format_cell, format_row
from routing.evaluation.results import Evaluation, FoldChoice, PredictorQuality, SparseResult, SystemRow

CAPTIONS = {
    "accuracy_against_alpha": "Accuracy of the chosen model as inputs are labelled (the paper's Fig. 2, 5, 8).",
    "pearson_against_alpha": "Correlation of scores and accuracies, as inputs are labelled (Fig. 2, 5, 8).",
    "pearson_against_distance": "Correlation of scores and accuracies against u, over all alphas (Fig. 3, 6).",
    "predictor_against_alpha": "The correctness predictor: accuracy of g_bar, mean error of p (Fig. 4).",
    "metric_against_sparsity": "Selection input by input, for inputs nearer than C to the index (Fig. 7).",
    "accuracy_against_cost": "Accuracy against cost over all price weights; areas under the curves.",
    "accuracy_against_price": "Accuracy against price: single models, and the systems' choices.",
    "gain_by_dataset": "S3 against the best model on average, dataset by dataset; hatched bars are losses.",
}

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 2rem 0; } figure svg { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.wide { overflow-x: auto; } .verdict { font-size: 1.25rem; }
"""


def render_page(evaluation: Evaluation, drawn: Mapping[str, bytes]) -> str:
    """Render the page. drawn: SVG by the figure's name."""
    title = escape(f"{evaluation.benchmark} / {evaluation.pool}")
    parts = [
        f"<h1>Gain from routing on {title}</h1>",
        f'<p class="verdict">{escape(verdict_sentence(evaluation.rows))}</p>',
        f"<p>{len(evaluation.datasets)} datasets, {evaluation.n_inputs} inputs, {len(evaluation.models)} models. Every"
        " dataset is held out in turn, from index and calibration. Intervals: 95 %, bootstrap over datasets.</p>",
        *(_table(evaluation.rows, alpha) for alpha in sorted({row.alpha for row in evaluation.rows})),
        *(_figure(name, drawn.get(name)) for name in CAPTIONS),
        _quality(evaluation.quality),
        _published(evaluation.rows),
        _per_input(evaluation.sparse),
        _choices(evaluation.choices),
        _settings(evaluation.settings),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def verdict_sentence(rows: Sequence[SystemRow]) -> str:
    """Return one sentence on the gain of S3 over always using the best model on average."""
    found = next((row for row in rows if row.system == "S3" and row.alpha == 0), None)
    if found is None:
        return "S3 was not among the systems evaluated."
    points, low, high = 100 * found.gain_over_bma, 100 * found.gain_ci[0], 100 * found.gain_ci[1]
    details = (
        f"({points:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}, over {found.n_datasets} held-out datasets)"
    )
    against = "over always using the best model on average"
    # The verdict follows the interval, not the point estimate: a gain within chance is reported as none.
    if low > 0:
        return f"Routing by S3 gains {against} {details}."
    if high < 0:
        return f"Routing by S3 loses {details}: always use the best model on average."
    return f"Routing by S3 has no significant gain {against} {details}."


def _table(rows: Sequence[SystemRow], alpha: float) -> str:
    body = [format_row(row) for row in rows if row.alpha == alpha]
    return _html_table(f"alpha = {alpha:g}", COLUMNS, body)


def _html_table(caption: str, header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    # Names of models and datasets come from imported files: every cell is escaped.
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _figure(name: str, svg: bytes | None) -> str:
    caption = escape(CAPTIONS[name])
    if svg is None:
        return f"<p>Not drawn (no data): {caption}</p>"
    drawn = svg.decode()
    # The XML declaration and doctype before <svg> are not allowed inside HTML.
    drawn = drawn[drawn.index("<svg") :]
    return f'<figure role="group" aria-label="{caption}">{drawn}<figcaption>{caption}</figcaption></figure>'


def _quality(quality: Sequence[PredictorQuality]) -> str:
    header = ("alpha", "accuracy of g_bar", "mean error of p, kernel smoother", "mean error of p, ATC")
    body = [[f"{one.alpha:g}", *(f"{x:.3f}" for x in (one.accuracy, one.mae_of_p, one.mae_of_atc))] for one in quality]
    body += [
        [f"paper, {predictor}, {HELM}", *(format_cell(x, "{:.3f}") for x in QUALITY[predictor])]
        for predictor in {one.predictor for one in quality}
    ]
    return _html_table("The correctness predictor and the estimates of its reliability", header, body)


def _published(rows: Sequence[SystemRow]) -> str:
    """Return the paper's table of the predictor next to our own."""
    own = {row.system: row for row in rows if row.alpha == 0}
    if not own:
        return ""
    name, table = TABLES[next(iter(own.values())).predictor]
    columns = {"accuracy": "Acc.", "ratio_to_best": "Ratio to best", "pearson": "Pearson", "spearman": "Spearman"}
    columns |= {"share_bma": "share of BMA", "params_b": "# Params", "rank": "Rank"}
    body = [
        [
            system,
            *(
                f"{format_cell(getattr(row, one), '{:.3f}')} | {format_cell(_of(own.get(system), one), '{:.3f}')}"
                for one in columns
            ),
        ]
        for system, row in table.items()
    ]
    return _html_table(f"The paper's {name} ({HELM}) | here", ("system", *columns.values()), body)


def _per_input(sparse: Sequence[SparseResult]) -> str:
    """Return the paper's Table 4 next to our own, the mean outcome over all inputs asked."""
    if not sparse:
        return ""
    own = {one.system: one.metric for one in sparse if one.share == 1}
    body = [
        [system, *(f"{value:.2f}" for value in values), format_cell(own.get(system), "{:.4f}")]
        for system, values in TABLE_4.items()
    ]
    header = ("system", "paper: BERTScore", "BARTScore", "BLEURT", "here: mean outcome")
    return _html_table("Selection input by input (the paper's Table 4, MixInstruct)", header, body)


def _of(row: SystemRow | None, name: str) -> float | None:
    return None if row is None else getattr(row, name)


def _choices(choices: Sequence[FoldChoice]) -> str:
    body = [
        [one.dataset, one.model or "–", f"{one.distance:.3f}", *(f"{x:.3f}" for x in (one.accuracy, one.bma, one.best))]
        for one in choices
        if one.system == "S3" and one.alpha == 0
    ]
    header = ("dataset", "S3's choice", "u", "accuracy", "best on average", "oracle")
    return _html_table("S3, dataset by dataset", header, body)


def _settings(settings: Mapping[str, object]) -> str:
    return _html_table("Settings", ("setting", "value"), [[name, str(value)] for name, value in settings.items()])
