"""From what was measured to the keys to change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.tune.report import Curve, Proposal
from bronze_engine.tune.settings import Settings, changed_keys

__all__ = ["proposals_of", "toml_of"]

_SAME: Final = 0.05
"""Measurements differ by as much."""


def proposals_of(
    pipeline: Pipeline, before: Settings, after: Settings, curves: Sequence[Curve]
) -> tuple[Proposal, ...]:
    """The keys that differ, each with what it was measured to bring."""
    by_name: dict[str, Curve] = {curve.name: curve for curve in curves}
    return tuple(
        Proposal(key=key, value=value, why=_why(by_name.get(setting)))
        for setting, key, value in changed_keys(pipeline, before, after)
    )


def _why(curve: Curve | None) -> str:
    if curve is None:
        return "measured"
    chosen = next(point for point in curve.points if point.label == curve.chosen)
    own = next((point for point in curve.points if point.label == curve.configured), None)
    if curve.name == "rps":
        return "the server refuses (429) what comes faster"
    if own is None or not own.rows_per_second:
        rate = f"{chosen.rows_per_second:,.0f} rows/s"
        return f'{rate}, and more bring nothing; "auto" looks for it in each run'
    change = chosen.rows_per_second / own.rows_per_second - 1
    if abs(change) < _SAME:
        return f"as fast as {curve.configured} ({change:+.0%}), with less"
    return (
        f"{change:+.0%} rows/s against {curve.configured}:"
        f" {own.rows_per_second:,.0f} -> {chosen.rows_per_second:,.0f}"
    )


def toml_of(proposals: Sequence[Proposal]) -> str:
    """A document with a table for each, and what it brought behind each key."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for each in proposals:
        line = f"{each.key[-1]} = {json.dumps(each.value, ensure_ascii=False)}"
        tables.setdefault(each.key[:-1], []).append(f"{line}  # {each.why}")
    blocks = ["\n".join([f"[{'.'.join(path)}]", *lines]) for path, lines in tables.items()]
    return "\n\n".join(blocks) + "\n" if blocks else ""
