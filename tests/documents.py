"""README.md and what lies in docs/, as their tests read them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Final, final

from bronze_engine import errors

__all__ = [
    "GUIDE",
    "HTTP",
    "POSTGRES",
    "READING",
    "README",
    "ROOT",
    "STORES",
    "Document",
    "exit_statuses",
    "statuses_shown",
]

ROOT: Final = Path(__file__).parents[1]

_FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@final
class Document:
    """One Markdown file."""

    def __init__(self, name: str) -> None:
        self.path: Final = ROOT / name
        self.text: Final = self.path.read_text(encoding="utf-8")
        self.prose: Final = _FENCED.sub("", self.text)

    def section(self, title: str) -> str:
        """What stands below a heading, until the next of the same level or a higher one."""
        level, rest = re.split(rf"^(##+) {re.escape(title)}\n", self.text, flags=re.MULTILINE)[1:]
        above = rf"^#{{2,{len(level)}}} "
        return re.split(above, rest, maxsplit=1, flags=re.MULTILINE)[0]

    def blocks(self, language: str, section: str | None = None) -> list[str]:
        """The fenced blocks of a language, in order, without their indentation."""
        text = self.text if section is None else self.section(section)
        return [
            textwrap.dedent(body) for _, found, body in _FENCED.findall(text) if found == language
        ]

    def commands(self, program: str) -> set[str]:
        """What the prose shows as code that begins with `program`, on one line each."""
        code = re.findall(r"`([^`]+)`", self.prose)
        lines = {" ".join(each.split()) for each in code}
        return {line for line in lines if line == program or line.startswith(f"{program} ")}

    def links(self) -> set[str]:
        """The targets of links within the repository."""
        return {
            target for target in re.findall(r"\]\(([^)]+)\)", self.prose) if "://" not in target
        }

    def anchors(self) -> set[str]:
        """What a link into this file may end in, as GitHub makes it of the headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def statuses_shown(table: str) -> set[tuple[str, str]]:
    """(exit status, code) of each row of a table that has a code."""
    return set(re.findall(r"^\| (\d+) \| `(\w+)` \|", table, re.MULTILINE))


def exit_statuses() -> set[tuple[str, str]]:
    """(exit status, code) of every error that leaves the package."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    return {
        (str(kind.exit_code), kind.code)
        for kind in kinds
        if issubclass(kind, errors.BronzeError) and kind is not errors.BronzeError
    }


README: Final = Document("README.md")
GUIDE: Final = Document("docs/operations.md")
HTTP: Final = Document("docs/http.md")
STORES: Final = Document("docs/stores.md")
READING: Final = Document("docs/reading.md")
POSTGRES: Final = Document("docs/postgres.md")
