"""Fixed-width files and workbooks, landed whole."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from bronze_engine import load_config, open_engine, open_partition
from bronze_engine.errors import BronzeError, ExtractError, QualityError

pytestmark = pytest.mark.integration

DAY = date(2025, 1, 15)
LEDGER = """
[pipelines.drop.ledger.source]
type = "files"
url = "inbox/{run_date:%Y}/*.txt"
format = "fixed"
[pipelines.drop.ledger.schema.columns]
batch_date = "date"
[pipelines.drop.ledger.quality]
max_bad_rows = 5
[pipelines.drop.ledger.source.fixed]
encoding = "cp1252"
land = "detail"
carry = { batch_date = "header.date" }
checks = [{ total = "trailer.rows", count = "detail" }]
[pipelines.drop.ledger.source.fixed.records.header]
when = { start = 1, equals = "H" }
fields = [{ name = "date", start = 2, width = 10 }]
[pipelines.drop.ledger.source.fixed.records.detail]
when = { start = 1, equals = "D" }
fields = [
  { name = "account", start = 2, width = 6 },
  { name = "amount", width = 8, scale = 2, sign = "trailing" },
  { name = "name", width = 10 },
]
[pipelines.drop.ledger.source.fixed.records.trailer]
when = { start = 1, equals = "T" }
fields = [{ name = "rows", start = 2, width = 6 }]
"""
PLAN = """
[pipelines.drop.plan.source]
type = "files"
url = "inbox/*.xlsx"
format = "excel"
[pipelines.drop.plan.schema]
on_drift = "quarantine"
[pipelines.drop.plan.quality]
max_bad_rows = 5
[pipelines.drop.plan.source.excel]
sheet = "Plan*"
sheet_column = "sheet"
"""


def ledger(day: str, rows: int, said: int | None = None) -> bytes:
    lines = [f"H{day}"]
    lines += [f"D{number:06}{number * 100:07}-Müller" for number in range(rows)]
    lines = [line.ljust(25) if line[0] == "D" else line for line in lines]
    lines.append(f"T{rows if said is None else said:06}")
    return "".join(line + "\r\n" for line in lines).encode("cp1252")


async def land(folder: Path, text: str, name: str) -> pa.Table:
    (folder / "pipelines.toml").write_text(f'[engine]\ntarget = "./bronze"\n{text}')
    async with open_engine(load_config(folder / "pipelines.toml")) as engine:
        await engine.run(name, run_date=DAY)
    dataset: Any = open_partition(folder / "bronze", name, run_date=DAY)
    table: pa.Table = dataset.to_table()
    return table


@pytest.mark.asyncio
async def test_children_land_with_their_parents_and_bad_lines_are_kept(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox/2025"
    inbox.mkdir(parents=True)
    (inbox / "a.txt").write_bytes(ledger("2025-01-14", 60_000))
    (inbox / "b.txt").write_bytes(ledger("2025-01-15", 2).replace(b"D000001", b"Dx\r\nD000001", 1))
    with pytest.raises(QualityError, match=r"b\.txt, line 5: trailer\.rows says 2, .* came 3"):
        await land(tmp_path, LEDGER, "drop.ledger")
    (inbox / "b.txt").write_bytes(
        ledger("2025-01-15", 2, said=3).replace(b"D000001", b"Dx\r\nD000001", 1)
    )
    table = await land(tmp_path, LEDGER, "drop.ledger")
    assert table.num_rows == 60_002
    assert table.schema.field("amount").type == pa.decimal128(8, 2)
    rows = table.select(["account", "amount", "name", "batch_date"]).to_pylist()
    account = {"account": "059999", "amount": Decimal("-59999.00"), "name": "Müller"}
    assert rows[59_999] == {**account, "batch_date": date(2025, 1, 14)}
    assert rows[60_001]["batch_date"] == date(2025, 1, 15)
    [kept] = (tmp_path / "bronze/drop/ledger/dt=2025-01-15/_quarantine").iterdir()
    with pa.CompressedInputStream(str(kept), "zstd") as stream:
        told = stream.read().decode()
    assert '"line":3' in told
    assert "b.txt" in told
    assert '"raw":"Dx"' in told


@pytest.mark.asyncio
async def test_sheets_of_several_workbooks_land_and_bad_rows_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in (1, 2):
        with xlsxwriter.Workbook(inbox / f"{number}.xlsx") as book:
            for name in ("Plan A", "Plan B", "Notes"):
                sheet = book.add_worksheet(name)
                sheet.write_row(0, 0, ["name", "amount"])
                sheet.write_row(1, 0, ["a", number])
                sheet.write_row(2, 0, ["b", number + 0.5])
        with xlsxwriter.Workbook(inbox / "3.xlsx") as book:
            book.add_worksheet("Plan A").write_column(0, 0, ["name", "x", "y"])
            book.get_worksheet_by_name("Plan A").write_column(0, 1, ["amount", "none", 1])
    table = await land(tmp_path, PLAN, "drop.plan")
    assert table["sheet"].to_pylist() == [*(["Plan A"] * 2 + ["Plan B"] * 2) * 2, "Plan A"]
    assert table["amount"].to_pylist() == [1.0, 1.5, 1.0, 1.5, 2.0, 2.5, 2.0, 2.5, 1.0]
    [kept] = (tmp_path / "bronze/drop/plan/dt=2025-01-15/_quarantine").iterdir()
    with pa.CompressedInputStream(str(kept), "zstd") as stream:
        told = stream.read().decode()
    assert '"line":2' in told
    assert "3.xlsx" in told
    with xlsxwriter.Workbook(inbox / "3.xlsx") as book:
        book.add_worksheet("Plan A").write_row(0, 0, ["name", "name", "amount"])
    await land(tmp_path, PLAN, "drop.plan")
    assert "sheet 'Plan A': the column 'name' stands there twice" in caplog.text
    (inbox / "3.xlsx").write_bytes(b"name,amount\n")
    with pytest.raises(ExtractError, match=r"3\.xlsx is no workbook"):
        await land(tmp_path, PLAN, "drop.plan")


@pytest.mark.asyncio
async def test_a_wrong_field_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    wrong = LEDGER.replace("header.date", "header.day")
    with pytest.raises(BronzeError, match=r'CFG001.*"day" is unknown'):
        await land(tmp_path, wrong, "drop.ledger")
    assert not (tmp_path / "bronze").exists()


def test_without_the_extra_a_run_of_workbooks_is_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(f'[engine]\ntarget = "./bronze"\n{PLAN}')
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/a.xlsx").write_bytes(b"")
    code = (
        "import sys; sys.modules['python_calamine'] = None\n"
        "from bronze_engine.cli.main import main\n"
        "sys.argv = ['bronze', 'run', 'drop.plan']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "bronze-engine[excel]"' in done.stderr
