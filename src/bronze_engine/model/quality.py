"""What a rule has found: part of the manifest and of the run report."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Level", "RuleResult", "Verdict"]

Level = Literal["warn", "error"]

Verdict = Literal["passed", "warned", "rejected", "failed"]
"""Nothing broke the rule; something did, and landed; records did, and lie in the quarantine; or
the partition did, and nothing was committed."""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over all rows of a run."""

    name: str
    rule: str
    """Its kind: "not_null", "range", ..."""
    level: Level
    verdict: Verdict
    checked: int
    """Rows that it looked at; of a rule about the partition the rows that it counted."""
    failed: int = 0
    """Rows that broke it; of a rule about the partition 1 where that did."""
    detail: str = ""
    """In words, of a rule about the partition: what was found, and what was wanted."""
    examples: tuple[str, ...] = ()
    """The first values that broke it, cut to 80 characters."""
