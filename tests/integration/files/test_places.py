"""Files of S3, Azure and HTTP servers: listed, streamed, and told apart by their versions."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import zipfile
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.adapters import open_store
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.model.part import ANY
from bronze_engine.workers import Workers
from tests.integration.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.integration.files.landing import DAY, Lake
from tests.integration.http_server import Seen, serve
from tests.integration.moto import Moto, moto
from tests.integration.s3_server import S3Server, s3_server
from tests.integration.store import azure_opened, s3_opened

__all__ = ["azurite", "moto", "s3_server"]

pytestmark = pytest.mark.integration

ROWS: Final = 60_000
LARGE: Final = b"id\n" + b"".join(b"%099d\n" % number for number in range(ROWS))
"""Larger than what is fetched ahead."""


class Bucket:
    """A container that is there, and the URL and the table by which it is reached."""

    def __init__(self, url: str, config: StoreConfig, table: str) -> None:
        self.url = url
        self.table = table
        self._config = config

    async def put(self, **files: bytes) -> None:
        with Workers(2) as workers:
            async with open_store(self._config, workers) as store:
                for name, body in files.items():
                    await store.put(name.replace("__", "/").replace("_", "."), body, expect=ANY)


@pytest.fixture(params=["s3", "azure"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name in tuple(os.environ):
        if name.startswith(("AWS_", "AZURE_")):
            monkeypatch.delenv(name)
    if request.param == "s3":
        moto: Moto = request.getfixturevalue("moto")
        url = f"s3://{moto.bucket()}/drop"
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_opened.ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_opened.SECRET)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return Bucket(url, s3_opened.config_of(moto.url, url), f'type = "s3"\nurl = "{url}"\n')
    azurite: Azurite = request.getfixturevalue("azurite")
    url = f"az://{asyncio.run(azurite.container())}/drop"
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azurite.url)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    return Bucket(url, azure_opened.config_of(azurite.url, url), f'type = "azure"\nurl = "{url}"\n')


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(f"{name}.csv", body)
    return out.getvalue()


def test_objects_land_by_glob(tmp_path: Path, bucket: Bucket) -> None:
    asyncio.run(
        bucket.put(
            in__a_csv=b"id\n1\n",
            in__b_csv=LARGE,
            in__c_csv_gz=gzip.compress(b"id\n2\n"),
            in__d_zip=zipped(one=b"id\n3\n", two=b"id\n4\n"),
            in__deeper__e_csv=b"id\n5\n",
            input_csv=b"id\n6\n",
        )
    )
    lake = Lake(tmp_path, f'url = "{bucket.url}/in/*"\nformat = "csv"')
    ids = asyncio.run(lake.values("id"))
    assert ids == ["1", *(f"{number:099}" for number in range(ROWS)), "2", "3", "4"]
    names = ["a.csv", "b.csv", "c.csv.gz", "d.zip!one.csv", "d.zip!two.csv"]
    assert lake.sources() == names
    assert lake.manifest().sources[0].version


def test_objects_that_can_not_be_named_are_told(tmp_path: Path, s3_server: S3Server) -> None:
    store = s3_opened.config_of(s3_server.url, "s3://lake/drop")

    async def put() -> None:
        with Workers(2) as workers:
            async with open_store(store, workers) as opened:
                await opened.put("in/a.csv", b"id\n1\n", expect=ANY)

    asyncio.run(put())
    objects = s3_server.bucket("lake").objects
    long = f"in/{'x' * 201}.csv"
    for name in (
        long,
        "in//b.csv",
        "in/b\\c.csv",
        "in/",
        "in/.hidden.csv",
        "in//b.txt",
        "else//b.csv",
    ):
        objects[f"drop/{name}"] = objects["drop/in/a.csv"]
    table = "\n".join(
        f'{name} = "{value}"'
        for name, value in (
            ("type", "s3"),
            ("url", "s3://lake/drop"),
            ("endpoint_url", s3_server.url),
            ("region", "us-east-1"),
            ("access_key_id", s3_opened.ACCESS_KEY),
            ("secret_access_key", s3_opened.SECRET),
            ("proxy", "none"),
        )
    )
    source = 'url = "in/**/*.csv"\nstore = "shop"\nformat = "csv"'
    lake = Lake(tmp_path, source, stores=f"[stores.shop]\n{table}\n")
    report = asyncio.run(lake.run())
    assert lake.sources() == ["a.csv"]
    assert report.warnings[-1] == (
        "3 objects that match s3://lake/drop/in/**/*.csv are left out, of which the first:"
        " 'in//b.csv' can't be a key: it is empty, or begins, ends or doubles its '/'; rename it"
    )
    lake.configure(source.replace("**/*", "*b*"), stores=f"[stores.shop]\n{table}\n")
    with pytest.raises(ExtractError, match=r"no file matches .*; near it are .*a\.csv"):
        asyncio.run(lake.run())


def test_a_store_of_the_file_is_named(tmp_path: Path, bucket: Bucket) -> None:
    asyncio.run(
        bucket.put(**{f"in__{DAY}__x_csv": b"id\n1\n", "in__2025-01-16__x_csv": b"id\n2\n"})
    )
    lake = Lake(
        tmp_path,
        'url = "in/{run_date}/**/*.csv"\nstore = "shop"\nformat = "csv"',
        stores=f"[stores.shop]\n{bucket.table}",
    )
    assert asyncio.run(lake.values("id")) == ["1"]


def test_parquet_comes_by_way_of_the_disk(tmp_path: Path, bucket: Bucket) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"n": range(1000)}), out, row_group_size=100)
    asyncio.run(bucket.put(a_parquet=out.getvalue()))
    lake = Lake(tmp_path, f'url = "{bucket.url}/*.parquet"\nformat = "parquet"')
    assert asyncio.run(lake.values("n")) == list(range(1000))


def test_a_replaced_object_is_reported(tmp_path: Path, bucket: Bucket) -> None:
    lake = Lake(
        tmp_path,
        f'url = "{bucket.url}/*.csv"\nformat = "csv"',
        'load = "incremental"\nincremental = { cursor = "_modified" }',
    )
    asyncio.run(bucket.put(a_csv=b"id\n1\n", b_csv=b"id\n2\n"))
    assert asyncio.run(lake.values("id")) == ["1", "2"]
    asyncio.run(bucket.put(a_csv=b"id\n9\n", b_csv=b"id\n2\n"))
    report = asyncio.run(lake.run(date(2025, 1, 16)))
    assert report.rows == 0
    assert [text for text in report.warnings if "a.csv landed before" in text]
    assert not [text for text in report.warnings if "b.csv" in text]


def test_no_object_is_a_fault_that_names_what_is_near(tmp_path: Path, bucket: Bucket) -> None:
    asyncio.run(bucket.put(in__sales_csv=b"id\n1\n"))
    lake = Lake(tmp_path, f'url = "{bucket.url}/in/sale.csv"\nformat = "csv"')
    with pytest.raises(ExtractError, match=r"near it are .*in/sales\.csv"):
        asyncio.run(lake.run())


class Site:
    """A server with files, each with an ETag, that can break and refuse."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"/{name.replace('_', '.')}": body for name, body in files.items()}
        self.has_ranges = True
        self.has_head = True
        self.token: str | None = None
        self.breaks = 0
        """How many answers end in the middle."""

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if self.token is not None and seen.headers.get("authorization") != f"Bearer {self.token}":
            return _answer(401, b"")
        body = self.files.get(seen.path)
        if body is None:
            return _answer(404, b"")
        tag = f'ETag: "{hash(body)}"\r\nLast-Modified: Wed, 15 Jan 2025 10:00:00 GMT\r\n'
        if seen.method == "HEAD":
            if not self.has_head:
                return _answer(405, b"")
            return _head(200, len(body), tag)
        asked = seen.headers.get("range")
        status = 200
        if asked and self.has_ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            body, status = body[int(first) : int(last) + 1 if last else None], 206
        if self.breaks:
            self.breaks -= 1
            writer.write(_head(status, len(body), tag) + body[: len(body) // 2])
            await writer.drain()
            return None
        return _head(status, len(body), tag) + body


def _head(status: int, size: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\n{more}\r\n".encode()


def _answer(status: int, body: bytes) -> bytes:
    return _head(status, len(body)) + body


@pytest.mark.asyncio
async def test_urls_land_in_the_order_of_their_paths(tmp_path: Path) -> None:
    site = Site(b_csv=b"id\n2\n", a_csv=LARGE, c_csv_gz=gzip.compress(b"id\n3\n"))
    async with serve(site) as server:
        urls = [f"{server.url}/{name}" for name in ("b.csv", "a.csv", "c.csv.gz")]
        lake = Lake(tmp_path, f'url = {urls}\nformat = "csv"')
        ids = await lake.values("id")
    assert ids == [*(f"{number:099}" for number in range(ROWS)), "2", "3"]
    assert lake.manifest().source.requests == 6


@pytest.mark.asyncio
async def test_a_server_that_sends_the_file_to_head_too_is_read(tmp_path: Path) -> None:
    async def both_alike(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return _answer(200, b"id\n1\n")

    async with serve(both_alike) as server:
        lake = Lake(tmp_path, f'url = "{server.url}/a.csv"\nformat = "csv"')
        assert await lake.values("id") == ["1"]
    assert [seen.method for seen in server.seen] == ["HEAD", "GET"]


@pytest.mark.asyncio
async def test_one_url_of_several_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    async with serve(Site(a_csv=b"id\n1\n")) as server:
        urls = [f"{server.url}/a.csv", f"{server.url}/b.csv"]
        lake = Lake(tmp_path, f'url = {urls}\nformat = "csv"')
        with pytest.raises(ExtractError, match=r"no file matches .*/b\.csv"):
            await lake.run()


@pytest.mark.asyncio
async def test_urls_that_differ_in_what_is_not_shown_are_two_files(tmp_path: Path) -> None:
    async with serve(Site(a_csv=b"id\n1\n")) as server:
        urls = [f"{server.url}/a.csv?part={number}" for number in (1, 2)]
        lake = Lake(tmp_path, f'url = {urls}\nformat = "csv"')
        assert await lake.values("id") == ["1", "1"]
    assert lake.sources() == ["a.csv?part=***", "a.csv?part=***#2"]


@pytest.mark.asyncio
async def test_a_download_that_breaks_goes_on_where_it_was(tmp_path: Path) -> None:
    site = Site(a_csv=LARGE)
    site.breaks = 3
    async with serve(site) as server:
        lake = Lake(tmp_path, f'url = "{server.url}/a.csv"\nformat = "csv"')
        assert len(await lake.values("id")) == ROWS
        ranges = [seen.headers.get("range") for seen in server.seen if seen.method == "GET"]
    assert ranges[0] is None
    assert all(asked is not None for asked in ranges[1:])


@pytest.mark.asyncio
async def test_a_server_without_ranges_is_asked_for_the_whole_once_more(tmp_path: Path) -> None:
    site = Site(a_csv=LARGE)
    site.breaks, site.has_ranges = 1, False
    async with serve(site) as server:
        lake = Lake(tmp_path, f'url = "{server.url}/a.csv"\nformat = "csv"')
        assert len(await lake.values("id")) == ROWS


@pytest.mark.asyncio
@pytest.mark.parametrize("has_head", [True, False])
async def test_an_archive_of_a_server_that_sends_no_parts(tmp_path: Path, has_head: bool) -> None:
    site = Site(a_zip=zipped(one=b"id\n1\n", two=b"id\n2\n"))
    site.has_ranges, site.has_head = False, has_head
    async with serve(site) as server:
        lake = Lake(tmp_path, f'url = "{server.url}/a.zip"\nformat = "csv"')
        assert await lake.values("id") == ["1", "2"]


@pytest.mark.asyncio
async def test_a_url_that_is_not_there(tmp_path: Path) -> None:
    async with serve(Site()) as server:
        lake = Lake(tmp_path, f'url = "{server.url}/a.csv?token=s3cr3t-value"\nformat = "csv"')
        with pytest.raises(ExtractError, match=r"no file matches .*/a\.csv\?token=\*") as raised:
            await lake.run()
        lake.configure(f'url = "{server.url}/a.csv"\nformat = "csv"\non_missing = "empty"')
        assert (await lake.run()).rows == 0
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.asyncio
async def test_credentials_are_those_of_the_api(tmp_path: Path) -> None:
    site = Site(a_csv=b"id\n1\n")
    site.token = "let-me-in"
    async with serve(site) as server:
        api = f'[apis.shop]\nbase_url = "{server.url}"\n'
        source = 'url = "/a.csv"\napi = "shop"\nformat = "csv"'
        auth = 'auth = { type = "bearer", token = "let-me-in" }\n'
        lake = Lake(tmp_path, source, stores=api + auth)
        assert await lake.values("id") == ["1"]
        lake.configure(source, stores=api)
        with pytest.raises(AuthError, match=r"no auth is configured; set \[apis\.shop\.auth\]"):
            await lake.run()
        lake.configure(f'url = "{server.url}/a.csv"\nformat = "csv"')
        with pytest.raises(AuthError, match=r"name an entry of \[apis\] .* source\.api"):
            await lake.run()


@pytest.mark.asyncio
async def test_a_file_of_a_server_lands_once(tmp_path: Path) -> None:
    site = Site(a_csv=b"id\n1\n")
    async with serve(site) as server:
        lake = Lake(
            tmp_path,
            f'url = "{server.url}/a.csv"\nformat = "csv"',
            'load = "incremental"\nincremental = { cursor = "_modified" }',
        )
        assert await lake.values("id") == ["1"]
        assert (await lake.run(date(2025, 1, 16))).rows == 0
        site.files["/a.csv"] = b"id\n2\n"
        report = await lake.run(date(2025, 1, 17))
    assert [text for text in report.warnings if "changed since" in text]
