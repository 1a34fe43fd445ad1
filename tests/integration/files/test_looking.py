"""What plan and check say of files, before any of them lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.model.report import RunPlan
from bronze_engine.upkeep.check import Finding
from tests.integration.files.landing import DAY, Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


async def look(lake: Lake) -> tuple[RunPlan, Finding]:
    async with open_engine(load_config(lake.folder / "pipelines.toml")) as engine:
        plan = await engine.plan("drop.it", run_date=DAY)
        return plan, (await engine.check("drop.it", run_date=DAY))[-1]


async def test_files_are_counted_and_the_first_is_tried(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.csv"\nformat = "csv"')
    (lake.inbox / "b.csv").write_text("id\n1\n")
    (lake.inbox / "a.csv").write_text("id\n22\n")
    plan, finding = await look(lake)
    assert plan.slices == ("2 files, 11 bytes",)
    assert plan.first == f"read {lake.inbox}/a.csv"
    assert finding.ok
    assert finding.detail == "inbox/*.csv: 2 files, and the first begins as csv does"
    assert not (tmp_path / "bronze/drop").exists()


async def test_that_there_is_none_is_a_note_of_the_plan_and_a_fault_of_the_check(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.csv"\nformat = "csv"')
    plan, finding = await look(lake)
    assert any(note.startswith("no file matches") for note in plan.notes)
    assert (finding.ok, finding.exit_code) == (False, 4)


async def test_a_first_file_that_is_none_is_a_fault(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "parquet"')
    (lake.inbox / "a").write_text("no Parquet at all")
    _, finding = await look(lake)
    assert not finding.ok
    assert f"{lake.inbox}/a can't be read as Parquet" in finding.detail


async def test_a_query_of_a_url_is_shown_nowhere(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/a.csv?sig=s3cr3t-signature"
    lake = Lake(tmp_path, f'url = "{url}"\nformat = "csv"')
    config = load_config(lake.folder / "pipelines.toml")
    pipeline = config.pipeline("drop.it")
    assert "s3cr3t-signature" in config.secrets
    assert pipeline.config_hash
