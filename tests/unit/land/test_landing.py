"""Files of a run: where they are cut, what they hold, and what a lost or bad reading leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import BronzeError, ExtractError, QualityError, SliceLost, SnapshotLost
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from tests.unit.run.harness import DAY, Bench, cut_groups, groups_of, reports_of, unowned

pytestmark = pytest.mark.unit

BAD = b'{"id": 1, "id": '
"""A record that can't be read at all."""


def rows_of(number: int, count: int = 10, **more: Any) -> list[dict[str, Any]]:
    return [{"id": number * count + at, **more} for at in range(count)]


def pages(count: int, rows: int = 10, **more: Any) -> list[Step]:
    return [page(number + 1, *rows_of(number, rows, **more)) for number in range(count)]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group for each page."""
    cut_groups(monkeypatch, 1)


async def ids_of(bench: Bench) -> list[int]:
    return [row["id"] for row in (await bench.table()).to_pylist()]


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_groups")
async def test_a_new_column_closes_the_file_at_a_row_group_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_rows=15")
    manifest = await bench.run(ScriptedSource([[*pages(4), *pages(2, colour="red")]]))
    assert await groups_of(bench.store, manifest) == [[15, 15, 10], [15, 5]]
    assert [file.layout for file in manifest.files] == sorted(
        {file.layout for file in manifest.files}
    )
    assert [row["colour"] for row in (await bench.table()).to_pylist()] == [None] * 40 + [
        "red"
    ] * 20
    assert "colour" in [column.name for column in manifest.schema]


@pytest.mark.asyncio
async def test_files_end_at_max_rows_per_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.max_rows_per_file=25", "output.row_group_rows=10")
    manifest = await bench.run(ScriptedSource([pages(7)]))
    assert await groups_of(bench.store, manifest) == [[10, 10, 5], [10, 10, 5], [10, 10]]
    assert await ids_of(bench) == list(range(70))


@pytest.mark.asyncio
async def test_a_file_ends_at_the_first_row_group_past_max_bytes_per_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.max_bytes_per_file=1", "output.row_group_rows=20")
    manifest = await bench.run(ScriptedSource([pages(5)]))
    assert await groups_of(bench.store, manifest) == [[20], [20], [10]]


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_groups")
async def test_row_groups_end_with_the_row_that_reaches_row_group_bytes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_bytes=200")
    manifest = await bench.run(ScriptedSource([pages(6)]))
    assert await groups_of(bench.store, manifest) == [[25, 25, 10]]


@pytest.mark.asyncio
async def test_rows_are_stamped_with_date_and_origin(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([pages(1, 1)]))
    assert (await bench.table()).to_pylist() == [
        {"id": 0, "_load_date": DAY, "_source_system": "team", "_source_entity": "orders"}
    ]


@pytest.mark.asyncio
async def test_stamps_can_be_switched_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.load_columns=false")
    await bench.run(ScriptedSource([pages(1, 1)]))
    assert (await bench.table()).to_pylist() == [{"id": 0}]


@pytest.mark.asyncio
async def test_extracted_at_is_the_instant_at_which_the_run_began(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.load_columns=false", "output.extracted_at=true")
    await bench.run(ScriptedSource([[Pause(7), *pages(1, 1), Pause(7), *pages(1, 1)]]))
    began = datetime(2025, 1, 15, tzinfo=UTC)
    assert [row["_extracted_at"] for row in (await bench.table()).to_pylist()] == [began, began]


@pytest.mark.asyncio
@pytest.mark.parametrize("script", [[], [[]], [[page(1)]]], ids=["no slice", "no page", "no row"])
async def test_zero_rows_commit_a_manifest_without_files(
    tmp_path: Path, script: list[list[Step]]
) -> None:
    bench = Bench(tmp_path)
    manifest = await bench.run(ScriptedSource(script))
    assert (manifest.files, manifest.row_count, manifest.generation) == ((), 0, 1)
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_zero_rows_replace_the_rows_of_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([pages(2)]))
    manifest = await bench.run(ScriptedSource([[]]))
    assert (manifest.files, manifest.generation) == ((), 2)
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_only_rejects_commit_a_quarantine_and_no_data_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "quality.max_bad_rows=5")
    manifest = await bench.run(ScriptedSource([[page(1, BAD), page(2, BAD, BAD)]]))
    assert (manifest.files, manifest.row_count, manifest.rejected_count) == ((), 0, 3)
    assert [file.row_count for file in manifest.quarantine] == [3]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_slices_own_their_files_and_keep_their_order(tmp_path: Path) -> None:
    script = [[page(1, {"id": number})] for number in range(4)]
    for chained in (False, True):
        bench = Bench(tmp_path)
        manifest = await bench.run(ScriptedSource(script, chained=chained))
        assert [file.name.split("-")[-2] for file in manifest.files] == [
            "00000",
            "00001",
            "00002",
            "00003",
        ]
        assert await ids_of(bench) == [0, 1, 2, 3]


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_groups")
async def test_a_lost_slice_is_read_again_and_counted_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_rows=10", "quality.max_bad_rows=1")
    first: list[Step] = [*pages(3), page(4, BAD), SliceLost("the pages shifted")]
    source = ScriptedSource(
        [pages(1), first], rereads=[[[], [*pages(2, 5), page(3, BAD), SliceLost("again")]],
                                    [[], [*pages(2, 5), page(3, BAD)]]]
    )  # fmt: skip
    manifest = await bench.run(source)
    assert await ids_of(bench) == [*range(10), *range(10)]
    assert (manifest.row_count, manifest.rejected_count) == (20, 1)
    assert len(manifest.files) == 2
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_a_slice_lost_three_times_ends_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(ExtractError, match="slice 0 was lost 3 times in a row: gone"):
        await bench.run(ScriptedSource([[*pages(2), SliceLost("gone")]]))
    assert unowned(await bench.left(), None) == []


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_groups")
async def test_a_lost_snapshot_starts_the_run_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_rows=10", "quality.max_bad_rows=1")
    lost: list[list[Step]] = [[*pages(3), page(9, BAD)], [*pages(2), SnapshotLost("it is gone")]]
    source = ScriptedSource(lost, reopens=[lost, [[*pages(1), page(9, BAD)]]])
    manifest = await bench.run(source)
    assert await ids_of(bench) == list(range(10))
    assert (manifest.row_count, manifest.rejected_count) == (10, 1)
    assert source.opened == 0
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_a_snapshot_lost_three_times_ends_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    source = ScriptedSource([pages(2), [SnapshotLost("it is gone")]])
    with pytest.raises(ExtractError, match="snapshot was lost 3 times in a row: it is gone"):
        await bench.run(source)
    assert len(source.requests) == 3
    assert unowned(await bench.left(), None) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("wait", [0, 1])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([page(1, {"id": 1}), page(3, BAD), Pause(), ExtractError("page 5")], QualityError),
        ([page(1, {"id": 1}), page(3, {"id": 3}), Pause(), ExtractError("page 5")], ExtractError),
        ([page(1, {"id": 1}), ExtractError("page 2"), page(3, BAD)], ExtractError),
    ],
)
@pytest.mark.usefixtures("small_groups")
async def test_the_first_error_in_order_is_the_error_of_the_run(
    tmp_path: Path, script: list[Step], expected: type[BronzeError], wait: int
) -> None:
    script = [Pause(wait) if isinstance(step, Pause) else step for step in script]
    bench = Bench(tmp_path)
    with pytest.raises(expected):
        await bench.run(ScriptedSource([script]))
    (report,) = await reports_of(bench.store)
    assert (report["status"], report["error_code"]) == ("failed", expected.code)


@pytest.mark.asyncio
async def test_a_fault_that_is_no_bronze_error_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_rows=5")
    with pytest.raises(ZeroDivisionError):
        await bench.run(ScriptedSource([[*pages(2), ZeroDivisionError("a fault of ours")]]))
    (report,) = await reports_of(bench.store)
    assert (report["status"], report["error"]) == ("failed", "ZeroDivisionError")
    assert unowned(await bench.left(), None) == []


@pytest.mark.asyncio
async def test_a_re_run_with_the_columns_of_before_keeps_their_types(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.load_columns=false")
    await bench.run(ScriptedSource([[page(1, {"id": 1, "price": 0.5})]]))
    later = DAY.replace(day=16)
    manifest = await bench.run(ScriptedSource([[page(1, {"id": 1, "price": 2})]]), later)
    assert [column.name for column in manifest.base_schema] == ["id", "price"]
    assert (await bench.table(later)).schema.field("price").type == pa.float64()
