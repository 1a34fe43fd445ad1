"""Which files of its source the dates of an entity have landed, as their manifests remember."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.landed_file import LandedBefore, LandedFile
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.window import Window
from bronze_engine.state.partitions import committed_dates, read_partition

__all__ = ["read_landed_before"]

_AT_ONCE: Final = 16


async def read_landed_before(
    store: Store, system: str, entity: str, run_date: date, epoch: int
) -> LandedBefore:
    """What every date of the epoch has landed, told apart by whether it is `run_date`.

    Reads every manifest, and keeps of it the files alone: some 300 bytes for each. Raises
    StateError for one that can't be read.
    """
    found: dict[date, tuple[tuple[LandedFile, ...], str | None]] = {}
    windows: dict[date, Window | None] = {}

    async def read(day: date) -> None:
        manifest = await read_partition(store, system, entity, day)
        if manifest is not None and manifest.epoch == epoch:
            found[day] = (manifest.sources, _decided(manifest))
            windows[day] = manifest.watermark

    await each(await committed_dates(store, system, entity), read, at_once=_AT_ONCE)
    elsewhere: dict[str, LandedFile] = {}
    floor: str | None = None
    for day in sorted(found):
        files, decided = found[day]
        floor = decided or floor
        if day != run_date:
            elsewhere.update(_by_path(files))
    oldest = windows[min(windows)] if windows else None
    return LandedBefore(
        here=_by_path(found[run_date][0]) if run_date in found else {},
        elsewhere=elsewhere,
        is_newest=all(day <= run_date for day in found),
        floor=floor,
        removed_below=oldest.low if oldest is not None and oldest.low_open else None,
    )


def _by_path(files: tuple[LandedFile, ...]) -> Mapping[str, LandedFile]:
    return {file.path: file for file in files}


def _decided(manifest: Manifest) -> str | None:
    """The watermark that a person had set when this was landed."""
    return None if manifest.override is None else manifest.override.value
