"""What one process has landed another publishes, over the stores themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ExtractError
from bronze_engine.model.report import RunReport
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.sources import Step
from tests.integration.azurite import Azurite
from tests.integration.moto import Moto, moto
from tests.integration.store.places import Place, azure_place, local_place, s3_place
from tests.unit.run.harness import DAY, NAME, left_in, manifest_of, table_of, unowned

__all__ = ["moto"]

pytestmark = pytest.mark.integration

SLICES = 4
SCRIPT: list[list[Step]] = [
    [page(1, *[{"id": 10 * index + at} for at in range(5)], captured=True)]
    for index in range(SLICES)
]
SCRIPT[0].append(page(2, b"{", captured=True))
BROKEN: list[list[Step]] = [*SCRIPT[:3], [*SCRIPT[3], ExtractError("cut off")]]

MakePlace = Callable[[Path], Place]
Check = Callable[[MakePlace, Path], Coroutine[Any, Any, None]]


async def run(place: Place, source: ScriptedSource) -> RunReport:
    """In an engine, and so over a store, of its own."""
    config = load_config(place.folder / "pipelines.toml", environ={})
    async with open_engine(config, sources={"http": source}, clock=SYSTEM_CLOCK) as engine:
        return await engine.run(NAME, run_date=DAY)


def source(script: list[list[Step]]) -> ScriptedSource:
    return ScriptedSource(script, chained=True, token="t")


async def resumes(make: MakePlace, folder: Path) -> None:
    whole, place = make(folder / "whole"), make(folder / "broken")
    await run(whole, source(SCRIPT))
    with pytest.raises(ExtractError):
        await run(place, source(BROKEN))
    async with place.opened() as store:
        left = await left_in(store)
    assert not [key for key in left if key.startswith("team/")], "nothing is visible"
    assert len([key for key in left if key.startswith("[team/")]) == 3 * (2 + 1) + 1
    again = source(SCRIPT)
    report = await run(place, again)
    assert (again.read, report.resumed_slices) == ([3], 3)
    async with whole.opened() as store:
        reference = await manifest_of(store)
    async with place.opened() as store:
        manifest = await manifest_of(store)
        assert manifest is not None
        assert reference is not None
        assert [file.sha256 for file in manifest.files] == [file.sha256 for file in reference.files]
        assert [file.sha256 for file in manifest.quarantine] == [
            file.sha256 for file in reference.quarantine
        ]
        assert len(manifest.pages) == SLICES
        assert (await table_of(store)).num_rows == 5 * SLICES
        assert unowned(await left_in(store), manifest) == []


async def starts_afresh(make: MakePlace, folder: Path) -> None:
    """Where a rule of the bucket has removed one upload, nothing is published without it."""
    place = make(folder / "emptied")
    with pytest.raises(ExtractError):
        await run(place, source(BROKEN))
    async with place.opened() as store:
        staged = [one async for one in store.scan_staged("team/")]
        await store.discard(staged[2])
    again = source(SCRIPT)
    report = await run(place, again)
    assert (again.read, report.resumed_slices) == ([0, 1, 2, 3], 0)
    async with place.opened() as store:
        assert (await table_of(store)).num_rows == 5 * SLICES
        assert unowned(await left_in(store), await manifest_of(store)) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [resumes, starts_afresh])
async def test_on_local_disk(check: Check, tmp_path: Path) -> None:
    await check(local_place, tmp_path)


@pytest.mark.asyncio
async def test_with_the_state_in_a_store_of_its_own(tmp_path: Path) -> None:
    place = local_place(tmp_path)
    path = tmp_path / "pipelines.toml"
    path.write_text(path.read_text().replace("[engine]\n", '[engine]\nstate = "./elsewhere"\n'))
    with pytest.raises(ExtractError):
        await run(place, source(BROKEN))
    assert not (tmp_path / "bronze/_state/team").exists()
    states = tmp_path / "elsewhere/_state/team"
    assert [one.name for one in states.iterdir()] == ["orders.dt=2025-01-15.checkpoint"]
    report = await run(place, source(SCRIPT))
    assert (report.resumed_slices, report.rejected) == (3, 1)
    assert [one.name for one in states.iterdir()] == ["orders.json"]
    assert not [path for path in (tmp_path / "elsewhere").rglob(".*") if path.is_file()]


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [resumes, starts_afresh])
async def test_over_s3(check: Check, tmp_path: Path, moto: Moto) -> None:
    await check(lambda folder: s3_place(folder, moto.url, f"s3://{moto.bucket()}/lake"), tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [resumes, starts_afresh])
async def test_over_azure(check: Check, tmp_path: Path, azurite: Azurite) -> None:
    containers = [await azurite.container() for _ in range(2)]

    def place(folder: Path) -> Place:
        return azure_place(folder, azurite.origin, f"az://{containers.pop()}/lake")

    await check(place, tmp_path)
