"""Patterns of paths, as shells write them.

    *        any characters of one part of the path; `?` is one, `[ab]` and `[!ab]` one of a set
    **       as a whole part: any number of parts, none included
    [*]      a wildcard that means itself

A wildcard does not match the dot that a hidden name begins with, as in a shell.
"""

from __future__ import annotations

import re
from typing import Final, final

__all__ = ["Glob", "one_part"]

_NOT_HIDDEN: Final = r"(?!\.)"


@final
class Glob:
    """One pattern, of paths with `/` between their parts."""

    def __init__(self, pattern: str) -> None:
        self.pattern: Final = pattern
        self.parts: Final = tuple(pattern.split("/"))
        whole = "".join(map(_part, self.parts[:-1])) + _last(self.parts[-1])
        self._regex = re.compile(whole, re.DOTALL)

    @property
    def literal(self) -> str:
        """What every match begins with, up to the first wildcard."""
        return re.split(r"[*?\[]", self.pattern, maxsplit=1)[0]

    def matches(self, path: str) -> bool:
        return self._regex.fullmatch(path) is not None


def _part(part: str) -> str:
    """A part that another follows."""
    if part == "**":
        return rf"(?:{_NOT_HIDDEN}[^/]+/)*"
    return f"{one_part(part)}/"


def _last(part: str) -> str:
    if part == "**":
        return rf"(?:{_NOT_HIDDEN}[^/]+/)*{_NOT_HIDDEN}[^/]+"
    return one_part(part)


def one_part(part: str) -> str:
    """The regular expression of one part of a path."""
    found = _NOT_HIDDEN if part[:1] in ("*", "?", "[") else ""
    at = 0
    while at < len(part):
        character = part[at]
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[" and (end := part.find("]", at + 2)) > 0:
            inside = part[at + 1 : end]
            negated = inside[0] in "!^"
            members = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:])
            found += f"(?!/)[{'^' if negated else ''}{members}]"
            at = end
        else:
            found += re.escape(character)
        at += 1
    return found
