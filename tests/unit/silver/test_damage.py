"""Bronze that is not what its manifests say is STG001 naming the file, and nothing is published."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.store.local.store import open_local
from bronze_engine.workers import Workers

from .damage import DAMAGES, DAYS, HERE, MANIFEST, PART, Damage, OpenStore, Scene

pytestmark = pytest.mark.unit

READABLE = [damage for damage in DAMAGES if damage.is_readable]


def name_of(damage: Damage) -> str:
    return damage.name


def opener(scene: Scene) -> OpenStore:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        config = LocalStoreConfig(path=str(scene.lake.root))
        with Workers(2) as workers:
            async with open_local(config, workers, SYSTEM_CLOCK) as store:
                yield store

    return opened


@pytest.mark.parametrize("damage", DAMAGES, ids=name_of)
@pytest.mark.asyncio
async def test_damaged_bronze_is_refused_by_name(tmp_path: Path, damage: Damage) -> None:
    scene = Scene(tmp_path)
    opened = opener(scene)
    await scene.prepare(opened, damage)
    await scene.check_refused(opened, damage)
    await scene.check_mended(opened)
    assert scene.lake.unowned() == []


@pytest.mark.parametrize("damage", READABLE, ids=name_of)
@pytest.mark.asyncio
async def test_with_warn_it_is_read_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage
) -> None:
    scene = Scene(tmp_path)
    await scene.prepare(opener(scene), damage)
    scene.configure(verify_bronze="warn")
    with caplog.at_level(logging.WARNING, "bronze_engine.silver"):
        report = await scene.silver()
    assert any(damage.named in told and damage.told in told for told in report.warnings)
    assert any(
        damage.named in record.getMessage() and damage.told in record.getMessage()
        for record in caplog.records
    )
    manifest = scene.lake.manifest()
    assert manifest is not None
    assert manifest.silver is not None
    assert manifest.silver.inputs[-1].run_date == DAYS[2]


@pytest.mark.parametrize("damage", READABLE, ids=name_of)
@pytest.mark.asyncio
async def test_with_off_nobody_looks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage
) -> None:
    scene = Scene(tmp_path)
    await scene.prepare(opener(scene), damage)
    scene.configure(verify_bronze="off")
    with caplog.at_level(logging.WARNING, "bronze_engine.silver"):
        await scene.silver()
    assert caplog.records == []
    assert scene.lake.rows() is not None


@pytest.mark.parametrize("verify", ["warn", "off"])
@pytest.mark.asyncio
async def test_file_that_is_gone_is_refused_whatever_is_verified(
    tmp_path: Path, verify: str
) -> None:
    [damage] = [each for each in DAMAGES if each.name == "missing"]
    scene = Scene(tmp_path)
    opened = opener(scene)
    await scene.prepare(opened, damage)
    scene.configure(verify_bronze=verify)
    await scene.check_refused(opened, damage)


@pytest.mark.parametrize("body", [None, b"no json", b"{}"], ids=["none", "broken", "empty"])
@pytest.mark.asyncio
async def test_checksums_that_say_nothing_are_no_fault(tmp_path: Path, body: bytes | None) -> None:
    """The manifest is the truth: a run that died after its commit has written none."""
    scene = Scene(tmp_path)
    opened = opener(scene)
    scene.configure()
    scene.land(0)
    path = scene.lake.root / f"{HERE}_checksums.json".replace("03-03", "03-01")
    path.unlink()
    if body is not None:
        path.write_bytes(body)
    await scene.silver()
    async with opened():
        assert scene.lake.manifest() is not None


@pytest.mark.asyncio
async def test_checksums_of_an_earlier_generation_are_no_fault(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.configure()
    scene.land(2)
    path = scene.lake.root / f"{HERE}_checksums.json"
    before = path.read_bytes()
    scene.land(2, generation=2)
    path.write_bytes(before)
    await scene.silver()
    assert scene.lake.manifest() is not None


@pytest.mark.asyncio
async def test_damaged_table_is_refused_and_made_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.configure(verify_bronze="off")
    scene.land(0)
    await scene.silver()
    manifest = scene.lake.manifest()
    assert manifest is not None
    path = scene.lake.silver / manifest.files[0].name
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    scene.land(1)
    with pytest.raises(StoreError, match=rf"silver/team/orders/{path.name}.*has sha256 "):
        await scene.silver()
    assert scene.lake.manifest() == manifest
    await scene.silver(rebuild=True)
    found = scene.lake.rows()
    assert found is not None
    assert sorted(row["v"] for row in found) == ["0.1.0", "1.1.1", "1.1.2", "1.1.3"]


def test_the_names_are_those_of_what_is_damaged(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.land(2, generation=2)
    assert {PART, MANIFEST} <= scene.read().keys()
