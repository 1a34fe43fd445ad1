"""A page of CSV that its delimiter does not divide."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from bronze_engine.sources.delimiters import delimiter_in
from bronze_engine.sources.http.body.split import Split

__all__ = ["other_delimiter"]


def other_delimiter(split: Split, joined: Collection[str]) -> str | None:
    """What seems to divide the names of a page of CSV with one column; None of any other page.

    `joined` are columns that are none of the body's.
    """
    if not split.lines or not split.lines[0].records:
        return None
    first = split.lines[0].data.partition(b"\n")[0]
    names = [name for name in msgspec.json.decode(first) if name not in joined]
    return delimiter_in(names[0]) if len(names) == 1 else None
