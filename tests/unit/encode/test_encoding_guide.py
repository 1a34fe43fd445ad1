"""docs/encoding.md: its example lands as it says, and its table of types is that of the encoder."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.encode import parquet
from tests.documents import ROOT, Document
from tests.unit.run.harness import load_text, opened

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/encoding.md")
NAME: Final = "shop.orders"


@pytest.mark.asyncio
async def test_the_example_writes_both_layers_as_differences(tmp_path: Path) -> None:
    [table] = GUIDE.blocks("toml")
    (tmp_path / "orders.ndjson").write_text('{"id": 1, "f": 0.5}\n{"id": 7, "f": 1.5}\n')
    config = load_text(f'[engine]\nlog_dir = ""\n{table}', folder=tmp_path)
    async with opened(config, None, clock=SYSTEM_CLOCK) as engine:
        await engine.run(NAME, run_date=date(2025, 1, 15))
        await engine.silver(NAME)
    files = list((tmp_path / "bronze").rglob("*.parquet"))
    assert {path.relative_to(tmp_path).parts[1] for path in files} == {"shop", "silver"}
    for path in files:
        group: Any = pq.read_metadata(path).row_group(0)
        columns = map(group.column, range(group.num_columns))
        used = {column.path_in_schema: column.encodings for column in columns}
        assert "DELTA_BINARY_PACKED" in used["id"]
        assert "DELTA_BINARY_PACKED" not in used["f"]


def test_the_numbers_are_those_of_the_code() -> None:
    section = " ".join(GUIDE.section("Which columns").split())
    assert f"decimal to {parquet._INT64_DIGITS} digits" in section
    assert f"comes {parquet._REPEATS} times or more on average" in section
    assert f"of numbers that ascend {parquet._REPEATS_ASCENDING} times" in section


def test_links_lead_somewhere() -> None:
    for link in GUIDE.links():
        name, _, anchor = link.partition("#")
        target = Document(f"docs/{name}") if name else GUIDE
        assert not anchor or anchor in target.anchors()
    for page in ("README.md", "docs/reading.md", "docs/silver.md", "docs/tables.md"):
        assert "encoding.md" in (ROOT / page).read_text(encoding="utf-8")
