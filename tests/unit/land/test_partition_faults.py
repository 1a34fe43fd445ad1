"""With several files open, every operation on one of them fails once: all or nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bronze_engine.errors import BronzeError
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Fault, ManualClock, ScriptedSource, inject, page
from tests.unit.run.harness import Bench, unowned

pytestmark = pytest.mark.unit

KEYS = "abcabdbb"
OPTIONS = (
    'output.partition_by=["k"]',
    "output.row_group_rows=2",
    "output.max_rows_per_file=4",
    "output.max_open_files=2",
)


def source() -> ScriptedSource:
    rows: list[dict[str, Any]] = [{"id": at, "k": key} for at, key in enumerate(KEYS)]
    return ScriptedSource([[page(1, *rows)]])


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_before", "fail_after"])
async def test_whatever_fails_of_a_file_the_partition_is_whole_or_not_there(
    tmp_path: Path, fault: Fault
) -> None:
    failed, nth, has_fired = set[str](), 0, True
    while has_fired:
        nth += 1
        seen: list[str] = []

        def is_nth(method: str, key: str, seen: list[str] = seen, nth: int = nth) -> bool:
            if ".parquet" in key:
                seen.append(method)
            return len(seen) == nth

        plain = MemoryStore(ManualClock())
        store = inject(plain, fault=fault, when=is_nth)
        bench = Bench(tmp_path, *OPTIONS, store=store)
        try:
            await bench.run(source())
        except BronzeError:
            failed.add(seen[nth - 1])
            assert await bench.manifest() is None
        has_fired = store.script.fired
        bench.store = plain
        manifest = await bench.run(source())
        ids: list[Any] = (await bench.table()).column("id").to_pylist()
        assert sorted(ids) == list(range(len(KEYS)))
        assert unowned(await bench.left(), manifest) == []
    assert failed >= {"stage", "part", "seal"}  # a completion is tried again
    assert nth > 4 * len({*KEYS})
