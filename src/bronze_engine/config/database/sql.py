"""Conditions and queries of the configuration, read as far as their brackets.

They stand in brackets of their own, beside conditions of ours: `a) OR (b` would step out of
them, and take the window from half of what it says. What is a text, a name or a comment holds
no bracket, and where one ends is a matter of the database: E'' and $$ of PostgreSQL, backslashes
of MySQL and BigQuery, [ ] of SQL Server, q'[ ]' of Oracle. Where that is not known several
readings are tried, and what is right by one of them is taken: the database has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, cast, final

import msgspec

__all__ = ["bracket_fault", "ended", "is_inside"]

Kind = Literal["comment", "text", "name", "open", "close", "end", "unclosed"]


@final
class Piece(NamedTuple):
    """What is no plain word: from `start` up to `stop`, in characters."""

    kind: Kind
    start: int
    stop: int


@final
class Reading(msgspec.Struct, frozen=True):
    """How one database takes SQL to pieces; what it lists has the form of regular expressions."""

    texts: Sequence[str]
    names: Sequence[str]
    comments: Sequence[str] = (r"--[^\n]*",)
    is_nested: bool = False
    """Whether /* */ may hold others."""

    def pieces(self, text: str) -> Iterator[Piece]:
        """In order. The last one is `unclosed` where a text, name or comment has no end."""
        pattern, place = self._pattern(), 0
        while (match := pattern.search(text, place)) is not None:
            kind, stop = cast("Kind", match.lastgroup), match.end()
            if match[0] == "/*":
                found = self._comment_end(text, stop)
                kind, stop = ("unclosed", len(text)) if found is None else ("comment", found)
            yield Piece(kind, match.start(), stop)
            if kind == "unclosed":
                return
            place = stop

    def _pattern(self) -> re.Pattern[str]:
        groups = {
            "comment": (*self.comments, r"/\*"),
            "text": self.texts,
            "name": self.names,
            "open": (r"\(",),
            "close": (r"\)",),
            "end": (";",),
            "unclosed": ("'", '"', "`") if "`" in "".join(self.names) else ("'", '"'),
        }
        each = (f"(?P<{kind}>{'|'.join(of_kind)})" for kind, of_kind in groups.items())
        return re.compile("|".join(each), re.DOTALL)  # which re keeps

    def _comment_end(self, text: str, place: int) -> int | None:
        depth = 1
        for match in _COMMENT_ENDS.finditer(text, place):
            if match[0] == "*/":
                depth -= 1
            elif self.is_nested:
                depth += 1
            if depth == 0:
                return match.end()
        return None


_COMMENT_ENDS: Final = re.compile(r"/\*|\*/")
_TEXT: Final = "'(?:[^']|'')*'"
_NAME: Final = '"(?:[^"]|"")*"'
_TICKED: Final = "`(?:[^`]|``)*`"
_SQUARE: Final = r"\[[^\]]*\]"
_ESCAPED: Final = r"'(?:[^'\\]|''|\\.)*'"
_DOLLARS: Final = r"(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)"

_POSTGRES: Final = Reading(
    texts=(rf"(?<![\w$])[eE]{_ESCAPED}", _TEXT, _DOLLARS), names=(_NAME,), is_nested=True
)
_POSTGRES_OF_OLD: Final = Reading(texts=(_ESCAPED, _DOLLARS), names=(_NAME,), is_nested=True)
"""With standard_conforming_strings = off, which a server may be set to until version 19."""
_SQLITE: Final = Reading(texts=(_TEXT,), names=(_NAME, _TICKED, _SQUARE))
_SNOWFLAKE: Final = Reading(
    texts=(_ESCAPED, r"\$\$.*?\$\$"), names=(_NAME,), comments=(r"--[^\n]*", r"//[^\n]*")
)
_BIGQUERY: Final = Reading(
    texts=(
        *(r"'''(?:[^\\]|\\.)*?'''", r'"""(?:[^\\]|\\.)*?"""'),
        *(r"'(?:[^'\\]|\\.)*'", r'"(?:[^"\\]|\\.)*"'),
    ),
    names=(r"`(?:[^`\\]|\\.)*`",),
    comments=(r"--[^\n]*", r"#[^\n]*"),
)
_MYSQL: Final = Reading(
    texts=(_ESCAPED, r'"(?:[^"\\]|""|\\.)*"'),
    names=(_TICKED,),
    comments=(r"--(?=\s|$)[^\n]*", r"#[^\n]*"),
)
_ORACLE: Final = Reading(
    texts=(
        r"(?<!\w)[nN]?[qQ]'(?:\[.*?\]|\(.*?\)|\{.*?\}|<.*?>|(?P<mark>[^\s\[({<]).*?(?P=mark))'",
        _TEXT,
    ),
    names=(_NAME,),
)
_SQL_SERVER: Final = Reading(texts=(_TEXT,), names=(_NAME, _SQUARE), is_nested=True)

_READINGS: Final[Mapping[str, Sequence[Reading]]] = {
    "postgresql": (_POSTGRES, _POSTGRES_OF_OLD),
    "duckdb": (_POSTGRES,),
    "sqlite": (_SQLITE,),
    "snowflake": (_SNOWFLAKE,),
    "bigquery": (_BIGQUERY,),
}
_ANY: Final = (_POSTGRES, _MYSQL, _SQL_SERVER, _ORACLE, _SQLITE, _SNOWFLAKE, _BIGQUERY)


def bracket_fault(text: str, driver: str) -> str | None:
    """What lets a text step out of brackets, or keeps them from being closed; None where all is
    well. `driver` is a name of `drivers.DRIVERS`, or any other."""
    faults = [_fault(text, reading) for reading in _readings(driver)]
    return None if None in faults else faults[0]


def is_inside(
    kind: Literal["text", "comment"], pattern: re.Pattern[str], text: str, driver: str
) -> bool:
    """Whether a match is a piece of a text, or of a comment, by every reading."""
    return all(
        any(
            pattern.search(text, piece.start, piece.stop)
            for piece in reading.pieces(text)
            if piece.kind == kind
        )
        for reading in _readings(driver)
    )


def ended(query: str, driver: str) -> str:
    """The query without the semicolon at its end, and what is no SQL behind it."""
    for reading in _readings(driver):
        if _fault(query, reading) is None:
            return _ended(query, reading)
    return query.strip()


def _readings(driver: str) -> Sequence[Reading]:
    return _READINGS.get(driver, _ANY)


def _fault(text: str, reading: Reading) -> str | None:
    opened: list[int] = []
    for piece in reading.pieces(text):
        if piece.kind == "open":
            opened.append(piece.start)
        elif piece.kind == "close" and not opened:
            return f"closes a bracket that it did not open, {_place(text, piece.start)}"
        elif piece.kind == "close":
            opened.pop()
        elif piece.kind == "unclosed":
            mark = "/*" if text[piece.start] == "/" else text[piece.start]
            return f"has no end to the {mark} {_place(text, piece.start)}"
    return f"does not close the bracket {_place(text, opened[-1])}" if opened else None


def _place(text: str, at: int) -> str:
    """Where it is, for whoever wrote it."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"at character {column}" if "\n" not in text else f"in line {line}, character {column}"


def _ended(query: str, reading: Reading) -> str:
    semicolon, place = None, 0
    for piece in reading.pieces(query):
        is_code = bool(query[place : piece.start].strip()) or piece.kind not in ("comment", "end")
        if is_code:
            semicolon = None
        if piece.kind == "end" and semicolon is None:
            semicolon = piece.start
        place = piece.stop
    if semicolon is None or query[place:].strip():
        return query.strip()
    return query[:semicolon].strip()
