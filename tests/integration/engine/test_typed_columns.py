"""A type that is configured after the first date holds from the next run on."""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.demo.process import DemoServer

pytestmark = pytest.mark.integration

DECIMAL = pa.decimal128(18, 4)


def parquet_files(partition: str) -> list[Path]:
    return list(Path(partition).glob("*.parquet"))


@pytest.mark.asyncio
async def test_a_type_configured_later_wins_over_what_was_inferred_before(tmp_path: Path) -> None:
    path = tmp_path / "pipelines.toml"
    path.write_text(files("bronze_engine.demo").joinpath("pipelines.toml").read_text())
    typed = "schema.columns.amount=decimal(18,4)"
    async with DemoServer(records=500) as url:
        environ = {"DEMO_URL": url}
        async with open_engine(load_config(path, environ=environ)) as engine:
            await engine.run("demo.orders", run_date=date(2025, 1, 15))
        async with open_engine(load_config(path, environ=environ, overrides=[typed])) as engine:
            report = await engine.run("demo.orders", run_date=date(2025, 1, 16))
            async with engine.batches("demo.orders", run_date=date(2025, 1, 17)) as stream:
                types = {batch.schema.field("amount").type async for batch in stream}
    [file] = parquet_files(report.partition)
    assert pq.read_schema(file).field("amount").type == DECIMAL
    assert [(change.column, change.detail) for change in report.schema_changes] == [
        ("amount", "double -> decimal128(18, 4)")
    ]
    assert types == {DECIMAL}
