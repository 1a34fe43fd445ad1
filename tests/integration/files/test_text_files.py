"""CSV and NDJSON files through an engine: whole files of many blocks, and what can't be landed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.errors import QualityError
from tests.integration.files.landing import DAY, Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 40_000
MANY = "[pipelines.drop.it.quality]\nmax_bad_rows = 10\n"


def rows() -> list[tuple[str, str, str]]:
    """About 3 MiB: notes with everything that a field may hold, at places that no block knows."""
    notes = ['plain "quoted", text', "two\nlines", "", "0" * 150, "Zoë\r\n\U0001f600", ",,,", '""']
    return [(f"{number:06}", notes[number % 7], str(number * 7)) for number in range(ROWS)]


def quarantined(lake: Lake) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted((lake.folder / "bronze").rglob("_quarantine/*.zst")):
        with pa.input_stream(str(path), compression="zstd") as stream:
            found += map(msgspec.json.decode, stream.read().splitlines())
    return found


async def test_a_file_of_many_blocks_lands_as_it_is_and_twice_alike(tmp_path: Path) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("id", "note", "n"), *rows()])
    records = text.getvalue().splitlines(keepends=True)
    broken = [*records[:2], "x,y\r\n", *records[2:], "1,2,3,4\r\n"]
    lake = Lake(
        tmp_path,
        'url = "inbox/*.csv"\nformat = "csv"\n[pipelines.drop.it.source.csv]\nnull_values = []',
        f'{MANY}[pipelines.drop.it.schema.columns]\nn = "int32"',
    )
    (lake.inbox / "a.csv").write_text("".join(broken), newline="")
    (lake.inbox / "b.csv").write_text("n,id,more\n-1,z,\n")
    table = await lake.table()
    assert table.column("id").to_pylist() == [*(row[0] for row in rows()), "z"]
    assert table.column("note").to_pylist() == [*(row[1] for row in rows()), None]
    assert table.column("n").to_pylist() == [*(int(row[2]) for row in rows()), -1]
    assert table.column("more").to_pylist()[-1] == ""
    lines = "".join(broken).replace("\r\n", "\n").count("\n")
    found = [(each["file"][-5:], each["line"], each["raw"]) for each in quarantined(lake)]
    assert found == [("a.csv", 3, "x,y"), ("a.csv", lines, "1,2,3,4")]
    hashes = [file.sha256 for file in lake.manifest().files]
    await lake.run()
    assert [file.sha256 for file in lake.manifest().files] == hashes


async def test_lines_of_json_land_and_others_are_found_by_their_line(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.ndjson"\nformat = "ndjson"', MANY)
    lines = [msgspec.json.encode({"id": number, "note": "x" * 90}) for number in range(20_000)]
    lines[15_000:15_000] = [b"", b"{broken", b"[1]"]
    (lake.inbox / "a.ndjson").write_bytes(b"\r\n".join(lines))
    assert await lake.values("id", DAY) == list(range(20_000))
    found = [(each["line"], each["raw"]) for each in quarantined(lake)]
    assert found == [(15_002, "{broken"), (15_003, "[1]")]


async def test_types_are_inferred_over_files_and_days(tmp_path: Path) -> None:
    lake = Lake(
        tmp_path,
        'url = "inbox/{run_date}.tsv"\nformat = "tsv"\n[pipelines.drop.it.source.csv]\n'
        'types = "infer"',
    )
    (lake.inbox / "2025-01-15.tsv").write_text("id\tpaid\n1\t1.50\n2\t20.00\n")
    table = await lake.table()
    assert [str(kind) for kind in table.schema.types[:2]] == ["int64", "decimal128(18, 2)"]
    day = DAY.replace(day=16)
    (lake.inbox / "2025-01-16.tsv").write_text("id\tpaid\n003\t3.00\n4\t4.5\n")
    table = await lake.table(day)
    assert table.column("id").to_pylist() == [None, 4]
    assert table.column("id__variant").to_pylist() == ['"003"', None]
    assert table.column("paid__variant").to_pylist() == [None, '"4.5"']


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id;name\n1;a\n", 'is not divided by csv.delimiter = ",", and ";" divides its first'),
        ("1,Ann\n2,Bob\n", "begins with '1', which is no name of a column"),
        ("id,id,\n1,2,3\n", "'id' is taken for 'id_2', '' is taken for 'column_3'"),
        ("", "is empty: it has not even a line of names"),
    ],
    ids=["delimiter", "no names", "odd names", "empty"],
)
async def test_what_is_odd_about_a_file_is_told_in_the_report_and_the_log(
    text: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake(tmp_path, 'url = "inbox/{run_date}.csv"\nformat = "csv"')
    (lake.inbox / "2025-01-15.csv").write_text(text)
    (warning,) = (await lake.run()).warnings
    assert told in warning
    assert caplog.messages.count(f"drop.it 2025-01-15: {warning}") == 1


async def test_the_likely_delimiter_is_told_before_its_records_end_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.csv"\nformat = "csv"')
    (lake.inbox / "a.csv").write_text("id;price\n1;1,50\n")
    with pytest.raises(QualityError, match="2 fields instead of 1"):
        await lake.run()
    assert 'set csv.delimiter = ";"' in caplog.text


async def test_fixed_widths_that_seem_to_count_characters_are_told(tmp_path: Path) -> None:
    """What follows a letter of two bytes is cut a place too early, and lands."""
    fields = "".join(f'{{ name = "{name}", width = 6 }},' for name in ("name", "city"))
    lake = Lake(
        tmp_path,
        'url = "inbox/{run_date}.txt"\nformat = "fixed"\n[pipelines.drop.it.source.fixed]\n'
        f"fields = [{fields}]",
    )
    (lake.inbox / "2025-01-15.txt").write_text("Meyer Bern  \nMüllerBern  \n", encoding="utf-8")
    (warning,) = (await lake.run()).warnings
    assert 'set fixed.widths = "characters"' in warning
    assert lake.landed()["city"].to_pylist() == ["Bern", "rBern"]


async def test_padded_records_of_the_wrong_delimiter_are_told(tmp_path: Path) -> None:
    lake = Lake(
        tmp_path,
        'url = "inbox/{run_date}.csv"\nformat = "csv"\n[pipelines.drop.it.source.csv]\n'
        'columns = ["a", "b"]\non_ragged = "pad"',
    )
    (lake.inbox / "2025-01-15.csv").write_text("1\t2\n3\t4\n")
    (warning,) = (await lake.run()).warnings
    assert 'set csv.delimiter = "\\t"' in warning


async def test_files_without_names_are_told_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/{run_date}_*.csv"\nformat = "csv"')
    for number in range(3):
        (lake.inbox / f"2025-01-15_{number}.csv").write_text(f"{number},a\n{number},b\n")
    (warning,) = (await lake.run()).warnings
    assert "2025-01-15_0.csv begins with '0'" in warning


async def test_the_first_bad_record_is_told_by_its_file_and_line(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.csv"\nformat = "csv"')
    (lake.inbox / "a.csv").write_text('a,b\n"1\n",2\n3\n')
    with pytest.raises(QualityError, match=r"1 fields instead of 2 \(.*/inbox/a\.csv, line 4\)"):
        await lake.run()
