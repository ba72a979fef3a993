"""The Grafana dashboard and Prometheus' rules name metrics that a gateway has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.asking import ask
from tests.gateway.fake_upstream import running_upstream
from tests.gateway.letters import Letters
from tests.gateway.packs import saved_pack
from tests.gateway.promql import metrics, tokens
from tests.gateway.serving import configuration, running_gateway

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "benchroute.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
PROMETHEUS_OWN = {"up"}
SUFFIXES = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def panels() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def alerts() -> Iterator[tuple[str, str]]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.fixture(scope="module")
def existing(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every name in the /metrics of a gateway with a pack; what its scorer makes of it is no matter here."""
    folder = tmp_path_factory.mktemp("gateway")
    pack = saved_pack(folder / "pack", Letters(), ("good", "other", "slow"))
    with running_upstream() as upstream:
        state = {"url": f"sqlite:///{folder}/state.db"}
        text = configuration(upstream.base_url, ["good", "other"], state=state, routing={"pack": str(pack)})
        with running_gateway(text) as url:
            told = ask(url, "/metrics").body.decode()
    families = text_string_to_metric_families(told)
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


@pytest.mark.parametrize(("title", "expression"), [*panels(), *alerts()])
def test_every_metric_exists(title: str, expression: str, existing: set[str]) -> None:
    read = metrics(expression)
    assert read, f"{title} reads no metric"
    assert read <= existing | PROMETHEUS_OWN, f"{title} reads what no gateway tells"


def test_an_alert_says_what_to_do() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert {"summary", "description"} == set(rule["annotations"]), rule["alert"]
    assert len({name for name, _ in alerts()}) == len(list(alerts()))


def test_prometheus_finds_the_rules_and_panels_do_not_overlap() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert all((DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"])
    jobs = {scraped["job_name"] for scraped in config["scrape_configs"]}
    assert set(re.findall(r'job="(\w+)"', str(ALERTS))) <= jobs
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ('sum by (job, le) (rate(a_bucket{status=~"5..", x!="b(c"}[5m])) / count(b) > 0.05', {"a_bucket", "b"}),
        ("a and on (instance) b unless c offset 5m", {"a", "b", "c"}),
        ("histogram_quantile(0.9, sum without (x) (a))", {"a"}),
        ("topk(10, increase(a:b_total[1h])) * 1e3", {"a:b_total"}),
        ("1 + 2", set()),
    ],
)
def test_the_names_in_an_expression_are_found(expression: str, read: set[str]) -> None:
    assert metrics(expression) == read


@pytest.mark.parametrize("wrong", ["rate(a[5m)", 'a{b="c}', "a ~ b"])
def test_what_is_no_promql_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"token|closed"):
        metrics(wrong)


def test_tokens_are_told_apart() -> None:
    assert tokens("a + 1") == [("name", "a"), ("other", "+"), ("number", "1")]
