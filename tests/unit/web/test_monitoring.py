"""The examples for Prometheus and Grafana ask for what is served, by names it has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from siappakai.config import Settings
from siappakai.domain.states import RunState
from siappakai.models import utc_now
from tests.factories import make_release, make_run, make_server, make_site

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
SELECTOR = re.compile(r"\b(siappakai_\w+|up)\b(?:\{(?P<inside>[^}]*)\})?")
MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')
GROUPING = re.compile(r"\bby \(([^)]*)\)")
PLACEHOLDER = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")
# Put on every sample by Prometheus itself.
BY_PROMETHEUS = {"job", "instance"}


@pytest.fixture
def served(settings: Settings, new_panel, redis: str) -> list[Metric]:
    """All there is to measure, in a fleet that has one of each."""
    server = make_server(
        facts={"disk_free_bytes": 1, "disk_bytes": 2}, probed_at=utc_now(), silent_since=utc_now()
    )
    site = make_site(server=server, release=make_release())
    times = {"started_at": utc_now(), "ended_at": utc_now()}
    make_run(targets=[site], state=RunState.SUCCEEDED, **times)
    panel = new_panel(settings.model_copy(update={"redis_url": redis}))
    return list(text_string_to_metric_families(panel.test_client().get("/metrics").text))


@pytest.fixture
def labels(served: list[Metric]) -> dict[str, set[str]]:
    """The labels of each name that may stand in a query."""
    found = {one.name: {*one.labels} for family in served for one in family.samples}
    return {"up": set(), **found}


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard, and how its curves are named."""
    board = json.loads((FOLDER / "siappakai-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], target["legendFormat"]


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def mistakes(query: str, shown: str, labels: dict[str, set[str]]) -> list[str]:
    """Return the names in a query and in its texts that nothing served has."""
    selectors = list(SELECTOR.finditer(query))
    found = [] if selectors else [f"asks for nothing of ours: {query}"]
    known: set[str] = set()
    for selector in selectors:
        name = selector[1]
        if name not in labels:
            found.append(f"no metric {name}")
            continue
        own = {*labels[name], *BY_PROMETHEUS}
        known |= own
        asked = {label for label, _ in MATCHER.findall(selector["inside"] or "")}
        found += [f"{name} has no label {label}" for label in asked - own]
    groups = {label.strip() for group in GROUPING.findall(query) for label in group.split(",")}
    left = groups or known
    found += [f"no label {label} in {query}" for label in groups - known]
    return found + [
        f"no label {label} of {query}" for label in {*PLACEHOLDER.findall(shown)} - left
    ]


def test_every_query_of_the_dashboard_finds_what_it_asks_for(labels: dict[str, set[str]]):
    queries = list(dashboard_queries())

    assert len(queries) > 15
    assert [one for query, shown in queries for one in mistakes(query, shown, labels)] == []


def test_every_alert_rule_finds_what_it_asks_for(labels: dict[str, set[str]]):
    rules = alert_rules()

    assert len(rules) > 10
    for rule in rules:
        texts = " ".join(rule["annotations"].values())
        assert mistakes(rule["expr"], texts, labels) == [], rule["alert"]
        assert set(rule["annotations"]) == {"summary", "todo"}
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_states_asked_for_exist(served: list[Metric]):
    states = {
        one.name: {other.labels.get("state") for other in family.samples}
        for family in served
        for one in family.samples
    }
    states["siappakai_sites"] |= {"broken"}
    queries = [query for query, _ in dashboard_queries()] + [rule["expr"] for rule in alert_rules()]
    asked = {
        (selector[1], value)
        for query in queries
        for selector in SELECTOR.finditer(query)
        for label, value in MATCHER.findall(selector["inside"] or "")
        if label == "state"
    }

    assert ("siappakai_runs", "lost") in asked
    assert [one for one in asked if one[1] not in states[one[0]]] == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("siappakai_run", ""),
        ('siappakai_runs{status="lost"}', ""),
        ("sum by (server) (siappakai_runs)", ""),
        ("sum by (state) (siappakai_runs)", "{{server}}"),
        ("siappakai_workers == 0", "{{ $labels.state }}"),
        ("vector(1)", ""),
    ],
)
def test_a_mistake_is_found(query: str, shown: str, labels: dict[str, set[str]]):
    assert len(mistakes(query, shown, labels)) == 1


def test_the_documentation_names_exactly_what_is_served(served: list[Metric]):
    rows = re.findall(r"^\| `(siappakai_\w+)` \| ([\w, ]*) ?\|", _text("README.md"), re.MULTILINE)
    documented = {name: {*re.findall(r"\w+", labels)} for name, labels in rows}
    parts = ("_gcount", "_gsum")

    assert documented == {
        family.name: {*family.samples[0].labels} - {"le"}
        for family in served
        if not family.name.endswith(parts)
    }


def test_prometheus_is_told_the_path_and_the_rules():
    config = yaml.safe_load(_text("prometheus.yml"))

    assert config["rule_files"] == ["alerts.yml"]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "siappakai"
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{Settings().port}"]}]


def _text(name: str) -> str:
    return (FOLDER / name).read_text()
