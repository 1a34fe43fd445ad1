"""A Silver table as a run finds it: a partition of the commit protocol, in a folder of its own."""

from __future__ import annotations

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.contracts import Store
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.silver import table_path
from bronze_engine.publish.base import Base, read_base
from bronze_engine.publish.lost import last_generation

__all__ = ["damage_of", "folder_of", "read_table", "silver_of"]


def silver_of(pipeline: Pipeline) -> Silver:
    """Its [silver]. Raises ConfigError where there is none."""
    if pipeline.silver is None:
        raise ConfigError(
            f"{pipeline.name} has no [silver]; add [pipelines.{pipeline.name}.silver] with"
            " unique_columns and order_by",
            pipeline=pipeline.name,
        )
    return pipeline.silver


def folder_of(pipeline: Pipeline) -> str:
    """Where its table lies below its target. Raises ConfigError where it has no [silver]."""
    return table_path(silver_of(pipeline).path, pipeline.system, pipeline.entity)


async def read_table(
    store: Store, folder: str, *, pipeline: str, adopt: bool = False, rebuild: bool = False
) -> Base:
    """The table's manifest as the base of a run. Where it is lost, or damaged and of no account for
    a `rebuild`, generations go on from what else the folder tells.

    Raises what `read_base` does, and StateError where something else than a table lies there.
    """
    base = await read_base(store, folder, pipeline=pipeline, adopt=adopt, anew=rebuild)
    if base.manifest is None:
        return msgspec.structs.replace(base, lost=await last_generation(store, folder))
    if base.committed is not None and base.committed.silver is None:
        raise StateError(
            f"{folder} holds a partition of Bronze (run {base.committed.run}), and no table; give"
            " silver.path another place",
            partition=folder,
        )
    return base


def damage_of(base: Base) -> str | None:
    """What a rebuild tells of a manifest that says nothing any more; None of others."""
    if base.damage is None:
        return None
    return (
        f"{base.damage}: what the table held is not known, and it is made anew of what Bronze has,"
        f" as generation {base.generation + 1}; rows of dates that Bronze has no more are lost"
    )
