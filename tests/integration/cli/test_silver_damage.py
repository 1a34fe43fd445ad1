"""A curated table whose files are not as they were left: whoever meets one says what helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bronze_engine import load_config, open_table
from bronze_engine.errors import StateError
from tests.integration.cli.command import Bronze
from tests.integration.cli.curated import DAY, NAME, NEXT, TABLE, configure, snapshot

pytestmark = pytest.mark.integration

REBUILD = f"`bronze silver {NAME} --rebuild`"
READERS = (
    ("show", NAME, "--silver"),
    ("diff", NAME, "--silver"),
    ("diff", NAME, "--silver", "--data"),
)


@pytest.fixture
def shop(bronze: Bronze) -> Bronze:
    """A table of a day, and a second day that it has yet to take in."""
    configure(bronze.folder)
    snapshot(bronze.folder, DAY, "1,new", "2,new")
    snapshot(bronze.folder, NEXT, "1,paid", "3,new")
    bronze.well("run", NAME, "--date", DAY)
    bronze.well("run", NAME, "--date", NEXT, "--only", "bronze")
    return bronze


def part_of(bronze: Bronze) -> Path:
    (part,) = (bronze.folder / TABLE).glob("part-*.parquet")
    return part


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil(path: Path) -> None:
    """Pages that are none; its size and its footer are as they were."""
    body = bytearray(path.read_bytes())
    body[4:300] = bytes(byte ^ 0xFF for byte in body[4:300])
    path.write_bytes(body)


@pytest.mark.parametrize("damage", [remove, cut, empty, spoil])
def test_a_damaged_file_of_a_table_is_named_with_what_makes_it_anew(
    shop: Bronze, damage: Callable[[Path], None]
) -> None:
    part = part_of(shop)
    damage(part)
    for command in (("silver", NAME), ("verify", NAME, "--silver"), *READERS):
        ran = shop(*command)
        if damage is spoil and command == READERS[1]:
            continue  # it reads nothing but the footer, which is whole
        assert ran.status == 6, ran.err
        (error,) = ran.errors
        assert REBUILD in error, error
        assert f"{TABLE.removeprefix('lake/')}" in error
    if damage is not spoil:
        with pytest.raises(StateError, match=REBUILD):
            open_table(load_config(shop.folder / "pipelines.toml"), NAME)
    shop.well("silver", NAME, "--rebuild")
    shop.well("verify", NAME, "--silver")
    shop.well("diff", NAME, "--silver", "--data", "--exit-code")


@pytest.mark.parametrize("body", [b"{", b"{}"], ids=["cut", "other"])
def test_a_damaged_manifest_of_a_table_says_what_makes_it_anew(shop: Bronze, body: bytes) -> None:
    manifest = shop.folder / TABLE / "_metadata.json"
    manifest.write_bytes(body)
    statement = ("ddl", NAME, "--silver", "--dialect", "duckdb")
    for command in (("silver", NAME), ("verify", NAME, "--silver"), *READERS, statement):
        ran = shop(*command)
        assert ran.status == 7, ran.err
        (error,) = ran.errors
        assert "silver/shop/orders/_metadata.json is no manifest" in error
        assert "`bronze silver NAME --rebuild`" in error
    ran = shop("status", "--json")
    assert ran.status == 1
    (found,) = [each for each in ran.json if each["pipeline"] == NAME]
    assert (found["is_unknown"], found["silver"]["is_unknown"]) == (False, True)
    ran = shop.well("silver", NAME, "--rebuild")
    shop.well("status")
    assert "what the table held is not known, and it is made anew" in ran.err
    shop.well("verify", NAME, "--silver")
    shop.well("diff", NAME, "--silver", "--data", "--exit-code")


def test_a_table_that_is_not_there_says_how_it_is_made(shop: Bronze) -> None:
    shop.well("silver", NAME)  # of a second generation: the first may be what a dead run has left
    (shop.folder / TABLE / "_metadata.json").unlink()
    statement = ("ddl", NAME, "--silver", "--dialect", "duckdb")
    for command in (("verify", NAME, "--silver"), *READERS, statement):
        ran = shop(*command)
        assert ran.status == 7, (command, ran.out)
        assert "`bronze silver" in ran.errors[0]
    skipped = shop.well("gc", NAME).out
    assert "its manifest is gone" in skipped
    assert "Restore the newest, or `bronze silver NAME --rebuild`" in skipped


def test_a_partition_in_the_place_of_a_table_is_told_as_that(shop: Bronze) -> None:
    (landed,) = shop.folder.glob(f"lake/shop/orders/dt={DAY}/_metadata.json")
    (shop.folder / TABLE / "_metadata.json").write_bytes(landed.read_bytes())
    for command in (("silver", NAME), ("diff", NAME, "--silver")):
        ran = shop(*command)
        assert ran.status == 7, ran.err
        assert "holds a partition of Bronze" in ran.errors[0]


def test_a_damaged_partition_is_no_fault_of_ours(shop: Bronze) -> None:
    (part,) = shop.folder.glob(f"lake/shop/orders/dt={DAY}/part-*.parquet")
    whole = part.read_bytes()
    for damage in (cut, spoil):
        damage(part)
        ran = shop("show", NAME, "--date", DAY)
        assert ran.status == 6, ran.err
        assert "`bronze verify`" in ran.errors[0]
        part.write_bytes(whole)
