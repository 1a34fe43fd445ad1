"""`bronze gc` over every kind of store: what dead runs have left is listed, then removed."""

from __future__ import annotations

import json

import pytest

from bronze_engine.contracts import Store
from bronze_engine.model.part import ANY
from bronze_engine.publish.names import data_name
from bronze_engine.testing.stores import read_all, stage_bytes
from tests.integration.azurite import Azurite
from tests.integration.cli.command import DATE, PIPELINE, Bronze, in_background, paged, url_of
from tests.integration.cli.lake import Lake, azure_lake, local_lake, s3_lake
from tests.integration.moto import Moto

pytestmark = pytest.mark.integration

PARTITION = f"team/orders/dt={DATE}"
DEAD = f"{PARTITION}/{data_name(generation=1, run='r1', slice=0, number=0)}"
OPEN = f"{PARTITION}/{data_name(generation=2, run='r2', slice=0, number=0)}"
ELSEWHERE = f"team/orders/dt=2025-01-16/{data_name(generation=1, run='r3', slice=0, number=0)}"
NOTES = f"{PARTITION}/notes.txt"


async def litter(store: Store) -> None:
    await store.put(DEAD, b"x" * 2048, expect=ANY)
    await store.put(NOTES, b"x", expect=ANY)
    await stage_bytes(store, OPEN, b"x" * 100)
    await stage_bytes(store, ELSEWHERE, b"x" * 100)


def land(bronze: Bronze) -> None:
    with in_background(paged([{"id": 1}])) as server:
        bronze.well("run", PIPELINE, "--date", DATE, *url_of(server))


def collects(bronze: Bronze, lake: Lake) -> None:
    land(bronze)
    lake.look(litter)
    visible, staged = before = lake.content()
    assert staged == [OPEN, ELSEWHERE]
    listed = bronze.well("gc", PIPELINE)
    assert all(key in listed.out for key in (DEAD, OPEN, ELSEWHERE, NOTES))
    assert "2.0 KiB" in listed.out
    assert "nothing; --delete removes it" in listed.out
    assert lake.content() == before
    report = bronze.well("gc", "--all", "--delete", "--json").json
    removed = {each["key"] for each in report["garbage"] if each["removed"]}
    assert removed == {DEAD, OPEN, ELSEWHERE}
    assert [each["generation"] for each in report["fenced"]] == [2, 1]
    assert report["unknown"] == [NOTES]
    assert report["faults"] == []
    left, open_uploads = lake.content()
    void = {f"team/orders/dt=2025-01-16/{name}" for name in ("_metadata.json", "_checksums.json")}
    assert set(left) - set(visible) == void
    assert set(visible) - set(left) == {DEAD}
    assert open_uploads == []
    again = bronze.well("gc", "--all", "--delete")
    assert "garbage     none" in again.out
    place = f"{lake.url}/{PARTITION}"
    assert bronze.well("verify", place, "--json").json["generation"] == 2
    assert bronze("verify", f"{lake.url}/team/orders/dt=2025-01-16").status == 7
    land(bronze)
    assert bronze.well("verify", PIPELINE, "--date", DATE, "--json").json["generation"] == 3

    async def lineage(store: Store) -> list[str]:
        manifest = json.loads(await read_all(store, f"{PARTITION}/_metadata.json"))
        return [each["run"] for each in manifest["lineage"]]

    assert [run.startswith("gc-") for run in lake.look(lineage)] == [False, True, False]


def test_over_local_disk(bronze: Bronze) -> None:
    collects(bronze, local_lake(bronze.folder))


def test_over_s3(bronze: Bronze, moto: Moto) -> None:
    collects(bronze, s3_lake(bronze.folder, moto))


def test_over_azure(bronze: Bronze, azurite: Azurite) -> None:
    collects(bronze, azure_lake(bronze.folder, azurite))


@pytest.mark.parametrize("arguments", [(), (PIPELINE, "--all")])
def test_it_wants_a_name_or_all(arguments: tuple[str, ...], bronze: Bronze) -> None:
    local_lake(bronze.folder)
    ran = bronze("gc", *arguments)
    assert ran.status == 2
    assert "a pipeline's name, or --all" in ran.errors[0]


def test_a_fault_is_its_exit_status_and_in_the_log(bronze: Bronze) -> None:
    lake = local_lake(bronze.folder)
    land(bronze)
    (bronze.folder / "lake" / PARTITION / "_metadata.json").write_text("{}")
    lake.look(litter)
    ran = bronze("gc", "--all", "--delete")
    assert ran.status == 7
    [error] = ran.errors
    assert error.startswith("STATE001 ")
    assert error.endswith(f"({PARTITION})")
    assert f"failed      {PARTITION}: not all was looked at" in ran.out
    assert DEAD in lake.content()[0]
    assert bronze("gc", "team.nothing").status == 2


def test_looking_leaves_no_line_in_the_log_directory(bronze: Bronze) -> None:
    lake = local_lake(bronze.folder)
    lake.look(litter)
    bronze.well("gc", "--all")
    assert not (bronze.folder / "logs").exists()
