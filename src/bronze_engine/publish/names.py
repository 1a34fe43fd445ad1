"""Names of data files and quarantine files, written and read back strictly.

Whoever removes files reads their names with `parse`; what it does not recognise to the
last character is not ours and is never touched.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

__all__ = ["FileName", "data_name", "parse", "quarantine_name"]

_RUN: Final = r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}"
_DATA: Final = re.compile(
    rf"(?:[^/=]+=[^/]*/)*part-g(?P<generation>\d{{8,}})-(?P<run>{_RUN})"
    r"-(?P<slice>\d{5,})-(?P<number>\d{5,})\.parquet",
    re.ASCII,
)
_QUARANTINE: Final = re.compile(
    rf"_quarantine/g(?P<generation>\d{{8,}})-(?P<run>{_RUN})-(?P<slice>\d{{5,}})\.jsonl\.zst",
    re.ASCII,
)
_RUN_ID: Final = re.compile(_RUN, re.ASCII)


class FileName(msgspec.Struct, frozen=True, kw_only=True):
    """What a name says. `number` is None for a quarantine file."""

    generation: int
    run: str
    slice: int
    number: int | None


def data_name(*, generation: int, run: str, slice: int, number: int) -> str:  # noqa: A002
    """`part-g{generation:08}-{run}-{slice:05}-{number:05}.parquet`.

    Raises ValueError where the run is not letters, digits, `_` and `-` (64 at most) or a
    number is negative: such a name could not be read back.
    """
    return _checked(
        f"part-g{generation:08}-{run}-{slice:05}-{number:05}.parquet",
        FileName(generation=generation, run=run, slice=slice, number=number),
    )


def quarantine_name(*, generation: int, run: str, slice: int) -> str:  # noqa: A002
    """`_quarantine/g{generation:08}-{run}-{slice:05}.jsonl.zst`; errors as for `data_name`."""
    return _checked(
        f"_quarantine/g{generation:08}-{run}-{slice:05}.jsonl.zst",
        FileName(generation=generation, run=run, slice=slice, number=None),
    )


def parse(name: str) -> FileName | None:
    """Read a path relative to its partition; None where it is no name of ours.

    Data files may lie in folders of partition values (`country=DE/part-….parquet`).
    """
    match = _DATA.fullmatch(name) or _QUARANTINE.fullmatch(name)
    if match is None:
        return None
    fields = match.groupdict()
    number = fields.get("number")
    found = FileName(
        generation=int(fields["generation"]),
        run=fields["run"],
        slice=int(fields["slice"]),
        number=None if number is None else int(number),
    )
    return found if name.endswith(_written(found)) else None


def _written(name: FileName) -> str:
    start = f"g{name.generation:08}-{name.run}-{name.slice:05}"
    if name.number is None:
        return f"_quarantine/{start}.jsonl.zst"
    return f"part-{start}-{name.number:05}.parquet"


def _checked(text: str, name: FileName) -> str:
    if _RUN_ID.fullmatch(name.run) is None or parse(text) != name:
        raise ValueError(f"{text!r} can't be read back as a file name: {name}")
    return text
