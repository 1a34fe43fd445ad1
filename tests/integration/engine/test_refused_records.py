"""Rows of an API that break a rule: the quarantine has their records as they were sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from tests.integration.http_server import Seen, answer, serve
from tests.unit.run.harness import DAY, NAME, load_text, opened, table_of

pytestmark = pytest.mark.integration

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.envelope]
at = "meta.at"
[pipelines.team.orders.quality]
max_bad_rows = 2
[[pipelines.team.orders.quality.rules]]
rule = "range"
column = "id"
max = {most}
"""
RECORD = b'{\n  "id": 7,\n  "price": 1.10,  "note": "\xc3\xa9"\n}'
BODY = b'{"meta": {"at": "noon"},\n "items": [{"id": 1}, ' + RECORD + b"]}"


@pytest.mark.asyncio
async def test_a_record_is_kept_as_it_was_sent_and_replayed_with_what_was_around_it(
    tmp_path: Path,
) -> None:
    async def shop(_seen: Seen, _: Any) -> bytes:
        return answer(body=BODY)

    store = MemoryStore(ManualClock())
    async with serve(shop) as server:
        config = load_text(CONFIG.format(url=server.url, most=5), folder=tmp_path)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            await engine.run(NAME, run_date=DAY)
            (kept,) = (await engine.quarantine(NAME, run_date=DAY)).records
    assert kept.record == RECORD
    assert (kept.page, kept.offset) == (1, 1)
    config = load_text(CONFIG.format(url=server.url, most=9), folder=tmp_path)
    async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
        await engine.replay_quarantine(NAME, run_date=DAY)
    rows = (await table_of(store)).select(["id", "note", "at"]).to_pylist()
    assert rows == [
        {"id": 1, "note": None, "at": "noon"},
        {"id": 7, "note": "é", "at": "noon"},
    ]
