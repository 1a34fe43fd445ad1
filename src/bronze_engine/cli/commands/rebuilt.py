"""A curated table made anew beside the one that stands, which is left alone."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from secrets import token_hex
from typing import Any

from bronze_engine.adapters import open_store
from bronze_engine.cli.session import with_engine
from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.place import table_place
from bronze_engine.reading.reader import open_reader
from bronze_engine.silver.database.spill import spill_folder
from bronze_engine.store.overlay import Overlay

__all__ = ["rebuilt"]

log = logging.getLogger(__name__)


@contextmanager
def rebuilt(config: Config, name: str, standing: Manifest) -> Iterator[Committed]:
    """What a rebuild of the dates that `standing` counts gives, in a folder that ends with this.

    Nothing is written to the target or the state. Raises StateError where Bronze is not what the
    table was made of, ConfigError for a table that is committed to a catalog as well, and else what
    a run of Silver raises.
    """
    pipeline = config.pipeline(name)
    _, folder = table_place(config, name)
    if standing.silver is None:
        raise StateError(
            f"{folder} holds a partition of Bronze (run {standing.run}), and no table; give"
            " silver.path another place"
        )
    if pipeline.silver is not None and pipeline.silver.output.table_format == "iceberg":
        raise ConfigError(
            f"{name}: a run of its table commits to the Iceberg catalog as well, so none is made to"
            f" compare with; `bronze verify {name} --silver` looks at the files"
        )
    log.info("%s: its table is made anew to compare with, elsewhere; nothing of it changes", name)
    with spill_folder(config.engine.spill_dir, f"rebuilt-{token_hex(6)}") as spill:
        above = LocalStoreConfig(path=str(spill / "lake"))

        def ours(key: str) -> bool:
            return key.startswith((f"{folder}/", "_state/", "_runs/"))

        @asynccontextmanager
        async def opened(below: Any, resources: StoreResources) -> AsyncIterator[Store]:
            async with (
                open_store(below, resources.workers, resources.clock) as lake,
                open_store(above, resources.workers, resources.clock) as new,
            ):
                yield Overlay(lake, new, ours)

        async def work(engine: Engine) -> None:
            _check(await engine.manifests(name, run_dates=_generations(standing)), standing)
            await engine.silver(name, run_dates=_generations(standing))

        with_engine(config, work, stores=dict.fromkeys(_tags(pipeline), opened))
        with open_reader(above) as reader:
            yield reader.at(folder)


def _generations(standing: Manifest) -> dict[date, int]:
    inputs = standing.silver.inputs if standing.silver is not None else ()
    return {each.run_date: each.generation for each in inputs}


def _check(landed: dict[date, Manifest], standing: Manifest) -> None:
    """A date that was landed again, or is gone, is a difference that says nothing of the table."""
    for day, generation in _generations(standing).items():
        now = landed.get(day)
        if now is None or now.generation != generation:
            what = "is gone" if now is None else f"is of generation {now.generation} now"
            raise StateError(
                f"the table was made of generation {generation} of {day}, and that {what}; run"
                f" `bronze silver {standing.pipeline}` first"
            )


def _tags(pipeline: Pipeline) -> set[str]:
    """The types of the stores that its runs write to."""
    stores = [pipeline.target, *([pipeline.state] if pipeline.state is not None else [])]
    return {tag_of(store) for store in stores}
