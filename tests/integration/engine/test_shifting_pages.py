"""A record is inserted at the front while pages are read: what is on their edge comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import QualityError
from bronze_engine.model.manifest import Manifest
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from tests.integration.http_server import Seen, answer, serve
from tests.unit.run.harness import DAY, NAME, load_text, manifest_of, opened, table_of

pytestmark = pytest.mark.integration

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[pipelines.team.orders]
primary_key = ["id"]
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
{paginator}
size_param = "limit"
page_size = 3
"""
PAGINATORS = {
    "page": 'type = "page"',
    "offset": 'type = "offset"\noffset_param = "offset"',
}


async def land(folder: Path, paginator: str, mode: str) -> tuple[Manifest, list[int]]:
    rows = list(range(100, 91, -1))  # newest first, as most APIs sort

    async def shop(seen: Seen, _: Any) -> bytes:
        start = int(seen.query.get("offset", 3 * (int(seen.query.get("page", 1)) - 1)))
        items = [{"id": number} for number in rows[start : start + 3]]
        if start == 3:
            rows.insert(0, 101)
        return answer({"items": items})

    store = MemoryStore(ManualClock())
    async with serve(shop) as server:
        text = CONFIG.format(url=server.url, paginator=PAGINATORS[paginator])
        config = load_text(text, f"quality.duplicates={mode}", folder=folder)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            await engine.run(NAME, run_date=DAY)
    manifest = await manifest_of(store)
    assert manifest is not None
    return manifest, [row["id"] for row in (await table_of(store)).to_pylist()]


@pytest.mark.asyncio
@pytest.mark.parametrize("paginator", PAGINATORS)
async def test_shifted_rows_are_left_out_or_told(tmp_path: Path, paginator: str) -> None:
    manifest, ids = await land(tmp_path / "drop", paginator, "drop")
    assert ids == list(range(100, 91, -1))
    assert (manifest.row_count, manifest.duplicate_rows) == (9, 1)
    manifest, ids = await land(tmp_path / "report", paginator, "report")
    assert sorted(ids) == [92, 93, 94, 95, 95, 96, 97, 98, 99, 100]
    assert manifest.duplicate_rows == 1
    with pytest.raises(QualityError, match=r"came before \(the first: 95\)"):
        await land(tmp_path / "fail", paginator, "fail")
