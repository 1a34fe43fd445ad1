"""The page is what its figures say, and what stands outside its marks is left alone."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from benchmarks.__main__ import main, parse
from benchmarks.catalog import RIVALLED, SCENARIOS
from benchmarks.harness.page import render, write
from benchmarks.harness.summary import draw_summary

from tests.benching import case, figures, outcome
from tests.documents import ROOT, Document

pytestmark = pytest.mark.unit

MARKS = "".join(
    f"<!-- begin {name} -->\nold\n<!-- end {name} -->\n" for name in ("http", "summary", "losses")
)
MEASURED = {"http": figures(case({"ours": outcome((1.0, 1.0), kind="ours")}))}
PAGE = ROOT / "docs/benchmarks.md"


def test_what_is_between_marks_is_written_anew() -> None:
    page = render(f"# Title\n{MARKS}The end.\n", SCENARIOS, MEASURED)
    assert page.startswith("# Title\n<!-- begin http -->\n\n`python -m benchmarks http --tiny")
    assert "old" not in page
    assert page.endswith("<!-- end losses -->\nThe end.\n")
    assert render(page, SCENARIOS, MEASURED) == page
    assert "Not measured yet." in render(page, SCENARIOS, {})


def test_a_page_without_marks_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Title\n")
    with pytest.raises(SystemExit, match="no <!-- begin http -->"):
        write(tmp_path / "page.md", SCENARIOS, MEASURED)
    assert (tmp_path / "page.md").read_text() == "# Title\n"


def test_the_page_alone_is_written_from_the_figures(tmp_path: Path) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text(MARKS)
    kept.write_text(json.dumps(MEASURED))
    main(["--json", str(kept), "--page", str(page)])
    assert "#### Ten rows" in page.read_text()
    assert (tmp_path / "page.svg").read_text() == draw_summary(MEASURED)


def test_the_committed_page_and_chart_are_what_the_committed_figures_say() -> None:
    measured = json.loads((ROOT / "docs/benchmarks.json").read_text())
    assert set(measured) >= {module.SCENARIO.name for module in RIVALLED}
    assert render(PAGE.read_text(), SCENARIOS, measured) == PAGE.read_text()
    assert (ROOT / "docs/benchmarks.svg").read_text() == draw_summary(measured)


def test_every_command_of_the_makefile_and_the_page_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text()
    settings = dict(re.findall(r"^(BENCH_\w+) = (.+)$", makefile, re.MULTILINE))
    for line in re.findall(r"-m benchmarks (.+)$", makefile, re.MULTILINE):
        told = re.sub(r"\$\((\w+)\)", lambda found: settings[found[1]], line)
        asked = parse(shlex.split(told))
        assert asked.scenarios
        assert asked.page == Path("docs/benchmarks.md")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    shown = re.findall(r"^make (\S+)", Document("docs/benchmarks.md").text, re.MULTILINE)
    assert set(shown) == {"bench", "bench-full"} <= targets
    for found in json.loads((ROOT / "docs/benchmarks.json").read_text()).values():
        assert parse(shlex.split(found["command"])[3:]).scenarios


def test_every_scenario_has_a_place_on_the_page() -> None:
    marks = re.findall(r"<!-- begin (\w+) -->", PAGE.read_text())
    assert sorted(marks) == sorted([*SCENARIOS, "summary", "losses"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a scenario: http, postgres"),
        (["nothing"], "nothing is none of http, postgres"),
        (["files", "--only", "psql"], "--only: psql is none of files's: dlt, duckdb"),
        (["guard", "--only", "ours"], "none of guard's: no candidates"),
        (["http", "--rounds", "0"], "--rounds must be at least 1"),
        (["http", "--tiny", "--full"], "not allowed with argument"),
    ],
)
def test_what_can_not_be_measured_is_said_at_once(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err
