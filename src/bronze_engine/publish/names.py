"""Names of the files of a partition or a table, written and read back strictly.

Whoever removes files reads their names with `parse`; what it does not recognise to the
last character is not ours and is never touched.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from bronze_engine.model.silver import DELETED_FOLDER

__all__ = [
    "FileName",
    "Kind",
    "data_name",
    "deleted_name",
    "pages_name",
    "parse",
    "quarantine_name",
]

_RUN: Final = r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}"
_RUN_ID: Final = re.compile(_RUN, re.ASCII)
_START: Final = rf"g(?P<generation>\d{{8,}})-(?P<run>{_RUN})-(?P<slice>\d{{5,}})"
_NUMBER: Final = r"-(?P<number>\d{5,})"

Kind = Literal["data", "quarantine", "pages", "deleted"]

_PATTERNS: Final[dict[Kind, re.Pattern[str]]] = {
    "data": re.compile(rf"(?:[^/=]+=[^/]*/)*part-{_START}{_NUMBER}\.parquet", re.ASCII),
    "quarantine": re.compile(rf"_quarantine/{_START}\.jsonl\.zst", re.ASCII),
    "pages": re.compile(rf"_pages/{_START}{_NUMBER}\.jsonl\.zst", re.ASCII),
    "deleted": re.compile(rf"{DELETED_FOLDER}/part-{_START}{_NUMBER}\.parquet", re.ASCII),
}


class FileName(msgspec.Struct, frozen=True, kw_only=True):
    """What a name says. `number` is None for a quarantine file."""

    kind: Kind
    generation: int
    run: str
    slice: int
    number: int | None = None


def data_name(*, generation: int, run: str, slice: int, number: int) -> str:  # noqa: A002
    """`part-g{generation:08}-{run}-{slice:05}-{number:05}.parquet`.

    Raises ValueError where the run is not letters, digits, `_` and `-` (64 at most) or a
    number is negative: such a name could not be read back.
    """
    return _written(
        FileName(kind="data", generation=generation, run=run, slice=slice, number=number)
    )


def quarantine_name(*, generation: int, run: str, slice: int) -> str:  # noqa: A002
    """`_quarantine/g{generation:08}-{run}-{slice:05}.jsonl.zst`; errors as for `data_name`."""
    return _written(FileName(kind="quarantine", generation=generation, run=run, slice=slice))


def pages_name(*, generation: int, run: str, slice: int, number: int) -> str:  # noqa: A002
    """`_pages/g{generation:08}-{run}-{slice:05}-{number:05}.jsonl.zst`; errors as above."""
    return _written(
        FileName(kind="pages", generation=generation, run=run, slice=slice, number=number)
    )


def deleted_name(*, generation: int, run: str, slice: int, number: int) -> str:  # noqa: A002
    """`_deleted/part-g{generation:08}-{run}-{slice:05}-{number:05}.parquet`; errors as above."""
    return _written(
        FileName(kind="deleted", generation=generation, run=run, slice=slice, number=number)
    )


def parse(name: str) -> FileName | None:
    """Read a path relative to its partition; None where it is no name of ours.

    Data files may lie in folders of partition values (`country=DE/part-….parquet`).
    """
    for kind, pattern in _PATTERNS.items():
        match = pattern.fullmatch(name)
        if match is None:
            continue
        fields = match.groupdict()
        number = fields.get("number")
        found = FileName(
            kind=kind,
            generation=int(fields["generation"]),
            run=fields["run"],
            slice=int(fields["slice"]),
            number=None if number is None else int(number),
        )
        return found if name.endswith(_text(found)) else None
    return None


def _text(name: FileName) -> str:
    start = f"g{name.generation:08}-{name.run}-{name.slice:05}"
    match name.kind:
        case "data":
            return f"part-{start}-{name.number:05}.parquet"
        case "quarantine":
            return f"_quarantine/{start}.jsonl.zst"
        case "pages":
            return f"_pages/{start}-{name.number:05}.jsonl.zst"
        case "deleted":
            return f"{DELETED_FOLDER}/part-{start}-{name.number:05}.parquet"


def _written(name: FileName) -> str:
    text = _text(name)
    if _RUN_ID.fullmatch(name.run) is None or parse(text) != name:
        raise ValueError(f"{text!r} can't be read back as a file name: {name}")
    return text
