"""`bronze replay` over every kind of store: what was captured is decoded again, without the API."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bronze_engine.contracts import Store
from bronze_engine.testing.stores import read_all
from tests.integration.azurite import Azurite
from tests.integration.cli.command import DATE, PIPELINE, Bronze, in_background, paged, url_of
from tests.integration.cli.lake import Lake, azure_lake, local_lake, s3_lake
from tests.integration.moto import Moto

pytestmark = pytest.mark.integration

PARTITION = f"team/orders/dt={DATE}"
CAPTURE = ("--set", "pipelines.team.orders.source.capture=pages")
PAGES = [[{"id": number, "amount": "1.50"}] for number in range(5)]


async def manifest_in(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await read_all(store, f"{PARTITION}/_metadata.json"))
    return found


def replays(bronze: Bronze, lake: Lake) -> None:
    with in_background(paged(*PAGES)) as server:
        ran = bronze.well("run", PIPELINE, "--date", DATE, *url_of(server), *CAPTURE)
    assert "6 captured)" in ran.out
    first = lake.look(manifest_in)
    again = bronze.well("replay", PIPELINE, "--date", DATE)
    assert re.search(rf"^replay of +run {first['run']}$", again.out, re.MULTILINE)
    assert "6, captured: nothing was asked of the API\n" in again.out
    second = lake.look(manifest_in)
    assert [file["sha256"] for file in second["files"]] == [f["sha256"] for f in first["files"]]
    assert (second["generation"], second["pages"]) == (2, first["pages"])
    typed = ("--set", "schema.columns.amount=decimal(9,2)")
    report = bronze.well("replay", PIPELINE, "--date", DATE, "--json", *typed).json
    assert (report["replay_of"], report["generation"]) == (first["run"], 3)
    assert (report["rows"], report["requests"], report["captured_pages"]) == (5, 0, 6)
    columns = {each["name"]: each["type"] for each in lake.look(manifest_in)["schema"]}
    assert columns["amount"] == "decimal128(9, 2)"
    assert "bronze silver" not in again.out
    with_table = ("--set", "silver.history=current", "--set", 'primary_key=["id"]')
    behind = bronze.well("replay", PIPELINE, "--date", DATE, *with_table).out
    assert behind.endswith(
        f"\nnext         `bronze silver {PIPELINE}` takes it into the curated table\n"
    )
    verified = bronze.well("verify", PIPELINE, "--date", DATE, "--json").json
    assert (verified["faults"], verified["unlisted"]) == ([], [])
    assert "garbage     none" in bronze.well("gc", "--all").out
    keys, staged = lake.content()
    assert staged == []
    assert [key for key in keys if "/_pages/" in key] == [
        f"{PARTITION}/{file['name']}" for file in first["pages"]
    ]


def test_over_local_disk(bronze: Bronze) -> None:
    replays(bronze, local_lake(bronze.folder))


def test_over_s3(bronze: Bronze, moto: Moto) -> None:
    replays(bronze, s3_lake(bronze.folder, moto))


def test_over_azure(bronze: Bronze, azurite: Azurite) -> None:
    replays(bronze, azure_lake(bronze.folder, azurite))


def test_nothing_captured_is_status_7_and_says_what_to_do(bronze: Bronze) -> None:
    local_lake(bronze.folder)
    ran = bronze("replay", PIPELINE, "--date", DATE)
    assert ran.status == 7
    assert ran.errors[0].startswith(f"STATE001 {PARTITION} holds nothing to replay")
    with in_background(paged(*PAGES)) as server:
        bronze.well("run", PIPELINE, "--date", DATE, *url_of(server))
    ran = bronze("replay", PIPELINE, "--date", DATE, "--json")
    assert ran.status == 7
    assert 'set capture = "pages" in [pipelines.team.orders.source]' in ran.errors[0]
    assert (ran.json["status"], ran.json["error_code"]) == ("failed", "STATE001")


def test_what_changed_in_the_columns_is_told(bronze: Bronze) -> None:
    local_lake(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        bronze.well("run", PIPELINE, "--date", DATE, *url_of(server))
    with in_background(paged([{"id": 1, "colour": "red"}, {"id": "x"}])) as server:
        ran = bronze.well("run", PIPELINE, "--date", "2025-01-16", *url_of(server))
    assert "columns" in ran.out
    assert "added colour string" in ran.out
    assert "variant id__variant of id" in ran.out
    with in_background(paged([{"id": 1, "size": 4}])) as server:
        more = ("--date", "2025-01-17", "--json", *url_of(server))
        report = bronze.well("run", PIPELINE, *more).json
    assert {"change": "added", "column": "size", "detail": "int64"} in report["schema_changes"]
