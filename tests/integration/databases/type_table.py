"""The guide's table of types, made from the cases that prove it.

python -m tests.integration.databases.type_table      writes it into docs/postgres-types.md
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Final

from tests.integration.databases.type_cases import CASES, TypeCase

__all__ = ["GUIDE", "read_guide", "with_table"]

GUIDE: Final = Path(__file__).parents[3] / "docs/postgres-types.md"
BEGIN: Final = "<!-- begin: python -m tests.integration.databases.type_table -->"
END: Final = "<!-- end -->"
LONGEST: Final = 34
MOST_VALUES: Final = 9

_HOW: Final = {"binary": "binary", "text": "as text"}
_SHORT: Final = {"list<item: ": "list<", "decimal128": "decimal", "decimal256": "decimal256"}


def read_guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def with_table(guide: str) -> str:
    """The guide with the table as the cases have it."""
    before, rest = guide.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{_table()}\n{END}{after}"


def _table() -> str:
    lines: list[str] = []
    for group, cases in groupby(CASES, key=lambda case: case.group):
        lines += [
            "",
            f"### {group}",
            "",
            "| PostgreSQL | lands as | read | exact, among others | special |",
            "|---|---|---|---|---|",
        ]
        lines += map(_line, cases)
    return "\n".join([*lines, ""])


def _line(case: TypeCase) -> str:
    kind = case.arrow
    for long, short in _SHORT.items():
        kind = kind.replace(long, short)
    name = _code(case.declared)
    if case.since:
        name += f" (from {case.since})"
    if case.note:
        name += f": {case.note}"
    cells = [name, _code(kind), _HOW[case.how], _values(case.values), _values(case.special)]
    return "| " + " | ".join(cells) + " |"


def _values(values: tuple[str, ...]) -> str:
    return ", ".join(map(_shown, values[:MOST_VALUES])) or "none"


def _shown(value: str) -> str:
    if value == "":
        return "the empty one"
    if len(value) > LONGEST:
        return f"{_code(value[:12] + '…' + value[-8:])} ({len(value)} characters)"
    return _code(value)


def _code(text: str) -> str:
    """As code in a cell: control characters escaped, bars kept from ending the cell."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "`" + plain.replace("|", "\\|") + "`"


if __name__ == "__main__":
    GUIDE.write_text(with_table(read_guide()), encoding="utf-8")
