"""What gc found, and what it did about it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Fenced", "Garbage", "GcFault", "GcReport", "Kind", "Skipped"]

Kind = Literal[
    "data",
    "quarantine",
    "pages",
    "deleted",
    "staged",
    "rejected",
    "trial",
    "lease",
    "checkpoint",
]


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """One object or staged file that nothing needs any more."""

    kind: Kind
    """`data`, `quarantine`, `pages` and `deleted` files that no manifest names; `staged` ones that
    were never completed; `rejected` records of a killed run; what a `trial` of the store left; a
    `lease` that ran out; a `checkpoint` that no run can be resumed from."""
    store: str
    key: str
    size_bytes: int | None
    """None for what stores list without a size."""
    why: str
    removed: bool = False


class Fenced(msgspec.Struct, frozen=True, kw_only=True):
    """A partition whose manifest was written anew, so that no dead run's commit can succeed."""

    partition: str
    generation: int
    run: str


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A place that was left as it is, and why."""

    place: str
    reason: str


class GcFault(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be looked at or removed."""

    place: str
    fault: str
    exit_code: int


class GcReport(msgspec.Struct, frozen=True, kw_only=True):
    """All pipelines that were asked for."""

    format_version: int = 1
    deleted: bool
    """Whether it was asked to remove, or only to look."""
    partitions: int = 0
    """How many were looked at."""
    garbage: tuple[Garbage, ...] = ()
    fenced: tuple[Fenced, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    unknown: tuple[str, ...] = ()
    """Objects within the partitions' folders whose names are not ours; never touched."""
    faults: tuple[GcFault, ...] = ()
