"""
The dashboard as Grafana 10 and later take it; that its queries have answers is asked of a real Prometheus beside this.

Grafana itself is in no Debian release. What is held here is what its import refuses, or shows as an empty panel.
"""

import json
import re
from pathlib import Path

import pytest

DASHBOARD = json.loads((Path(__file__).parents[2] / "config/grafana/monitord.json").read_text())
PANELS = DASHBOARD["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in CHARTS for target in panel["targets"]]

OPTIONS = {"stat": {"colorMode", "graphMode", "reduceOptions"}, "timeseries": {"legend", "tooltip"}}
"""Kinds of panel, and what each is told."""

UNITS = {"none", "s", "ops", "percentunit", "bytes", "Bps"}
"""Grafana's names of those that are used; it shows a number with a name that it does not know as its unit."""

BUILT_IN = {"__all", "__rate_interval"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

panels = pytest.mark.parametrize("panel", CHARTS, ids=[panel["title"] for panel in CHARTS])
targets = pytest.mark.parametrize(
    "target", [target for _, target in TARGETS], ids=[f"{title}-{target['refId']}" for title, target in TARGETS]
)


def variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{?(\w+)", text))


class TestDashboard:
    def test_import_makes_it_anew(self):
        """With a number of its own it would replace another; its name in addresses is ours."""
        assert "id" not in DASHBOARD
        assert "monitord" == DASHBOARD["uid"]

    def test_the_source_of_data_is_chosen_where_it_is_shown(self):
        source, *others = DASHBOARD["templating"]["list"]

        assert ("datasource", "datasource", "prometheus") == (source["type"], source["name"], source["query"])
        assert [("query", SOURCE)] * 2 == [(variable["type"], variable["datasource"]) for variable in others]

    def test_all_variables_that_are_used_are_there_and_all_that_are_there_are_used(self):
        own = {variable["name"] for variable in DASHBOARD["templating"]["list"]}

        assert own == variables(json.dumps(DASHBOARD)) - BUILT_IN

    def test_panels_do_not_overlap_and_have_ids_of_their_own(self):
        places = [
            (x, y)
            for panel in PANELS
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]

        assert len(places) == len(set(places))
        assert len(PANELS) == len({panel["id"] for panel in PANELS})
        assert max(x for x, _ in places) < 24

    def test_panels_are_in_the_order_of_their_places(self):
        """Screen readers and small screens take the order of the file."""
        places = [(panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in PANELS]

        assert sorted(places) == places


class TestPanels:
    @panels
    def test_is_of_a_kind_with_its_options(self, panel):
        assert OPTIONS[panel["type"]] == panel["options"].keys()

    @panels
    def test_has_a_title_a_meaning_and_a_unit(self, panel):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS

    @panels
    def test_its_targets_have_letters_of_their_own(self, panel):
        letters = [target["refId"] for target in panel["targets"]]

        assert letters
        assert [*"ABC"][: len(letters)] == letters


class TestTargets:
    @targets
    def test_asks_the_chosen_source(self, target):
        assert SOURCE == target["datasource"]

    @targets
    def test_all_it_counts_is_of_the_chosen_jobs_and_instances(self, target):
        metrics = re.findall(r"\b(?:up|(?:monitord|process)_\w+)\b", target["expr"])
        chosen = re.findall(r'\b(?:up|\w+_\w+)\{job=~"\$job",instance=~"\$instance"\}', target["expr"])

        assert metrics
        assert len(metrics) == len(chosen)

    @targets
    def test_its_legend_tells_its_lines_apart(self, target):
        """It has all labels that the query keeps."""
        kept = re.search(r"\bby \(([\w, ]+)\)", target["expr"])
        labels = {label.strip() for label in kept[1].split(",")} - {"le"} if kept else {"instance"}

        assert labels == set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
