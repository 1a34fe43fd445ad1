"""The summary and its chart: ours to the best of each kind."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from benchmarks.harness.summary import bests, draw_summary, tell_summary

from tests.benching import case, figures, outcome

pytestmark = pytest.mark.unit

SVG = "{http://www.w3.org/2000/svg}"


def measured() -> dict[str, Any]:
    outcomes = {
        "ours": outcome((1.0, 1.0), (1.0, 1.0), kind="ours"),
        "dlt": outcome((4.0, 9.0), (8.0, 9.0), kind="framework", label="dlt {package}, rest"),
        "slow": outcome((40.0, 9.0), kind="framework", label="slow"),
        "duckdb": outcome((0.5, 1.0), (0.5, 1.0), label="DuckDB"),
        "script": outcome(kind="script", skipped="absent"),
        "limit": outcome((0.1, 0.1), kind="limit"),
    }
    shown = case(outcomes, headline="API & disk")
    return {"http": figures(shown, case(outcomes)), "guard": {"versions": {}}}


def test_the_fastest_of_each_kind_stands_for_it() -> None:
    found = [(best.headline, best.kind, best.rival) for best in bests(measured())]
    assert found == [
        ("API & disk", "framework", "dlt 1.5"),
        ("API & disk", "library", "DuckDB"),
    ]
    told = tell_summary(measured())
    assert "| API & disk | best framework | dlt 1.5 | 6.00 (4.00 to 8.00) |" in told
    assert tell_summary({}) == "Nothing with a rival was measured."


def test_bars_go_from_one_to_each_ratio_on_a_logarithmic_scale() -> None:
    root = ET.fromstring(draw_summary(measured()))  # noqa: S314  # what we have just drawn
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"API & disk", "6.0x dlt 1.5", "0.50x DuckDB", "best framework"} <= set(texts)
    assert "Median of the rounds; the thin line, lowest to highest. a box" in texts
    [one] = (line for line in root.iter(f"{SVG}line") if line.get("class") == "one")
    bars = {
        each.get("class"): (float(each.get("x", "")), float(each.get("width", "")))
        for each in root.iter(f"{SVG}rect")
        if float(each.get("height", "")) == 15
    }
    middle = float(one.get("x1", ""))
    (left, wide), (right, wider) = bars["library"], bars["framework"]
    assert left + wide == pytest.approx(middle, abs=0.2)
    assert right == pytest.approx(middle, abs=0.2)
    assert wider / wide == pytest.approx(2.585, abs=0.01)  # log2(6) to log2(2)


def test_the_chart_brings_its_own_ground_for_light_and_dark() -> None:
    drawn = draw_summary(measured())
    assert "prefers-color-scheme: dark" in drawn
    assert 'class="ground"' in drawn
    assert draw_summary({}).startswith("<svg")
