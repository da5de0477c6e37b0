"""Alerts and dashboard ask for what nodes and operator really expose, fire when they should, and
lead to a page that says what to do."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from apomixis_node.metrics import Metrics as NodeMetrics
from apomixis_operator.metrics import Metrics as OperatorMetrics
from chart.rendering import CHART, HERE, ROOT, tool

RULES = CHART / "rules/apomixis.yaml"
DASHBOARD = CHART / "dashboards/apomixis.json"
RUNBOOKS = ROOT / "docs/runbooks"
TARGET = {"namespace", "pod", "instance", "job", "container", "service"}
TARGET |= {"app_kubernetes_io_instance", "le"}
"""Labels that a series gets where it is scraped."""


def exposed() -> dict[str, set[str]]:
    """Every series that can be scraped, and its labels."""
    found: dict[str, set[str]] = {}
    for metrics in (NodeMetrics(), OperatorMetrics()):
        for metric in vars(metrics).values():
            for series in names_of(metric):
                found[series] = set(metric._labelnames) | TARGET
    return found


def names_of(metric: object) -> list[str]:
    match metric:
        case Counter():
            return [f"{family(metric)}_total"]
        case Histogram():
            name = family(metric)
            return [f"{name}_bucket", f"{name}_count", f"{name}_sum"]
        case Gauge():
            return [family(metric)]
    return []


def family(metric: Counter | Histogram | Gauge) -> str:
    (described,) = metric.describe()
    return str(described.name)


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (alert["expr"] for alert in alerts())
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_it_asks_for_what_is_exposed(expression: str) -> None:
    known = exposed()
    used = re.findall(r"\b(apomixis_\w+|up)(?:\{([^}]*)\})?", expression)
    assert used
    for series, selector in used:
        labels = set(re.findall(r"(\w+)\s*[=!]~?", re.sub(r'"[^"]*"', "", selector)))
        assert series == "up" or series in known, series
        assert labels <= known.get(series, TARGET), f"{series} has no such label"
    for by in re.findall(r"\bby \(([^)]*)\)", expression):
        wanted = set(re.split(r",\s*", by))
        assert any(wanted <= known.get(series, TARGET) for series, _ in used), by


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"].endswith((".", "}}"))
        page = ROOT / alert["annotations"]["runbook"]
        assert page == RUNBOOKS / f"{alert['alert']}.md"
        assert page.read_text().startswith(f"# {alert['alert']}\n")


def test_every_runbook_is_in_the_list() -> None:
    there = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    listed = re.findall(r"^- \[\w+\]\((\w+\.md)\)", (RUNBOOKS / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(there)


def promtool(*arguments: str | Path) -> None:
    program = tool("promtool", "it comes with Debian's package prometheus")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", RULES)


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", HERE / "alerts.yaml")


def test_every_alert_is_tried() -> None:
    tried = yaml.safe_load((HERE / "alerts.yaml").read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tried
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert fired == {alert["alert"] for alert in alerts()}
