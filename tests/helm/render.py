"""Renders a chart with Helm's own engine: `python -m tests.helm.render CHART < request.json > rendered.json`.

A program of its own: the engine is a Go library, whose run time and signal handlers stay out of the tests' process.
"""

import json
import sys

import helm_python


def main() -> None:
    """Print the rendered templates by name, and what `helm lint` says; exit with Helm's error."""
    chart, request = sys.argv[1], json.load(sys.stdin)
    try:
        with helm_python.Chart.load(chart) as loaded:
            templates = loaded.render(request["values"], name=request["name"], namespace=request["namespace"])
        found = helm_python.lint(chart, request["values"], strict=True)
    except helm_python.HelmError as error:
        sys.exit(str(error))
    json.dump({"templates": templates, "lint": found}, sys.stdout)


if __name__ == "__main__":
    main()
