"""The end of a chain that was asked for so many records, and no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec

from bronze_engine.sources.http.body.split import Lines, Split
from bronze_engine.sources.http.fetch import Page

__all__ = ["first_records", "limited"]


def limited(
    hand_on: Callable[[Page], Awaitable[None]], records: int
) -> Callable[[Page], Awaitable[None]]:
    """`hand_on` for the first `records` of all pages: what comes after them is left."""
    left = records

    async def take(page: Page) -> None:
        nonlocal left
        if page.split.records > left:
            captured = page.captured
            if captured is not None:
                captured = msgspec.structs.replace(captured, taken=left)
            page = msgspec.structs.replace(
                page, split=first_records(page.split, left), captured=captured
            )
        left -= page.split.records
        await hand_on(page)

    return take


def first_records(split: Split, records: int) -> Split:
    """The split without what comes after so many records."""
    lines = tuple(_cut(split.lines, records))
    return msgspec.structs.replace(split, lines=lines, records=records)


def _cut(lines: tuple[Lines, ...], records: int) -> Iterator[Lines]:
    for each in lines:
        if records <= 0:
            return
        if each.records + len(each.bad) > records:
            count = min(each.records, records)
            kept = each.data.split(b"\n", count)[:count]
            each = msgspec.structs.replace(  # noqa: PLW2901
                each,
                data=b"".join(line + b"\n" for line in kept),
                records=count,
                bad=each.bad[: records - count],
                originals=None if each.originals is None else each.originals[:count],
            )
        records -= each.records + len(each.bad)
        yield each
