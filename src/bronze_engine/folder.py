"""Looking at a partition by its path, without a configuration."""

from __future__ import annotations

import os
from pathlib import Path

from bronze_engine.adapters import store_opener
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.store import LocalStoreConfig
from bronze_engine.errors import ConfigError
from bronze_engine.model.report import VerifyReport
from bronze_engine.publish.verify import verify
from bronze_engine.workers import Workers

__all__ = ["verify_folder"]


async def verify_folder(folder: Path) -> VerifyReport:
    """Verify the partition at `{target}/{system}/{entity}/dt=YYYY-MM-DD`.

    Raises ConfigError where the path does not end like that, StateError where nothing is
    committed there.
    """
    path = Path(os.path.abspath(folder))  # noqa: PTH100, ASYNC240  # without a look at the disk
    if len(path.parts) < 4 or not path.name.startswith("dt="):
        raise ConfigError(f"{folder} is no partition: its path ends in system/entity/dt=YYYY-MM-DD")
    target = path.parents[2]
    partition = path.relative_to(target).as_posix()
    with Workers(2) as workers:
        opener = store_opener("local", {})
        async with opener(LocalStoreConfig(path=str(target)), workers, SYSTEM_CLOCK) as store:
            return await verify(store, partition, workers)
