"""What is decoded depends on the input alone: not on workers, arrival or timing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.contracts import Decoded, Emit
from bronze_engine.errors import ExtractError
from bronze_engine.land.fold import decode_slice
from bronze_engine.model.layout import Layout
from bronze_engine.model.profile import Stage
from bronze_engine.model.slice import Slice
from bronze_engine.testing import Pause, ScriptedSource, Step, asked, lend, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers
from tests.unit.run.harness import Bench, cut_groups
from tests.unit.testing.test_source_checks import Kind, Sound

pytestmark = pytest.mark.unit

PAGES = 40
ROWS = 8


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group for each page, so that little data has many."""
    cut_groups(monkeypatch, 1)


def records(number: int) -> list[dict[str, Any]]:
    """A page whose shape changes as the pages go on: new columns, drift, nulls first."""
    rows: list[dict[str, Any]] = []
    for place in range(ROWS):
        at = number * ROWS + place
        row: dict[str, Any] = {"id": at, "amount": at, "late": None, "name": f"row {at}"}
        if number >= 3:
            row["late"] = at / 4
        if number >= 9:
            row["new"] = {"depth": at}
        if number == 13 or number >= 20:
            row["amount"] = at + 0.5
        if number == 25:
            row["name"] = at
        if number >= 30:
            row["new"] = {"depth": at, "more": str(at)}
        rows.append(row)
    return rows


def steps(shuffle: random.Random | None = None) -> list[Step]:
    found: list[Step] = []
    for number in range(PAGES):
        if shuffle is not None:
            # A second on a manual clock passes when all that came before has been consumed.
            found.extend([Pause(shuffle.choice([0, 0, 1]))] * shuffle.randrange(3))
        found.append(page(number + 1, *records(number)))
    return found


def with_delays(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Jobs in workers are handed back after a random number of turns of the loop."""
    run = Workers.run

    async def late(
        self: Workers, function: Callable[..., Any], /, *args: object, stage: Stage | None = None
    ) -> Any:
        result = await run(self, function, *args, stage=stage)
        for _ in range(chance.randrange(6)):
            await ManualClock().sleep(0)
        return result

    monkeypatch.setattr(Workers, "run", late)


def with_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    init = Workers.__init__
    monkeypatch.setattr(Workers, "__init__", lambda self, _: init(self, threads))


async def landed(folder: Path, script: Sequence[Step], *overrides: str) -> list[tuple[str, int]]:
    """Hash and rows of each data file, in order."""
    bench = Bench(folder, *overrides)
    manifest = await bench.run(ScriptedSource([script]))
    return [(file.sha256, file.row_count) for file in manifest.files]


SMALL = ("output.row_group_rows=50",)


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [24, 88])
async def test_the_same_input_gives_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, rows: int
) -> None:
    limit = f"output.row_group_rows={rows}"
    expected = await landed(tmp_path, steps(), limit)
    assert len(expected) > 1
    assert sum(count for _, count in expected) == PAGES * ROWS
    chance = random.Random(seed)
    with_threads(monkeypatch, (1, 2, 8)[seed % 3])
    with_delays(monkeypatch, chance)
    assert await landed(tmp_path, steps(chance), limit) == expected


def drifting() -> list[Step]:
    """One shape throughout, and one value that does not fit: its page is the sixth."""
    rows: list[list[dict[str, Any]]] = [
        [{"id": number * ROWS + at, "amount": at} for at in range(ROWS)] for number in range(8)
    ]
    rows[5][0]["amount"] = 0.5
    return [page(number, *each, *each) for number, each in enumerate(rows, start=1)]


@pytest.mark.asyncio
@pytest.mark.parametrize("late", range(8))
async def test_a_group_decoded_before_the_layout_was_settled_does_not_unsettle_it(
    tmp_path: Path, late: int
) -> None:
    """All eight groups are decoded at once, or those from `late` on after the row group."""
    script = drifting()
    at_once = Bench(tmp_path, "output.row_group_rows=48")
    manifest = await at_once.run(ScriptedSource([script]))
    assert [column.name for column in manifest.schema][:3] == ["id", "amount", "amount__variant"]
    delayed = Bench(tmp_path, "output.row_group_rows=48")
    script.insert(late, Pause(1))
    again = await delayed.run(ScriptedSource([script]))
    assert [file.sha256 for file in again.files] == [file.sha256 for file in manifest.files]


@pytest.mark.asyncio
async def test_a_group_decoded_with_an_older_layout_is_decoded_again(tmp_path: Path) -> None:
    """Every page brings a column, and all of them are decoded while the first still has one."""
    script = [page(number, {"id": number, f"c{number}": number}) for number in range(1, 12)]
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([script]))
    rows = (await bench.table()).to_pylist()
    assert [row["id"] for row in rows] == list(range(1, 12))
    assert [row[f"c{row['id']}"] for row in rows] == list(range(1, 12))
    others = [row[f"c{n}"] for row in rows for n in range(1, 12) if n != row["id"]]
    assert others == [None] * 110


class BrokenOff(Sound):
    """What it waits for is cancelled by somebody else: a future of a client library's, say."""

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        await super().read(piece, emit)
        raise asyncio.CancelledError


@pytest.mark.asyncio
async def test_a_source_that_is_cancelled_from_within_has_not_come_to_its_end() -> None:
    async def consume(decoded: Decoded) -> Layout:
        return decoded.layout

    piece = Slice(index=0, label="one", spec=msgspec.Raw(b'{"place": 0}'))
    async with lend() as lent, Kind(BrokenOff).open("whole", asked(), lent.resources) as source:
        decoder = source.decoder()
        with pytest.raises(ExtractError, match=r"'one' broke off: .* not by whoever runs it"):
            await decode_slice(source, decoder, piece, lent.resources, consume, layout=None)
