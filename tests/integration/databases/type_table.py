"""The guide's table of types, made from the cases that prove it.

python -m tests.integration.databases.type_table      writes it into docs/postgres-types.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.integration.databases.type_cases import CASES, TypeCase

__all__ = ["GUIDES", "with_table"]

DOCS: Final = Path(__file__).parents[3] / "docs"
BEGIN: Final = "<!-- begin: python -m tests.integration.databases.type_table -->"
END: Final = "<!-- end -->"
LONGEST: Final = 34
MOST_VALUES: Final = 9

_HOW: Final = {"binary": "binary", "text": "as text"}
_SHORT: Final = {"list<item: ": "list<", "decimal128": "decimal", "decimal256": "decimal256"}


def with_table(guide: str, text: str) -> str:
    """The text of a guide with its table as the cases have it."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{GUIDES[DOCS / guide]()}\n{END}{after}"


def _all() -> str:
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


def _short() -> str:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for case in CASES:
        key = (_arrow(case), _HOW[case.how], ", ".join(dict.fromkeys(map(_kind, case.special))))
        alike.setdefault(key, []).append(_code(case.declared))
    lines = [
        f"| {', '.join(names)} | {_code(kind)} | {how} | yes | {special or 'none'} |"
        for (kind, how, special), names in alike.items()
    ]
    head = ["| PostgreSQL | lands as | read | exact | special values |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


def _kind(special: str) -> str:
    """What is special about a value, in the words of the guide."""
    if special[0] in "{[":
        return "another shape, a special element"
    if special.startswith("294"):
        return "past the year 294246"
    return _code(special)


def _line(case: TypeCase) -> str:
    name = _code(case.declared)
    if case.since:
        name += f" (from {case.since})"
    if case.note:
        name += f": {case.note}"
    cells = [name, _code(_arrow(case)), _HOW[case.how], _values(case.values), _values(case.special)]
    return "| " + " | ".join(cells) + " |"


def _arrow(case: TypeCase) -> str:
    kind = case.arrow
    for long, short in _SHORT.items():
        kind = kind.replace(long, short)
    return kind


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


GUIDES: Final[Mapping[Path, Callable[[], str]]] = {
    DOCS / "postgres-types.md": _all,
    DOCS / "postgres.md": _short,
}

if __name__ == "__main__":
    for path in GUIDES:
        path.write_text(with_table(path.name, path.read_text("utf-8")), "utf-8")
