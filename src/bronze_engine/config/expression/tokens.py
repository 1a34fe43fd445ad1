"""The words of a condition, each with its place."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

__all__ = ["ExpressionFault", "Token", "tokens"]

Kind = Literal["number", "text", "name", "word", "sign", "end"]

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | '(?P<text>(?:[^']|'')*)'
      | "(?P<name>(?:[^"]|"")+)"
      | (?P<word>[^\W\d]\w*)
      | (?P<sign><>|!=|<=|>=|==|[=<>+\-*/(),])
    )""",
    re.VERBOSE,
)
_SHOWN: Final = 20


class ExpressionFault(ValueError):
    """A text that is no condition, and where it stops being one."""


class Token(NamedTuple):
    """One word. `text` is what it means: quotes are taken off, doubled ones are one."""

    kind: Kind
    text: str
    place: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        quote = {"text": "'", "name": '"'}.get(self.kind, "")
        return f"{quote}{self.text}{quote}"

    def fault(self, reason: str) -> ExpressionFault:
        """What is wrong at this word."""
        return ExpressionFault(f"{reason} (at character {self.place + 1}: {self})")


def tokens(text: str) -> list[Token]:
    """All words, and the end. Raises ExpressionFault for a character that begins none."""
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            if start == len(text):
                break
            rest = text[start : start + _SHOWN]
            if rest[0] in "'\"":
                raise ExpressionFault(f"a quote without its end (at character {start + 1}: {rest})")
            raise ExpressionFault(f"no such sign (at character {start + 1}: {rest})")
        kind: Kind = match.lastgroup  # type: ignore[assignment]  # the groups are the kinds
        word = match[kind]
        if kind in ("text", "name"):
            quote = "'" if kind == "text" else '"'
            word = word.replace(quote * 2, quote)
        start = match.start(kind) - (kind in ("text", "name"))
        found.append(Token(kind, word, start))
        place = match.end()
    found.append(Token("end", "", len(text)))
    return found
