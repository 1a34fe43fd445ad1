"""Without its extra a table is told before anything is read, with what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.adapters import lake_table_type
from bronze_engine.config.table_format import TableFormat
from bronze_engine.errors import ConfigError
from bronze_engine.testing import ScriptedSource, page
from tests.unit.run.harness import Bench

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("table_format", "library"), [("delta", "deltalake"), ("iceberg", "pyiceberg")]
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, table_format: TableFormat, library: str
) -> None:
    def missing(_module: str) -> None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=f"{library}.sub")

    monkeypatch.setattr("bronze_engine.adapters.extras.import_module", missing)
    with pytest.raises(ConfigError, match=rf'pip install "bronze-engine\[{table_format}\]"'):
        lake_table_type(table_format)


@pytest.mark.asyncio
async def test_it_is_told_before_the_source_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_format: str) -> None:
        raise ConfigError("no such extra")

    monkeypatch.setattr("bronze_engine.shared.lake_table_type", missing)
    bench = Bench(tmp_path, "output.table_format=delta")
    source = ScriptedSource([[page(1, {"id": 1})]])
    with pytest.raises(ConfigError, match="no such extra"):
        await bench.run(source)
    assert await bench.manifest() is None
    assert not any("dt=" in name for name in await bench.left() if name.endswith(".parquet"))
