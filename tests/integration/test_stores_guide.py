"""What docs/stores.md shows is run, and what it says of costs is counted."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.session import get_session

from bronze_engine import Engine, load_config, open_engine
from bronze_engine.store.azure.session import Session
from bronze_engine.store.s3.bucket import Bucket
from tests.documents import STORES
from tests.integration.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.integration.cli.command import DATE, SHOP, Bronze, in_background, paged, url_of
from tests.integration.cli.conftest import bronze
from tests.integration.http_server import serve
from tests.integration.moto import Moto, moto

__all__ = ["azurite", "bronze", "moto"]

pytestmark = pytest.mark.integration

DAY = date.fromisoformat(DATE)
ROWS = [{"id": number} for number in range(100)]


def variables(moto: Moto) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": moto.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }


def test_the_commands_of_the_guide_work_on_a_store(
    bronze: Bronze, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = STORES.commands("bronze")
    assert shown == {
        "bronze check",
        "bronze check myteam.orders",
        "bronze gc",
        "bronze test-connection lake",
        "bronze verify",
    }
    assert "`--set target=s3://my-bucket/try`" in STORES.text
    for name, value in variables(moto).items():
        monkeypatch.setenv(name, value)
    text = SHOP.replace("pipelines.team", "pipelines.myteam")
    (bronze.folder / "pipelines.toml").write_text(text)
    with in_background(paged(ROWS)) as server:
        elsewhere = ["--set", f"target=s3://{moto.bucket()}/try", *url_of(server)]
        assert bronze.well("check", "myteam.orders", *elsewhere).out.count("ok ") == 3
        bronze.well("run", "myteam.orders", "--date", DATE, *elsewhere)
        assert (
            "verdict    ok"
            in bronze.well("verify", "myteam.orders", "--date", DATE, *elsewhere).out
        )
        bronze.well("gc", "myteam.orders", *elsewhere)
        text += f'[stores.lake]\nurl = "s3://{moto.bucket()}/bronze"\n'
        (bronze.folder / "pipelines.toml").write_text(text)
        tried = bronze.well("test-connection", "lake").out
        for word in ("write", "read", "list", "put if absent", "upload", "abort"):
            assert word in tried
    assert not (bronze.folder / "lake").exists()


@pytest.mark.asyncio
async def test_the_lifecycle_of_the_guide_is_one(moto: Moto) -> None:
    [shown] = STORES.blocks("json", "Rules that a bucket needs")
    rules = json.loads(shown)
    bucket = moto.bucket()
    async with get_session().create_client(
        "s3",
        endpoint_url=moto.url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret-key",
    ) as client:
        await client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
        kept = await client.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert {rule["ID"] for rule in kept["Rules"]} == {rule["ID"] for rule in rules["Rules"]}
    [uploads, _] = rules["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] >= 2
    assert all(rule["Filter"] == {"Prefix": "bronze/"} for rule in rules["Rules"])


def test_the_commands_of_the_vendors_are_whole() -> None:
    [block] = STORES.blocks("sh")
    words = shlex.split(block.replace("\\\n", " "))
    assert words[:4] == ["az", "storage", "container", "generate-sas"]
    [line] = [line for line in STORES.text.splitlines() if line.startswith("    aws ")]
    assert "file://lifecycle.json" in shlex.split(line)


# What a run costs.

PUTS = re.compile("put|create|upload|complete|list")
FREE = re.compile("delete|abort")


def shown_costs() -> dict[str, tuple[int, ...]]:
    section = STORES.section("What a run costs")
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \|$", section, re.MULTILINE)
    return {name: tuple(map(int, counts)) for name, *counts in rows}


@asynccontextmanager
async def engine_on(folder: Path, table: str, environ: dict[str, str]) -> AsyncIterator[Engine]:
    async with serve(paged(ROWS)) as server:
        path = folder / "pipelines.toml"
        path.write_text(f"{SHOP}[stores.remote]\nproxy = 'none'\n{table}")
        overrides = [f"apis.shop.base_url={server.url}", "engine.target=remote"]
        config = load_config(path, overrides=overrides, environ=environ)
        async with open_engine(config) as engine:
            yield engine


async def costs(engine: Engine, count: Callable[[], tuple[int, ...]]) -> dict[str, Any]:
    """What the three rows of the table cost."""
    found = {}
    for name in ("first run of a process, a new pipeline", "the same date again"):
        await engine.run("team.orders", run_date=DAY)
        found[name] = count()
    assert (await engine.verify("team.orders", run_date=DAY)).ok
    found["`bronze verify` of it"] = count()
    return found


@pytest.mark.asyncio
async def test_a_run_on_s3_makes_the_requests_that_the_guide_says(
    tmp_path: Path, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: Counter[str] = Counter()
    once = Bucket.once

    async def recording(self: Bucket, method: str, key: str | None, /, **parameters: Any) -> Any:
        kind = "put" if PUTS.match(method) else "free" if FREE.match(method) else "get"
        sent[kind] += 1
        return await once(self, method, key, **parameters)

    def count() -> tuple[int, ...]:
        counted = (sent["put"], sent["get"], sent["free"])
        sent.clear()
        return counted

    monkeypatch.setattr(Bucket, "once", recording)
    # A loaded machine may be so slow that the server's clock has to be asked again.
    monkeypatch.setattr("bronze_engine.store.s3.bucket._STALE_SECONDS", 600.0)
    table = f'url = "s3://{moto.bucket()}/lake"\n'
    async with engine_on(tmp_path, table, variables(moto)) as engine:
        assert await costs(engine, count) == shown_costs()


@pytest.mark.asyncio
async def test_azure_counts_alike(
    tmp_path: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write less a file: an upload needs no beginning."""
    sent: Counter[str] = Counter()
    request = Session.request

    async def recording(self: Session, method: str, url: str, **options: Any) -> Any:
        is_list = "list" in parse_qs(urlsplit(url).query).get("comp", ())
        kind = "put" if method == "PUT" or is_list else "free" if method == "DELETE" else "get"
        sent[kind] += 1
        return await request(self, method, url, **options)

    def count() -> tuple[int, ...]:
        counted = (sent["put"], sent["get"], sent["free"])
        sent.clear()
        return counted

    monkeypatch.setattr(Session, "request", recording)
    table = f'url = "az://{await azurite.container()}/lake"\n'
    environ = {
        "AZURE_STORAGE_ACCOUNT": ACCOUNT,
        "AZURE_STORAGE_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": azurite.url,
    }
    async with engine_on(tmp_path, table, environ) as engine:
        found = await costs(engine, count)
    for name, counted in shown_costs().items():
        assert sum(found[name]) <= sum(counted)
