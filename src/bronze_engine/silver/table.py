"""A Silver table as a run finds it: a partition of the commit protocol, in a folder of its own."""

from __future__ import annotations

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.contracts import Store
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.silver import table_path
from bronze_engine.publish.base import Base, read_base

__all__ = ["folder_of", "read_table", "silver_of"]


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


async def read_table(store: Store, folder: str, *, pipeline: str, adopt: bool = False) -> Base:
    """The table's manifest as the base of a run. Raises what `read_base` does, and StateError
    where something else than a table lies there."""
    base = await read_base(store, folder, pipeline=pipeline, adopt=adopt)
    if base.committed is not None and base.committed.silver is None:
        raise StateError(
            f"{folder} holds a partition of Bronze (run {base.committed.run}), and no table; give"
            " silver.path another place",
            partition=folder,
        )
    return base
