"""`bronze demo --batch`: a dozen pipelines side by side, and what becomes of those that fail."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import anyio

from bronze_engine.batch.batch import Batch
from bronze_engine.cli.commands.demo_place import DemoPlace, configured
from bronze_engine.cli.display.picture import Picture
from bronze_engine.cli.options import read_date
from bronze_engine.cli.session import beside, in_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport

__all__ = ["fails_as_meant", "land_batch"]

_FAILING: Final = {
    "billing.charges": "AUTH001",
    "legacy.prices": "RETRY001",
    "legacy.suppliers": "RETRY001",
}


async def land_batch(place: DemoPlace, picture_file: Path | None, begun: list[Batch]) -> None:
    """Run the demo's batch, which is then in `begun`, whatever ends it.

    Its display is drawn into a file, as it is when a third of the runs are done.
    """
    async with configured(place, "batch.toml") as config:
        run_date = read_date(place.date, config.engine)
        picture = Picture(SYSTEM_CLOCK)

        async def work(engine: Engine) -> None:
            batch = Batch(engine, [(name, run_date) for name in config.names])
            begun.append(batch)
            if picture_file is None:
                await batch.run()
                return
            async with beside(partial(picture.watch, engine)):
                await batch.run()

        await in_engine(config, work, hooks=[picture])
        if picture_file is not None:
            await _write(picture_file, picture.svg())


def fails_as_meant(report: BatchReport) -> bool:
    """Whether those have failed that the demo makes fail, and no others."""
    failed = {run.pipeline: run.error_code for run in report.runs if run.status != "committed"}
    return failed == _FAILING


async def _write(path: Path, text: str) -> None:
    try:
        await anyio.Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--svg {path} can't be written: {exc.strerror}") from None
