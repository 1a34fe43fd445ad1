"""Runs that are broken off: a source with a fault in one of its slices, and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.errors import BronzeError
from bronze_engine.model.checkpoint import Checkpoint
from bronze_engine.model.manifest import Manifest
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.sources import Step
from tests.unit.run.harness import Bench, reports_of, unowned

__all__ = [
    "BAD",
    "CHECKPOINT",
    "LIMITS",
    "SLICES",
    "Broken",
    "afresh",
    "awaited",
    "hashes",
    "kept_in",
    "rows",
    "source",
    "uninterrupted",
]

CHECKPOINT = "_state/team/orders.dt=2025-01-15.checkpoint"
SLICES = 5
LIMITS = ("output.row_group_rows=2", "output.max_rows_per_file=2", "quality.max_bad_rows=10")
BAD = b'{"id": 1, "id": '


def rows(index: int, *, version: int = 0) -> list[Step]:
    """Three rows of a slice; from slice 2 on they have a column more, and slice 1 has a reject."""
    more = {"note": f"n{index}"} if index > 1 else {}
    records = [{"id": 10 * index + at, "version": version, **more} for at in range(3)]
    steps: list[Step] = [page(1, *records)]
    return [*steps, page(2, BAD)] if index == 1 else steps


def source(
    fault: BaseException | None = None,
    *,
    at: int = 3,
    chained: bool = True,
    token: str | None = "as it is",  # noqa: S107
    version: int = 0,
    slices: int = SLICES,
    slices_at_once: int = 1,
) -> ScriptedSource:
    """Slices of which one ends in a fault, after its rows."""
    script: list[Sequence[Any]] = []
    for index in range(slices):
        broken = [fault] if index == at and fault is not None else []
        script.append([*rows(index, version=version), *broken])
    return ScriptedSource(script, chained=chained, token=token, slices_at_once=slices_at_once)


class Broken(Bench):
    """A bench on which runs are broken off."""

    async def fails(self, source: ScriptedSource, **options: Any) -> BaseException:
        with pytest.raises((BronzeError, RuntimeError)) as caught:
            await self.run(source, **options)
        return caught.value

    async def checkpoint(self) -> Checkpoint | None:
        found = await self.store.get(CHECKPOINT)
        return None if found is None else msgspec.json.decode(found.body, type=Checkpoint)

    async def report(self, run: str) -> dict[str, Any]:
        return next(each for each in await reports_of(self.store) if each["run"] == run)


async def uninterrupted(folder: Path, **options: Any) -> Manifest:
    return await Broken(folder / "whole", *LIMITS).run(source(**options))


def hashes(manifest: Manifest) -> list[str]:
    return [file.sha256 for file in manifest.files]


async def afresh(bench: Broken, again: ScriptedSource, **options: Any) -> Manifest:
    """Run, from the beginning and under another name; nothing of the broken run is left."""
    kept = await bench.checkpoint()
    manifest = await bench.run(again, **options)
    assert again.read[-SLICES:] == list(range(SLICES))
    assert kept is None or manifest.run != kept.run
    assert (await bench.report(manifest.run))["resumed_slices"] == 0
    assert unowned(await bench.left(), manifest) == []
    return manifest


async def kept_in(bench: Broken) -> Checkpoint:
    found = await bench.checkpoint()
    assert found is not None
    return found


async def awaited(task: asyncio.Task[Any]) -> Any:
    return await task
