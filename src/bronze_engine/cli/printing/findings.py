"""What an inspection has found, as people read it: columns, first records, the TOML to paste."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bronze_engine.cli.printing import text

if TYPE_CHECKING:
    from bronze_engine.inspection.columns import Column

__all__ = ["print_findings"]

_COLUMNS: Final = 8
"""As many as a terminal shows side by side; the list of columns has all."""


def print_findings(columns: Sequence[Column], sample: Sequence[Sequence[str]], toml: str) -> None:
    """The columns with their types, some records, and the configuration that lands them."""
    print()
    text.print_table(
        ["column", "type", "nulls", "distinct", "example"],
        [
            [
                each.name,
                each.type if each.suggested is None else f"{each.type} -> {each.suggested}",
                str(each.nulls),
                "" if each.distinct is None else str(each.distinct),
                each.example,
            ]
            for each in columns
        ],
    )
    if sample:
        print()
        text.print_table(
            [each.name for each in columns[:_COLUMNS]],
            [list(row[:_COLUMNS]) for row in sample],
        )
    print()
    sys.stdout.write(toml)
