"""Workbooks that can't be read, or would take more memory than they may."""

from __future__ import annotations

import io
import re
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from bronze_engine.config.units import ByteSize
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.files.excel.workbook import excel_reader
from tests.unit.files.workbooks import far_off, make, read, rows

pytestmark = pytest.mark.unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.xlsx"


def test_a_sheet_that_is_too_large_is_not_read(path: Path) -> None:
    make(path, {"Plan": [["a"], *([place] for place in range(1000))]})
    with pytest.raises(ExtractError, match=r"the sheet 'Plan' has .* excel\.max_sheet_bytes"):
        read(path, max_sheet_bytes=ByteSize(10_000))
    make(path, {"Plan": [["a"], *([f"text {place}"] for place in range(1000))]})
    with pytest.raises(ExtractError, match=r"what its sheets share has .*max_sheet_bytes"):
        read(path, max_sheet_bytes=ByteSize(10_000))


def test_a_cell_far_off_is_told_and_no_memory_taken_for_those_between(path: Path) -> None:
    most = ByteSize(10_000)
    make(path, {"Plan": [["a"], [1], [far_off("x")]]})
    with pytest.raises(ExtractError, match=r"'Plan' is 2,600 cells from its first to its last"):
        read(path, max_sheet_bytes=most)
    make(path, {"Plan": [["a"], [1], [far_off(None)]]})  # formatted, and empty
    assert read(path, max_sheet_bytes=most).batch.to_pylist() == [{"a": 1}]


def test_what_is_no_workbook_is_told(path: Path) -> None:
    for data in (b"", b"a,b\n1,2\n", b"PK\x03\x04no archive", _archive(b"text")):
        path.write_bytes(data)
        with pytest.raises(ExtractError, match=r"plan\.xlsx is no workbook that can be read"):
            read(path)
    make(path, {"Plan": [["a"], [1]]})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"PK\x01\x02", b"PK\x09\x09", 1))
    with pytest.raises(ExtractError, match="is no workbook"):
        read(path)
    path.write_bytes(whole[:3000])
    with pytest.raises(ExtractError, match="is no workbook"):
        read(path)


def test_a_password_is_told(path: Path) -> None:
    path.write_bytes(_compound_file("EncryptedPackage", "EncryptionInfo"))
    with pytest.raises(ExtractError, match="protected by a password; save it without one"):
        read(path)


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigError, match=r'pip install "bronze-engine\[excel\]"'):
        excel_reader()


def _archive(data: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", data)
    return held.getvalue()


def _compound_file(*streams: str) -> bytes:
    """The least compound file ([MS-CFB]) with these streams, all empty."""
    free, end, fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        1,
        1,
        0,
        4096,
        end,
        0,
        end,
        0,
        0,
    )
    header += struct.pack("<108I", *([free] * 108))
    table = struct.pack("<128I", fat, end, *([free] * 126))
    entries = b""
    for name, kind in (("Root Entry", 5), *((stream, 2) for stream in streams)):
        text = (name + "\0").encode("utf-16-le")
        child = 1 if kind == 5 else free
        right = 2 if name == streams[0] and len(streams) > 1 else free
        entries += struct.pack(
            "<64sHBBIII16sIQQIQ", text, len(text), kind, 1, free, right, child, b"", 0, 0, 0, end, 0
        )
    return header + table + entries.ljust(512, b"\0")


@pytest.mark.parametrize("said", [b"A1", b"A1:B3", b"C1:A9"])
def test_a_cell_outside_of_what_a_sheet_says_of_itself_is_found(
    path: Path, tmp_path: Path, said: bytes
) -> None:
    """The reader goes by the cells, and asks for memory for all that lie between."""
    make(path, {"Plan": [["a"], [1], [far_off("x")]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = re.sub(rb'dimension ref="[^"]*"', b'dimension ref="%b"' % said, old.read(part))
            new.writestr(part, data)
    with pytest.raises(ExtractError, match="cells from its first to its last"):
        rows(other, max_sheet_bytes=ByteSize(10_000))


def altered(path: Path, part: str) -> None:
    """One bit of the checksum of a part is another: what it holds is no longer what it says."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        crc = archive.getinfo(part).CRC
    at = data.rindex(crc.to_bytes(4, "little"))  # in the list of members, which readers go by
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("errors", ["keep", "null"])
@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
)
def test_a_part_with_a_wrong_checksum_lands_nothing(path: Path, part: str, errors: str) -> None:
    """The reader of workbooks does not look at them."""
    make(path, {"Plan": [["a"], ["x"]]})
    altered(path, part)
    with pytest.raises(ExtractError, match=f"broken or was cut off: Bad CRC-32 for file '{part}'"):
        rows(path, cell_errors=errors)


def test_a_sheet_that_is_not_read_may_be_broken(path: Path) -> None:
    make(path, {"Plan": [["a"], ["x"]], "Notes": [["b"]]})
    altered(path, "xl/worksheets/sheet2.xml")
    assert rows(path) == [{"a": "x"}]


def test_what_only_the_reader_of_workbooks_understands_is_left_to_it(
    path: Path, tmp_path: Path
) -> None:
    make(path, {"Plan": [["a"], ["x"]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            new.writestr(part, data.replace(b"UTF-8", b"UTF-0") if "workbook" in part else data)
    assert rows(other) == [{"a": "x"}]
