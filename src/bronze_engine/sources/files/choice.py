"""Which of the files that are there a run lands.

A file belongs to the date whose window has its cursor, and lands once: where another date of
the epoch has landed it, by its path, it is left alone, and looked at for a change. A date that is
run again lands what it had landed, and what of its window no other date has. One that appears
late, with a cursor at or below the window's low, lands with the newest date.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from bronze_engine.contracts import Request
from bronze_engine.errors import ExtractError
from bronze_engine.model.landed_file import LandedBefore, LandedFile
from bronze_engine.sources.files.cursor import FileCursor
from bronze_engine.sources.files.entry import Entry

__all__ = ["Choice", "choose", "is_another"]

_NOTHING: Final = LandedBefore(here={}, elsewhere={}, is_newest=True)
_SHOWN: Final = 3
"""Files that a message names."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a run, in order."""

    entries: tuple[Entry, ...]
    high: str | None = None
    """The highest cursor among them; None where all are below the window."""
    warnings: tuple[str, ...] = ()


async def choose(
    entries: Sequence[Entry],
    request: Request,
    cursor: FileCursor,
    *,
    now: datetime,
    on_changed: Literal["warn", "read", "fail"],
    sha256: Callable[[Entry], Awaitable[str]],
) -> Choice:
    """Choose among all files that match. `sha256` hashes one whose size alone tells nothing.

    Raises ExtractError for a cursor that can't be read, and where `on_changed` says "fail".
    """
    before = request.landed or _NOTHING
    taken: list[Entry] = []
    values: list[str] = []
    changed: list[str] = []
    nameless: list[str] = []
    for entry in entries:
        own = before.here.get(entry.path)
        value = cursor.of(entry)
        if value is None and own is None:
            nameless.append(entry.path)
            continue
        if own is not None:
            if await is_another(entry, own, sha256):
                changed.append(entry.path)
        else:
            assert value is not None  # noqa: S101  # it was left out above
            other = before.elsewhere.get(entry.path)
            is_another_now = other is not None and await is_another(entry, other, sha256)
            if is_another_now:
                changed.append(entry.path)
            if other is not None and not (
                request.override is not None or (is_another_now and on_changed == "read")
            ):
                continue
            floors = (before.floor, None if other is not None else before.removed_below)
            if not _lands_here(entry, value, request, floors, before.is_newest, cursor, now):
                continue
        taken.append(entry)
        if value is not None and not cursor.is_below(value):  # a late one moves nothing back
            values.append(value)
    warnings = [_told_of_changed(changed, taken, on_changed)] if changed else []
    if nameless:
        warnings.append(f"{_named(nameless)} {_was(nameless)} left out: no cursor in the name")
    here = {entry.path for entry in entries}
    gone = [path for path in before.here if path not in here]
    if gone:
        warnings.append(f"{_named(gone)}, which this date had landed, {_was(gone)} there no more")
    return Choice(entries=tuple(taken), high=cursor.highest(values), warnings=tuple(warnings))


def _told_of_changed(
    changed: Sequence[str], taken: Sequence[Entry], on_changed: Literal["warn", "read", "fail"]
) -> str:
    """Raises ExtractError where a change fails the run."""
    told = f"{_named(changed)} landed before, and changed since"
    if on_changed == "fail":
        raise ExtractError(
            f'{told}; put back what landed, or set source.on_changed = "read" or "warn"'
        )
    read = {entry.path for entry in taken}
    left = [path for path in changed if path not in read]
    if not left:
        return f"{told}: read again"
    return (
        f"{told}: {_named(left)} {_was(left)} not read again;"
        ' source.on_changed = "read" lands them once more'
    )


def _lands_here(
    entry: Entry,
    value: str,
    request: Request,
    floors: Sequence[str | None],
    is_newest: bool,
    cursor: FileCursor,
    now: datetime,
) -> bool:
    if cursor.is_above(value) or cursor.is_too_new(entry, now):
        return False
    if not cursor.is_below(value):
        return True
    incremental = request.incremental
    if incremental is None or incremental.window != "chain" or not is_newest:
        return False
    # It appears late. What a person, or the configuration, has left out stays out, and so does
    # what nobody remembers any more.
    initial = incremental.initial
    is_left_out = initial is not None and not cursor.is_at_or_below(initial, value)
    is_left_out |= any(cursor.is_at_or_below(value, floor) for floor in floors if floor is not None)
    return request.override is None and not is_left_out


async def is_another(
    entry: Entry, before: LandedFile, sha256: Callable[[Entry], Awaitable[str]]
) -> bool:
    """Whether a file is not the one that has landed."""
    size = entry.size_bytes if entry.found.size_bytes is not None else None
    if size is not None and size != before.size_bytes:
        return True
    if entry.version is not None and before.version is not None:
        if entry.version == before.version:
            return False
    elif entry.found.modified is not None and entry.found.modified == before.modified:
        return False
    # Touched, copied, or written anew with as many bytes: only these tell.
    return await sha256(entry) != before.sha256


def _named(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _was(paths: Sequence[str]) -> str:
    return "was" if len(paths) == 1 else "were"
