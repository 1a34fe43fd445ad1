"""Figures as a Markdown page: what is told of each scenario, between its marks.

    <!-- begin http --> ... <!-- end http -->       a scenario
    <!-- begin summary --> ... <!-- end summary --> ours to the best of each kind, and the chart
    <!-- begin losses --> ... <!-- end losses -->   where ours is behind

What stands outside the marks is left alone, so the page can be written again at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.harness.figures import Figures
from benchmarks.harness.losses import tell_losses
from benchmarks.harness.scenario import Scenario
from benchmarks.harness.summary import draw_summary, tell_summary

__all__ = ["render", "tell", "write"]

_MARKED: Final = re.compile(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->", re.DOTALL)


def tell(scenario: Scenario, figures: Figures) -> str:
    """One scenario, and on what it was measured."""
    found = figures["versions"]
    place = f"`{figures['command']}`, {figures['measured']}; Python {found['Python']},"
    place += f" bronze-engine {found['bronze-engine']}; {figures['machine']}."
    return f"{place}\n\n{scenario.tell(figures)}"


def render(text: str, scenarios: Mapping[str, Scenario], figures: Mapping[str, Figures]) -> str:
    """The page with all that was measured. Raises SystemExit where it has no marks for that."""
    sections = {name: tell(scenarios[name], found) for name, found in figures.items()}
    sections["summary"] = tell_summary(figures)
    sections["losses"] = tell_losses(figures)
    marks = [found[1] for found in _MARKED.finditer(text)]
    if missing := [name for name in sections if name not in marks]:
        raise SystemExit(f"the page has no <!-- begin {missing[0]} --> … <!-- end {missing[0]} -->")

    def section(found: re.Match[str]) -> str:
        told = sections.get(found[1], "Not measured yet.")
        return f"<!-- begin {found[1]} -->\n\n{told}\n\n<!-- end {found[1]} -->"

    return _MARKED.sub(section, text)


def write(page: Path, scenarios: Mapping[str, Scenario], figures: Mapping[str, Figures]) -> None:
    """Write the page, and beside it the chart that it shows."""
    page.write_text(render(page.read_text(encoding="utf-8"), scenarios, figures), encoding="utf-8")
    page.with_suffix(".svg").write_text(draw_summary(figures), encoding="utf-8")
