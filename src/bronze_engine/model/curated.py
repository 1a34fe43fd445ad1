"""What a run of Silver did, and what one would do."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from bronze_engine.model.changes import ChangeCounts

__all__ = ["Curated", "SilverInput", "SilverMode", "SilverPlan"]

SilverMode = Literal["append", "recompute", "rebuild"]


class SilverInput(msgspec.Struct, frozen=True, kw_only=True):
    """A run date that goes into a table, or is left to a later run."""

    run_date: date
    change: Literal["new", "re-landed", "again", "gone"]
    """`again`: the table has this generation already, and it is read once more. `gone`: the table
    has it and Bronze has it no more; its rows stay but for a rebuild."""
    generation: int | None = None
    """Of Bronze, now; None where it is gone."""
    before: int | None = None
    """The generation that the table holds."""
    rows: int = 0
    files: int = 0
    bytes: int = 0
    """Of what is read of it."""


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run of Silver: what went in, and what became of the table's rows."""

    mode: SilverMode | None
    """None: nothing was new, and nothing was committed."""
    inputs: tuple[SilverInput, ...] = ()
    """What this run took in."""
    pending: tuple[SilverInput, ...] = ()
    """What it left to a later one: dates that it was not asked for."""
    records: int = 0
    """Read of Bronze, those that were kept out included."""
    changes: ChangeCounts | None = None
    """Keys that came, that were written anew, and that are gone; None where all rows were made
    anew, and nobody has compared them. Of events without keys: rows that came or were taken back.
    """
    kept_files: int = 0
    """Data files of the generation before that stand as they were."""
    current_rows: int | None = None
    """Of a full history: one a living key."""


class SilverPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of Silver would do, found out from manifests alone: no data read, no write."""

    layer: Literal["silver"] = "silver"
    pipeline: str
    table: str
    """Path or URL of the table, without secrets."""
    kind: Literal["state", "event"]
    history: Literal["current", "full"]
    deletes: Literal["ignore", "tombstone", "hard"]
    mode: Literal["nothing", "merge", "recompute", "rebuild"]
    """`merge`: the records decide whether rows are added or keys made anew."""
    inputs: tuple[SilverInput, ...] = ()
    pending: tuple[SilverInput, ...] = ()
    """What would be left to a later run."""
    files: int = 0
    bytes: int = 0
    """Of Bronze to be read, and of the table itself, at most."""
    generation: int
    """The generation that the run would commit; the present one where there is nothing to do."""
    committed: str | None = None
    """The run that the table holds now, if any."""
    notes: tuple[str, ...] = ()
