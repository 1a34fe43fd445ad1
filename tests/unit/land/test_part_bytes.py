"""`output.part_bytes`: how large the pieces are in which a data file goes to its store."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.land.slice import PARTS_HELD, memory_bytes
from bronze_engine.model.block import Block
from bronze_engine.model.part import Part
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.sources import ScriptedSource
from tests.unit.run.harness import NAME, Bench

pytestmark = pytest.mark.unit

MIB = 1024**2


class Watched:
    """A store that notes the sizes of the parts of data files."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._store = MemoryStore(ManualClock())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Any]:
        async with self._store.stage(key) as upload:
            taken = upload.part

            async def part(part: Part, /) -> None:
                self.sizes.append(part.size_bytes)
                await taken(part)

            upload.part = part  # type: ignore[method-assign]  # of this one upload
            yield upload


def blocks() -> list[Block]:
    """Some 13 MiB that nothing makes smaller."""
    chance = random.Random(1)
    line = b'{"text": "%s"}\n'
    data = [line % chance.randbytes(MIB // 2).hex().encode() for _ in range(13)]
    return [Block(data=each, records=1, page=page) for page, each in enumerate(data, 1)]


@pytest.mark.asyncio
@pytest.mark.parametrize(("setting", "size"), [((), 8), (("output.part_bytes=5MiB",), 5)])
async def test_parts_are_as_large_as_configured(
    tmp_path: Path, setting: tuple[str, ...], size: int
) -> None:
    store: Any = Watched()
    bench = Bench(tmp_path, "output.compression=none", *setting, store=store)
    manifest = await bench.run(ScriptedSource([blocks()]))
    *whole, rest = store.sizes
    assert whole
    assert set(whole) == {size * MIB}
    assert sum(whole) + rest == manifest.files[0].size_bytes


def test_larger_parts_are_reserved_and_rows_are_the_same(tmp_path: Path) -> None:
    plain = Bench(tmp_path).config.pipeline(NAME)
    larger = Bench(tmp_path, "output.part_bytes=16MiB").config.pipeline(NAME)
    assert memory_bytes(larger) - memory_bytes(plain) == PARTS_HELD * 8 * MIB
    assert larger.config_hash == plain.config_hash
