"""Measure on the pools of a folder with a suite.json; print tables and write results/learning.json."""

import argparse
import json
from pathlib import Path

from benchmarks.learning import feedback, labelling
from benchmarks.learning.pools import pools


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=Path, default=Path("../shared/benchmarks"))
    parser.add_argument("--repeats", type=int, default=10, help="of labels; of feedback, which takes longer, a third")
    parser.add_argument("--output", type=Path, default=Path("results/learning.json"))
    given = parser.parse_args()
    labels, answers = [], []
    for pool in pools(given.benchmarks):
        labels.append(labelling.measure_pool(pool, given.repeats))
        answers.append(feedback.measure_pool(pool, max(1, given.repeats // 3)))
        print(f"{pool.name}: done", flush=True)
    tables = {"labels": labelling.to_markdown(labels), "feedback": feedback.to_markdown(answers)}
    for name, text in tables.items():
        print(f"\n{name}\n\n{text}")
    rows = {one.pool: {"labels": one.gains.tolist(), "prior": one.prior.tolist()} for one in labels}
    for answer in answers:
        rows[answer.pool]["feedback"] = answer.gains.tolist()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
