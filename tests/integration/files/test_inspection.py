"""`bronze inspect` of files: the TOML that it prints lands what they hold, wherever they are."""

from __future__ import annotations

import asyncio
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from bronze_engine import load_config, open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config
from bronze_engine.errors import ExtractError
from bronze_engine.inspection import file_sample
from bronze_engine.inspection.file_inspector import FileInspector
from bronze_engine.inspection.file_report import FileInspection
from tests.integration.files.landing import DAY
from tests.integration.files.test_places import Bucket, Site, azurite, bucket, moto
from tests.integration.http_server import serve

__all__ = ["azurite", "bucket", "moto"]

pytestmark = pytest.mark.integration

CSV = b"id;plz;amount;at\n1;01067;1.50;2025-01-15\n2;10115;2.25;2025-01-16\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def inspected(url: str, **more: Any) -> FileInspection:
    return await FileInspector(run_date=DAY, clock=SYSTEM_CLOCK).url(url, **more)


def pasted(found: FileInspection) -> Config:
    path = Path("pipelines.toml")
    path.write_text(f'[engine]\ntarget = "lake"\n{found.toml}')
    return load_config(path)


async def landed(found: FileInspection) -> pa.Table:
    """What lands where the TOML is pasted."""
    async with (
        open_engine(pasted(found)) as engine,
        engine.batches(found.pipeline, run_date=DAY) as stream,
    ):
        return pa.Table.from_batches([batch async for batch in stream])


def types(found: FileInspection) -> dict[str, str]:
    return {column.name: column.type for column in found.columns}


TYPED = {"id": "int64", "plz": "string", "amount": "decimal128(18, 2)", "at": "date32[day]"}


def test_files_of_a_directory() -> None:
    Path("in").mkdir()
    for day in (15, 16, 17):
        body = CSV.replace(b"\n1;", b"\n%d1;" % day).replace(b"\n2;", b"\n%d2;" % day)
        Path(f"in/orders_202501{day}.csv.gz").write_bytes(gzip.compress(body))
    found = asyncio.run(inspected("in/orders_*.csv.gz"))
    assert (found.files, found.format, found.compression) == (3, "csv", "gzip")
    assert [Path(path).name for path in found.looked_at] == [
        "orders_20250115.csv.gz",
        "orders_20250116.csv.gz",
    ]
    assert found.facts["delimiter"] == ";"
    assert types(found) == TYPED
    assert (found.pipeline, found.primary_key, found.rows) == ("in.orders", "id", 4)
    assert found.named_date is not None
    assert (found.named_date.first, found.named_date.last) == ("2025-01-15", "2025-01-17")
    table = asyncio.run(landed(found))
    assert table["id"].to_pylist() == [151, 152, 161, 162, 171, 172]
    assert table["plz"].to_pylist()[0] == "01067"
    assert not Path("lake").exists()


def test_what_is_told_of_new_files_can_be_followed() -> None:
    Path("in").mkdir()
    Path("in/orders_20250115.csv").write_bytes(CSV)
    found = asyncio.run(inspected("in/*.csv"))
    text = found.toml.replace('load = "full"', 'load = "incremental"')
    lines = [line.removeprefix("# ") for line in text.splitlines() if not line.startswith("# Only")]
    followed = "\n".join(lines)
    assert 'cursor = "day"' in followed
    Path("pipelines.toml").write_text(followed)
    assert load_config(Path("pipelines.toml")).check_all() == []


def test_objects_of_a_store(bucket: Bucket) -> None:
    asyncio.run(bucket.put(in__a_csv=CSV, in__b_csv=CSV))
    found = asyncio.run(inspected(f"{bucket.url}/in/*.csv"))
    assert (found.files, found.size_bytes) == (2, 2 * len(CSV))
    assert types(found) == TYPED
    assert asyncio.run(landed(found)).num_rows == 4


def test_parquet_of_a_store(bucket: Bucket) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "day": pa.array([1, 2], pa.uint16())}), sink)
    asyncio.run(bucket.put(a_parquet=sink.getvalue()))
    found = asyncio.run(inspected(f"{bucket.url}/a.parquet"))
    assert (found.format, found.compression) == ("parquet", "none")
    assert types(found) == {"id": "int64", "day": "int32"}
    assert asyncio.run(landed(found)).num_rows == 2


LARGE = 600_000
"""Rows, of which the first 250,000 are in the two row groups that are fetched."""


def large_parquet() -> bytes:
    sink = io.BytesIO()
    ids = pa.array(range(LARGE))
    texts = pa.array([f"row {number}" for number in range(LARGE)])
    table = pa.table({"id": ids, "text": texts})
    pq.write_table(table, sink, row_group_size=125_000, compression="none")
    return sink.getvalue()


