"""Benchmarks as their tests run them, and figures as benchmarks give them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.measure import ROOT

__all__ = ["bench", "case", "figures", "outcome"]


def bench(folder: Path, scenario: str, *options: str, rounds: int = 1) -> tuple[str, Any]:
    """What a scenario says at its tiny size, and its figures."""
    place = folder / "figures.json"
    arguments = [scenario, "--tiny", f"--rounds={rounds}", f"--json={place}", *options]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(place.read_text())[scenario]


def outcome(*runs: tuple[float, float], kind: str = "library", **fields: Any) -> dict[str, Any]:
    """Of a candidate that did ten: seconds and CPU seconds of each round."""
    return {
        "label": "{package} of somebody",
        "kind": kind,
        "runs": [
            {
                "amount": 10,
                "seconds": seconds,
                "cpu_seconds": cpu,
                "peak_rss_bytes": 2**20,
                "lag_ms": None,
                "idle_lag_ms": None,
            }
            for seconds, cpu in runs
        ],
        "landed": None,
        "skipped": "",
        **fields,
    }


def case(outcomes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "title": "Ten rows",
        "unit": {"rate": "rows/s", "cpu": "CPU-s a million", "amount": 1.0, "cpu_amount": 1e6},
        "asked": {},
        "asked_mib": None,
        "headline": "",
        "outcomes": outcomes,
        **fields,
    }


def figures(*cases: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "A scenario",
        "command": "python -m benchmarks http --tiny --rounds 1",
        "measured": "2025-01-15",
        "machine": "a box",
        "versions": {"bronze-engine": "1", "Python": "3", "package": "1.5"},
        "cases": {str(number): each for number, each in enumerate(cases)},
    }
