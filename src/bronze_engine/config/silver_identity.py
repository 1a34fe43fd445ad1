"""The hash of what decides a table's rows: with another one, all of them are made anew."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality_rule import refuses_rows
from bronze_engine.config.silver import Silver

__all__ = ["SILVER_CHANGED", "silver_hash"]

SILVER_CHANGED: Final = "[silver] has changed since"
"""Why a table is made anew whose manifest has another hash."""


def silver_hash(pipeline: Pipeline, silver: Silver) -> str:
    """SHA-256 over [silver], and what of the pipeline it falls back to.

    Left out: how files are cut and compressed, whether Bronze is verified, where the table lies,
    what only warns or fails a run.
    """
    cdc, incremental = pipeline.cdc, pipeline.incremental
    keeps_late = silver.late_data == "apply"
    chosen = msgspec.structs.asdict(silver.columns)  # a key that is added later changes no hash
    identity = {
        "kind": silver.kind,
        "unique_columns": silver.unique_columns or pipeline.primary_key,
        "order_by": silver.order_by
        or (cdc.order_by if cdc is not None else ())
        or ((incremental.cursor,) if incremental is not None else ()),
        "history": silver.history,
        "deletes": silver.deletes,
        "deleted_column": silver.deleted_column,
        "columns": {key: each for key, each in chosen.items() if each},
        "partition_by": silver.partition_by,
        "late_after": None if keeps_late or silver.late_after is None else float(silver.late_after),
        "rules": [
            msgspec.structs.replace(rule, name="")
            for rule in silver.quality.rules
            if refuses_rows(rule)
        ],
    }
    # msgspec takes no subclass of float, which Duration is.
    encoded = msgspec.json.encode(identity, order="sorted", enc_hook=float)
    return hashlib.sha256(encoded).hexdigest()