def test_of_a_large_parquet_file_the_footer_and_the_first_groups_are_fetched(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = large_parquet()
    asyncio.run(bucket.put(a_parquet=body))
    monkeypatch.setattr(file_sample, "MOST_COPIED_BYTES", len(body) // 2)
    found = asyncio.run(inspected(f"{bucket.url}/a.parquet"))
    assert found.size_bytes == len(body)
    assert types(found) == {"id": "int64", "text": "string"}
    assert found.sample[0] == ("0", "row 0")
    assert 10_000 <= found.rows < LARGE


@pytest.mark.asyncio
@pytest.mark.parametrize("has_ranges", [True, False])
async def test_a_server_that_sends_no_part_of_a_file_sends_all_of_it(has_ranges: bool) -> None:
    body = large_parquet()
    site = Site(a_parquet=body)
    site.has_ranges = has_ranges
    async with serve(site) as server:
        found = await inspected(f"{server.url}/a.parquet")
    assert found.sample[0] == ("0", "row 0")
    assert 10_000 <= found.rows < LARGE


@pytest.mark.asyncio
async def test_a_file_of_a_server_shows_no_signature() -> None:
    async with serve(Site(orders_csv=CSV)) as server:
        found = await inspected(f"{server.url}/orders.csv?sig=s3cr3t-signature")
    assert types(found) == TYPED
    assert found.variables == ("FILES_SIG",)
    assert "s3cr3t" not in str(found)
    assert 'orders.csv?sig=${FILES_SIG}"' in found.toml


def test_members_of_an_archive_whatever_it_is_called() -> None:
    with zipfile.ZipFile("drop.dat", "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    found = asyncio.run(inspected("drop.dat"))
    assert (found.format, found.compression, found.members) == ("csv", "zip", 2)
    assert asyncio.run(landed(found)).num_rows == 4


def test_members_of_another_kind_are_left_out() -> None:
    with zipfile.ZipFile("drop.zip", "w") as archive:
        archive.writestr("README.txt", "Dear all,\nthese are the orders.\n")
        archive.writestr("data/a.csv", CSV)
    found = asyncio.run(inspected("drop.zip"))
    assert 'member = "*.csv"' in found.toml
    assert found.members == 1
    assert asyncio.run(landed(found)).num_rows == 2


def test_records_that_would_be_rejected_are_told_and_the_others_shown() -> None:
    Path("a.csv").write_bytes(CSV + b"3;99999\n")
    found = asyncio.run(inspected("a.csv"))
    assert found.rows == 2
    assert any("a run of this fails as it is: 1 record" in note for note in found.notes)
    assert "quality" not in found.toml


def test_sheets_of_a_workbook() -> None:
    with xlsxwriter.Workbook("book.xlsx") as book:
        sheet = book.add_worksheet("Sheet")
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write_row(1, 0, [1, "a"])
        book.add_worksheet("Notes")
    found = asyncio.run(inspected("book.xlsx"))
    assert (found.format, found.facts["sheets"]) == ("excel", "Sheet, Notes")
    assert asyncio.run(landed(found)).to_pylist() == [{"id": 1, "name": "a"}]


def test_a_document_with_its_list() -> None:
    Path("a.json").write_text('{"data": {"items": [{"id": "1", "at": "2025-01-15T08:00:00Z"}]}}')
    found = asyncio.run(inspected("a.json"))
    assert (found.format, found.facts["records"]) == ("json", "data.items: 1")
    assert 'at = "timestamp(us, UTC)"' in found.toml
    assert asyncio.run(landed(found)).num_rows == 1


def test_of_a_large_file_only_the_beginning_is_read() -> None:
    lines = [b'{"id": %d, "text": "%b"}\n' % (number, b"x" * 1000) for number in range(20_000)]
    Path("a.ndjson").write_bytes(b"".join(lines))
    found = asyncio.run(inspected("a.ndjson"))
    assert 0 < found.rows < 5_000


def test_what_would_be_copied_whole_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(bucket.put(a_arrow=b"ARROW1" + b"\0" * 100))
    monkeypatch.setattr(file_sample, "MOST_COPIED_BYTES", 100)
    with pytest.raises(ExtractError, match="106 bytes, and would be copied whole"):
        asyncio.run(inspected(f"{bucket.url}/a.arrow"))


def test_an_empty_file_is_passed_over_and_alone_it_is_said() -> None:
    Path("a.csv").touch()
    with pytest.raises(ExtractError, match=r"a\.csv is empty"):
        asyncio.run(inspected("*.csv"))
    Path("b.csv").write_bytes(CSV)
    assert asyncio.run(inspected("*.csv")).rows == 2


def test_a_pipeline_is_told_what_could_be_added() -> None:
    Path("a.csv").write_bytes(CSV)
    source = 'type = "files"\nurl = "a.csv"\nformat = "csv"\ncsv.delimiter = ";"\n'
    Path("pipelines.toml").write_text(f"[pipelines.drop.it.source]\n{source}")
    config = load_config(Path("pipelines.toml"))
    inspector = FileInspector(run_date=DAY, clock=SYSTEM_CLOCK)
    found = asyncio.run(inspector.pipeline(config, "drop.it"))
    assert types(found) == dict.fromkeys(TYPED, "string")
    assert found.toml == '[pipelines.drop.it]\nprimary_key = ["id"]\n'
