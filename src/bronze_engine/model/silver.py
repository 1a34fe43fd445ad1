"""What a Silver manifest says beyond Bronze's: what the table is, and what went into it."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

from bronze_engine.model.part import DataFile

__all__ = ["DELETED_FOLDER", "BronzeInput", "SilverTable", "table_path"]

DELETED_FOLDER = "_deleted"
"""Below a Silver table: the keys that are gone, for merges to come. No reader opens it."""


class BronzeInput(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of one Bronze partition that the table counts."""

    run_date: date
    generation: int
    epoch: int
    run: str
    rows: int
    manifest_sha256: str
    """Of `_metadata.json`, as it was read."""
    rejected: int = 0
    """Records of it that Silver's rules, casts or lateness kept out."""
    late: int = 0
    """Of them those that came too late."""
    standing: int | None = None
    """Records of it that a rule of `row_count_change` has counted: neither deletes nor kept out.
    None where there was no such rule."""
    quarantine: str = ""
    """The file of the table's quarantine that holds them; "" where there is none."""


class SilverTable(msgspec.Struct, frozen=True, kw_only=True):
    """The lineage and the shape of one generation of a Silver table."""

    kind: Literal["state", "event"]
    history: Literal["current", "full"]
    deletes: Literal["ignore", "tombstone", "hard"]
    unique_columns: tuple[str, ...]
    order_by: tuple[str, ...]
    inputs: tuple[BronzeInput, ...]
    """By run date: all that the table holds, not only what the last run added."""
    mode: Literal["append", "recompute", "rebuild"] = "rebuild"
    """How the last run made it: newer records came in; some keys were made anew from Bronze; all
    were."""
    deleted: tuple[DataFile, ...] = ()
    """Files below `_deleted/`: keys that are gone, and when."""
    kept_files: int = 0
    """Data files of the generation before that stand as they were."""
    current_rows: int = 0
    """Of a full history: one a living key."""


def table_path(pattern: str, system: str, entity: str) -> str:
    """The folder of a Silver table, relative to the target: `silver.path`, filled in."""
    # In one go: a system's name may itself be "{entity}".
    parts = {"{system}": system, "{entity}": entity}
    return re.sub(r"\{(?:system|entity)\}", lambda found: parts[found[0]], pattern)
