"""Compressed files and archives, landed as what they unfold to, or not at all."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.errors import ExtractError
from tests.integration.files.landing import Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

LINES = b"id,name\n" + b"".join(b"%d,name %d\n" % (number, number) for number in range(5000))
IDS = [str(number) for number in range(5000)]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gz", gzip.compress),
    "zstd": ("zst", zstd),
    "bz2": ("bz2", bz2.compress),
    "xz": ("xz", lzma.compress),
}


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("is_told", [False, True])
async def test_a_compressed_file_lands_as_what_it_holds(
    tmp_path: Path, coding: str, is_told: bool
) -> None:
    end, pack = PACK[coding]
    told = f'compression = "{coding}"' if is_told else ""
    lake = Lake(tmp_path, f'url = "inbox/*"\nformat = "csv"\n{told}')
    name = "a.csv" if is_told else f"a.csv.{end}"
    packed = pack(LINES)
    (lake.inbox / name).write_bytes(packed)
    assert await lake.values("id") == IDS
    (file,) = lake.manifest().sources
    assert (file.size_bytes, file.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())


@pytest.mark.parametrize("coding", PACK)
async def test_what_was_packed_in_parts_lands_whole(tmp_path: Path, coding: str) -> None:
    end, pack = PACK[coding]
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"')
    (lake.inbox / f"a.csv.{end}").write_bytes(pack(LINES[:20_000]) + pack(LINES[20_000:]))
    assert await lake.values("id") == IDS


@pytest.mark.parametrize("name", ["a.csv.zst", "a.csv"])
async def test_zstd_that_begins_with_a_frame_without_data_lands(tmp_path: Path, name: str) -> None:
    """As pzstd writes it: the size of the frame behind stands in a skippable one."""
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"')
    packed = zstd(LINES)
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
    (lake.inbox / name).write_bytes(skippable + packed)
    assert await lake.values("id") == IDS


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("left", [0, 1, 60, -1, -9])
async def test_a_cut_file_lands_nothing(tmp_path: Path, coding: str, left: int) -> None:
    end, pack = PACK[coding]
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"')
    (lake.inbox / f"a.csv.{end}").write_bytes(pack(LINES)[:left])
    with pytest.raises(ExtractError, match=rf"a\.csv\.{end}"):
        await lake.run()
    assert not list((tmp_path / "bronze").rglob("*.parquet"))


async def test_a_name_that_promises_too_much_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"')
    (lake.inbox / "a.csv.gz").write_bytes(LINES)
    with pytest.raises(ExtractError, match='set compression = "none" if it is not compressed'):
        await lake.run()
    lake.configure('url = "inbox/*"\nformat = "csv"\ncompression = "none"')
    assert await lake.values("id") == IDS


async def test_members_of_an_archive_are_files(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.zip"\nformat = "csv"\nmember = "*.csv*"')
    with zipfile.ZipFile(lake.inbox / "day.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/one.csv", b"id\n1\n2\n")
        archive.writestr("read me.txt", b"hello")
        archive.writestr("two.csv.gz", gzip.compress(b"id\n3\n"))
    assert await lake.values("id") == ["1", "2", "3"]
    assert lake.sources() == ["one.csv", "day.zip!two.csv.gz"]
    assert lake.manifest().sources[0].path.endswith("inbox/day.zip!in/one.csv")
    assert lake.manifest().sources[0].sha256 == hashlib.sha256(b"id\n1\n2\n").hexdigest()


async def test_archives_without_a_member_that_is_wanted_are_told(tmp_path: Path) -> None:
    source = 'url = "inbox/*.zip"\nformat = "csv"\nmember = "*.tsv"\n'
    lake = Lake(tmp_path, source)
    with zipfile.ZipFile(lake.inbox / "day.zip", "w") as archive:
        archive.writestr("one.csv", LINES)
    with pytest.raises(ExtractError, match=r"no member of .*day\.zip is wanted by source\.member"):
        await lake.run()
    lake.configure(f'{source}on_missing = "empty"')
    assert (await lake.run()).rows == 0


async def test_a_cut_archive_lands_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.zip"\nformat = "csv"')
    with zipfile.ZipFile(lake.inbox / "day.zip", "w") as archive:
        archive.writestr("one.csv", LINES)
    whole = (lake.inbox / "day.zip").read_bytes()
    (lake.inbox / "day.zip").write_bytes(whole[:-30])
    with pytest.raises(ExtractError, match="can't be read as a ZIP archive"):
        await lake.run()


async def test_an_archive_without_the_name_of_one_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"')
    with zipfile.ZipFile(lake.inbox / "day.csv", "w") as archive:
        archive.writestr("one.csv", LINES)
    with pytest.raises(ExtractError, match='set compression = "zip"'):
        await lake.run()
    lake.configure('url = "inbox/*"\nformat = "csv"\ncompression = "zip"')
    assert await lake.values("id") == IDS


async def test_parquet_in_an_archive_and_under_gzip(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "parquet"')
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "one.parquet")
    data = (tmp_path / "one.parquet").read_bytes()
    with zipfile.ZipFile(lake.inbox / "a.zip", "w") as archive:
        archive.writestr("one.parquet", data)
    (lake.inbox / "b.parquet.gz").write_bytes(gzip.compress(data))
    assert await lake.values("n") == [1, 2, 1, 2]


def tar(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("orders.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(b"id\n1\n"), "is an archive of tar"),
        (gzip.compress(tar(b"id\n1\n")), "is an archive of tar"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "is an archive of 7-Zip"),
        (lzma.compress(LINES, format=lzma.FORMAT_ALONE), "is compressed as LZMA"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA1\n", "is encrypted by PGP"),
    ],
    ids=["tar", "tar.gz", "7z", "lzma", "pgp"],
)
@pytest.mark.parametrize("form", ["csv", "ndjson", "json"])
async def test_what_is_packed_otherwise_does_not_land_as_text(
    tmp_path: Path, data: bytes, message: str, form: str
) -> None:
    """Under latin-1 any byte is a character, and padded records have no shape."""
    lake = Lake(
        tmp_path,
        f'url = "inbox/*"\nformat = "{form}"\n'
        + ('[pipelines.drop.it.source.csv]\nencoding = "latin-1"\n' if form == "csv" else ""),
    )
    (lake.inbox / "orders").write_bytes(data)
    with pytest.raises(ExtractError, match=f"orders {message}"):
        await lake.run()


async def test_a_text_that_begins_as_a_packed_file_lands_where_that_is_said(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*"\nformat = "csv"\ncompression = "none"')
    (lake.inbox / "a.csv").write_text("LZIP\n1\n")
    assert await lake.values("LZIP") == ["1"]
