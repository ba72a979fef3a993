"""Name of what was evaluated, for titles: the benchmark, its pool, and every limit on it."""

from routing.evaluation.report.wording import count_of
from routing.evaluation.results import Evaluation


def name_pool(evaluation: Evaluation) -> str:
    """Return for instance `mmlu_pro, 19 models of at most 50 B parameters`."""
    pool = "" if evaluation.pool == "all" else f" of the pool {evaluation.pool}"
    # The pool's name says which list of models, and not that a limit left most of them out.
    limit = evaluation.settings.get("max_params_b")
    size = f" of at most {limit:g} B parameters" if isinstance(limit, int | float) else ""
    joined = "," if pool and size else ""
    whole = evaluation.settings.get("sampled_of")
    sample = f", a sample of its {whole:,} inputs" if isinstance(whole, int) else ""
    return f"{evaluation.benchmark}, {count_of(len(evaluation.models), 'model')}{pool}{joined}{size}{sample}"
