"""The runner's own logic: what it keeps, and what it says of where it was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__ as runner
from benchmarks.harness.scenario import Options, Scenario

from tests.benching import case, figures, outcome

pytestmark = pytest.mark.unit


def scenario(name: str, kept: Path, asked: list[Options]) -> Scenario:
    """One that takes no time, while another writes to the same file."""

    def measure(options: Options) -> dict[str, Any]:
        asked.append(options)
        meanwhile = json.loads(kept.read_text()) if kept.exists() else {}
        kept.write_text(json.dumps({**meanwhile, "guard": figures()}))
        return {"cases": {"rows": case({"ours": outcome((1.0, 1.0), kind="ours")})}}

    return Scenario(name, "A scenario", measure, lambda _: "told", frozenset({"ours"}))


def test_figures_of_other_scenarios_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, asked = tmp_path / "figures.json", list[Options]()
    scenarios = {name: scenario(name, kept, asked) for name in ("files", "http", "guard")}
    monkeypatch.setattr(runner, "SCENARIOS", scenarios)
    kept.write_text(json.dumps({"files": figures()}))
    runner.main(["http", "--full", "--rounds=2", "--only=ours", f"--json={kept}"])
    found = json.loads(kept.read_text())
    assert list(found) == ["files", "http", "guard"]
    assert found["http"]["command"] == "python -m benchmarks http --full --rounds 2 --only ours"
    assert {"machine", "measured", "versions", "title", "cases"} <= set(found["http"])
    assert asked == [Options("full", 2, ("ours",))]
    assert "## A scenario\n\n`python -m benchmarks http --full" in capsys.readouterr().out
