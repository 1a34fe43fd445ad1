"""A table whose manifest is gone or says nothing any more: a rebuild gets past it."""

from __future__ import annotations

import msgspec
import pytest
import pytest_asyncio

from bronze_engine import open_engine
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import CHECKSUMS_NAME, FORMAT_VERSION, MANIFEST_NAME, Checksums
from bronze_engine.model.report import RunReport
from tests.unit.run.harness import is_idle

from .lake import NAME, Lake
from .test_steps import DAYS, landed, rows
from .test_steps import lake as lake  # noqa: PLC0414  # a fixture

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAMAGED = [b"", b"{", b"{}", b"\xff", b'{"format_version": 1}']


async def curate(lake: Lake, *, rebuild: bool = False) -> RunReport:
    async with open_engine(lake.config()) as engine:
        report = await engine.silver(NAME, rebuild=rebuild)
        assert is_idle(engine)
        return report


@pytest_asyncio.fixture
async def twice(lake: Lake) -> Lake:
    """A table of two generations, whose newest has a file of each."""
    await curate(lake)
    lake.land(landed(DAYS[1], rows(10, 2, 2)))
    report = await curate(lake)
    assert report.generation == 2
    return lake


@pytest.mark.parametrize("body", DAMAGED)
async def test_a_rebuild_gets_past_a_damaged_manifest_and_says_so(
    twice: Lake, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    then = twice.rows()
    path = twice.silver / MANIFEST_NAME
    path.write_bytes(body)
    with pytest.raises(StateError, match=r"no manifest .*--rebuild"):
        await curate(twice)
    async with open_engine(twice.config()) as engine:
        plan = await engine.plan_silver(NAME, rebuild=True)
    assert path.read_bytes() == body
    report = await curate(twice, rebuild=True)
    assert plan.generation == report.generation == 3
    (warning,) = report.warnings
    assert plan.notes == (warning,)
    assert f"{NAME} (silver): {warning}" in [each.getMessage() for each in caplog.records]
    assert warning.startswith(f"silver/team/orders/{MANIFEST_NAME} is no manifest (")
    assert "rows of dates that Bronze has no more are lost" in warning
    assert twice.rows() == then
    assert twice.unowned() == []
    checksums = msgspec.json.decode((twice.silver / CHECKSUMS_NAME).read_bytes(), type=Checksums)
    assert checksums.generation == 3


@pytest.mark.parametrize("has_checksums", [True, False])
async def test_generations_go_on_where_the_manifest_is_gone(
    twice: Lake, *, has_checksums: bool
) -> None:
    """Else what the generations before have left would be spared for ever, as of later ones."""
    (twice.silver / MANIFEST_NAME).unlink()
    if not has_checksums:
        (twice.silver / CHECKSUMS_NAME).unlink()
    report = await curate(twice)
    assert report.generation == (3 if has_checksums else 2)
    assert twice.unowned() == []


async def test_what_a_newer_version_wrote_no_rebuild_replaces(twice: Lake) -> None:
    path = twice.silver / MANIFEST_NAME
    body = b'{"format_version": %d}' % (FORMAT_VERSION + 1)
    path.write_bytes(body)
    with pytest.raises(StateError, match="upgrade"):
        await curate(twice, rebuild=True)
    assert path.read_bytes() == body
