"""Which partition of which store a caller means."""

from __future__ import annotations

import os
from datetime import date

from bronze_engine.config.load import Config, load_store
from bronze_engine.config.loading.fault import Fault, config_error
from bronze_engine.config.loading.names import check_path_part
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.errors import ConfigError
from bronze_engine.model.manifest import partition_path
from bronze_engine.silver.table import folder_of

__all__ = ["Target", "partition_named", "place", "table_named", "table_place"]

Target = str | os.PathLike[str] | StoreConfig | Config
"""A URL, the path of a directory, a store of a configuration (`Config.store`, `Config.place`),
or a whole configuration: then a name is a pipeline's."""


def place(target: Target, name: str) -> tuple[StoreConfig, str]:
    """The store, and the name of the entity in it. Raises ConfigError."""
    if isinstance(target, Config):
        pipeline = target.pipeline(name)
        return pipeline.target, f"{pipeline.system}/{pipeline.entity}"
    return target if isinstance(target, StoreConfig) else load_store(target), name


def table_place(target: Target, name: str) -> tuple[StoreConfig, str]:
    """The store, and the path of the curated table in it. Raises ConfigError."""
    if isinstance(target, Config):
        pipeline = target.pipeline(name)
        return pipeline.target, folder_of(pipeline)
    store, named = place(target, name)
    return store, table_named(named)


def table_named(name: str) -> str:
    """The path of a curated table within its target: that of `system.entity`, or one with a
    slash, which is taken as it is. Raises ConfigError for what is neither."""
    parts = name.strip("/").split("/") if "/" in name else ["silver", *name.split(".")]
    faults: list[Fault] = []
    for part in parts:
        check_path_part(part, ("name",), faults)
    if faults or ("/" not in name and len(parts) != 3):
        raise ConfigError(
            f'"{name}" names no curated table; write "system.entity", or the path of its folder'
            ' below the target, such as "silver/system/entity"'
        )
    return "/".join(parts)


def partition_named(name: str, run_date: date) -> str:
    """The path of a partition within its target.

    Raises ConfigError for what is no name, TypeError for what is no date.
    """
    parts = name.split("/" if "/" in name else ".")
    if len(parts) != 2:
        raise ConfigError(
            f'"{name}" names no entity; write "system.entity", or "system/entity" where one of '
            "the two has a dot in it"
        )
    faults: list[Fault] = []
    for part in parts:
        check_path_part(part, ("name",), faults)
    if faults:
        raise config_error(f'"{name}"', faults)
    system, entity = parts
    return partition_path(system, entity, run_date)
