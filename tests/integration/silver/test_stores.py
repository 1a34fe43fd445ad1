"""Silver over object stores: what lies there is copied to the spill folder and verified, the table
is published by conditional puts, and nothing is left on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bronze_engine.contracts import Store
from tests.integration.azurite import Azurite, azurite
from tests.integration.moto import Moto, moto
from tests.integration.store.places import Place, azure_place, s3_place
from tests.unit.silver.damage import DAMAGES, Damage, Scene

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

DAMAGED = [each for each in DAMAGES if each.name in {"flipped-byte", "missing", "cut-short"}]


class Remote:
    """A scene whose lake is an object store, and whose run spills below a folder of the test."""

    def __init__(self, folder: Path, place: Place) -> None:
        whole = (place.folder / "pipelines.toml").read_text()
        self.place = place
        self.scene = Scene(folder, whole[whole.index("[stores.lake]") :])
        self.spill = folder / "spill"
        self.scene.overrides = (f"engine.spill_dir={self.spill}",)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        async with self.place.opened() as store:
            yield store

    def spilled(self) -> list[Path]:
        return list(self.spill.iterdir())


def on_s3(folder: Path, moto: Moto) -> Remote:
    return Remote(folder, s3_place(folder / "place", moto.url, f"s3://{moto.bucket()}/lake"))


async def on_azure(folder: Path, azurite: Azurite) -> Remote:
    url = f"az://{await azurite.container()}/lake"
    return Remote(folder, azure_place(folder / "place", azurite.origin, url))


async def check_damage(remote: Remote, damage: Damage) -> None:
    await remote.scene.prepare(remote.opened, damage)
    await remote.scene.check_refused(remote.opened, damage)
    assert remote.spilled() == []
    await remote.scene.check_mended(remote.opened)
    assert remote.spilled() == []


@pytest.mark.parametrize("damage", DAMAGED, ids=lambda damage: damage.name)
@pytest.mark.asyncio
async def test_damaged_bronze_on_s3_is_refused_by_name(
    tmp_path: Path, moto: Moto, damage: Damage
) -> None:
    await check_damage(on_s3(tmp_path, moto), damage)


@pytest.mark.parametrize("damage", DAMAGED[:1], ids=lambda damage: damage.name)
@pytest.mark.asyncio
async def test_damaged_bronze_on_azure_is_refused_by_name(
    tmp_path: Path, azurite: Azurite, damage: Damage
) -> None:
    await check_damage(await on_azure(tmp_path, azurite), damage)
