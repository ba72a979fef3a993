"""Picture of the layers: docs/figures/architecture.svg, drawn from the import contract in pyproject.toml.

Badges number the packages that a request (circles) and an input (squares) pass, in this order.
"""

import tomllib
from html import escape
from pathlib import Path

TOP = Path(__file__).parents[2]
FIGURE = TOP / "docs" / "figures" / "architecture.svg"

PURPOSE = {
    "cli": "commands: benchroute …",
    "server": "composition, reload, workers",
    "distributed": "everything that uses Redis",
    "hub": "workers without Redis",
    "api": "management endpoints",
    "otel": "traces, metrics by OTLP",
    "sharing": "limits, budgets and settings of several gateways",
    "proxy": "one request, from first byte to last",
    "tasks": "decision table, policies, overrides",
    "evals": "benchmarks of your own models",
    "scorer": "from observed inputs to decisions",
    "keys": "authentication, client keys, quotas",
    "request_log": "a row for every request",
    "state": "store interface, SQLite",
    "packs": "pack library and metadata",
    "usage": "ledger and time series",
    "upstream": "backends, load balancing, failover",
    "config": "config.yaml and its history",
    "ui": "files of the dashboard",
    "http": "heads, bodies, SSE, errors",
    "observability": "metrics, logs",
    "processes": "supervision, priority",
    "errors": "error tree",
    "vocabulary": "shared constants",
    "decision": "a decision and its explanation",
    "loop_share": "work in slices",
    "offload": "work beside the event loop",
    "task_records": "templates, names, targets",
}
REQUEST = ("http", "proxy", "keys", "tasks", "scorer", "upstream", "observability", "usage", "state")
INPUT = ("scorer", "state", "tasks")

WIDTH, LEFT, ROW, BOX, GAP = 980, 34, 62, 46, 10
IN_A_ROW = 4
"""Boxes with room for their words."""

RIGHT = 176
"""Room for the library, which stands next to all layers."""

STYLE = (
    "text{font-family:system-ui,sans-serif;fill:#1f2937}.name{font-size:14px;font-weight:600}"
    ".purpose{font-size:10.5px;fill:#4b5563}.layer{font-size:11px;fill:#6b7280}"
    ".badge{font-size:10px;font-weight:600;fill:#fff;text-anchor:middle}.legend{font-size:11.5px}"
)


def read_layers() -> list[list[str]]:
    """Return the packages of every layer, top layer first."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def draw_architecture() -> str:
    """Return the picture as SVG."""
    rows = [
        (number, layer[place : place + IN_A_ROW])
        for number, layer in enumerate(read_layers(), 1)
        for place in range(0, len(layer), IN_A_ROW)
    ]
    height = ROW * len(rows) + 70
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Layers of the gateway, and the way of a request and of an input through them">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for place, (number, names) in enumerate(rows):
        drawn += _draw_row(12 + place * ROW, number, names)
    drawn += _draw_library([names for _, names in rows])
    drawn += _draw_legend(ROW * len(rows) + 24)
    return "\n".join([*drawn, "</svg>", ""])


def _draw_row(top: int, number: int, names: list[str]) -> list[str]:
    """Draw packages of a layer. A layer of many takes several rows."""
    width = (WIDTH - LEFT - RIGHT - GAP * len(names)) / len(names)
    drawn = [f'<text class="layer" x="12" y="{top + 27}">{number}</text>']
    for place, name in enumerate(sorted(names, key="scorer".__eq__)):  # the scorer beside the library that it calls
        drawn += _draw_box(LEFT + place * (width + GAP), top, width, name, PURPOSE[name])
        drawn += _draw_badges(LEFT + place * (width + GAP) + width, top, name)
    return drawn


def _draw_box(x: float, y: float, width: float, name: str, purpose: str) -> list[str]:
    return [
        f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{BOX}" rx="5" fill="#f3f4f6" stroke="#9ca3af"/>',
        f'<text class="name" x="{x + 10:.0f}" y="{y + 19}">{escape(name)}</text>',
        f'<text class="purpose" x="{x + 10:.0f}" y="{y + 35}">{escape(purpose)}</text>',
    ]


def _draw_badges(right: float, top: float, name: str) -> list[str]:
    drawn, x = [], right - 14
    for way, colour, corner in ((INPUT, "#b45309", 3), (REQUEST, "#1d4ed8", 9)):
        if name in way:
            drawn += _draw_badge(x, top + 13, str(way.index(name) + 1), colour, corner)
            x -= 22
    return drawn


def _draw_badge(x: float, y: float, text: str, colour: str, corner: int) -> list[str]:
    return [
        f'<rect x="{x - 9:.0f}" y="{y - 9:.0f}" width="18" height="18" rx="{corner}" fill="{colour}"/>',
        f'<text class="badge" x="{x:.0f}" y="{y + 3.5:.1f}">{text}</text>',
    ]


def _draw_library(rows: list[list[str]]) -> list[str]:
    """The library beside the layers: only the scorer, and commands, call it."""
    row = next(number for number, names in enumerate(rows) if "scorer" in names)
    x, top, height = WIDTH - RIGHT + 16, 12, ROW * len(rows) - (ROW - BOX)
    y = 12 + row * ROW + BOX / 2
    return [
        f'<rect x="{x}" y="{top}" width="{RIGHT - 28}" height="{height}" rx="5" fill="#ecfdf5" stroke="#6ee7b7"/>',
        f'<text class="name" x="{x + 10}" y="{top + 22}">routing</text>',
        f'<text class="purpose" x="{x + 10}" y="{top + 40}">the library: numpy in,</text>',
        f'<text class="purpose" x="{x + 10}" y="{top + 54}">decisions out</text>',
        f'<path d="M{x - 26} {y} H{x - 3}" stroke="#047857" stroke-width="2"/>',
        f'<path d="M{x - 8} {y - 5} L{x - 1} {y} L{x - 8} {y + 5}" fill="none" stroke="#047857" stroke-width="2"/>',
        f'<text class="purpose" x="{x + 10}" y="{y + 4}">embed, search, score</text>',
    ]


def _draw_legend(y: int) -> list[str]:
    return [
        *_draw_badge(LEFT + 9, y, "n", "#1d4ed8", 9),
        f'<text class="legend" x="{LEFT + 26}" y="{y + 4}">a request, in this order</text>',
        *_draw_badge(LEFT + 209, y, "n", "#b45309", 3),
        f'<text class="legend" x="{LEFT + 226}" y="{y + 4}">an input, in this order</text>',
        f'<text class="legend" x="{LEFT + 400}" y="{y + 4}">A package imports only packages of lower layers.</text>',
    ]
