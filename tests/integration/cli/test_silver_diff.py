"""`bronze diff` of curated tables: with another place, and with what a rebuild would make."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from tests.integration.cli.command import Bronze, start, tree
from tests.integration.cli.curated import DAY, NAME, NEXT, TABLE, configure, snapshot

pytestmark = pytest.mark.integration


@pytest.fixture(params=["current", "full"])
def shop(bronze: Bronze, request: pytest.FixtureRequest) -> Bronze:
    """A table of two days, made in two runs."""
    configure(bronze.folder, f'deletes = "tombstone"\nhistory = "{request.param}"')
    snapshot(bronze.folder, DAY, "1,new", "2,new")
    snapshot(bronze.folder, NEXT, "1,paid", "3,new")
    for day in (DAY, NEXT):
        bronze.well("run", NAME, "--date", day)
    return bronze


def tampered(folder: Path) -> None:
    """Every row that says paid says lost, and the manifest knows the file as it is."""
    key = folder / "_metadata.json"
    manifest = decode_manifest(key.read_bytes(), "_metadata.json")
    files: list[Any] = []
    for file in manifest.files:
        path = folder / file.name
        table = pq.read_table(path)
        texts = ["lost" if each == "paid" else each for each in table["status"].to_pylist()]
        at = table.schema.get_field_index("status")
        table = table.set_column(at, table.schema.field(at), pa.array(texts, pa.string()))
        pq.write_table(table, path)
        files.append(type(file)(**{**_fields(file), "size_bytes": path.stat().st_size}))
    changed = type(manifest)(**{**_fields(manifest), "files": tuple(files)})
    key.write_bytes(encode_manifest(changed))


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_a_table_equals_one_made_anew_and_nothing_is_written(shop: Bronze) -> None:
    before = tree(shop.folder)
    ran = shop.well("diff", NAME, "--silver", "--data", "--exit-code")
    assert ran.out.splitlines()[-1] == "no difference"
    assert ran.out.splitlines()[0].split() == ["table", "made", "anew", "difference"]
    assert tree(shop.folder) == before


def test_a_table_that_differs_from_one_made_anew(shop: Bronze) -> None:
    tampered(shop.folder / TABLE)
    ran = shop("diff", NAME, "--silver", "--data", "--exit-code", "--json")
    assert ran.status == 1, ran.err
    rows = ran.json["comparison"]["rows"]
    assert (rows["only_a"], rows["only_b"], rows["changed"]) == (0, 0, 1)
    (change,) = rows["examples_changed"]
    assert change["key"]["id"] == 1
    assert (change["a"], change["b"]) == ({"status": "lost"}, {"status": "paid"})


KILLED = """
import os, signal, sys
from bronze_engine.cli import main
from bronze_engine.cli.commands import rebuilt
rebuilt.open_reader = lambda store: os.kill(os.getpid(), signal.SIGKILL)  # the new table is made
main.main(sys.argv[1:])
"""


def test_what_a_killed_diff_leaves_is_removed_by_the_next_run(shop: Bronze) -> None:
    spill = shop.folder / "spill"
    ours = ("diff", NAME, "--silver", "--set", f'engine.spill_dir="{spill}"')
    with start(["-c", KILLED, *ours], shop.folder) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert list(spill.rglob("part-*.parquet"))
    shop.well(*ours)
    assert list(spill.iterdir()) == []


def test_dates_that_were_landed_again_are_no_fault_of_the_table(shop: Bronze) -> None:
    shop.well("run", NAME, "--date", DAY, "--only", "bronze")
    ran = shop("diff", NAME, "--silver")
    assert ran.status == 7
    assert f"generation 1 of {DAY}" in ran.errors[0]
    assert f"`bronze silver {NAME}` first" in ran.errors[0]
    shop.well("silver", NAME)
    shop.well("diff", NAME, "--silver", "--data", "--exit-code")


def test_dates_that_are_pending_are_left_out(shop: Bronze) -> None:
    snapshot(shop.folder, "2025-01-17", "4,new")
    shop.well("run", NAME, "--date", "2025-01-17", "--only", "bronze")
    shop.well("diff", NAME, "--silver", "--data", "--exit-code")


def test_two_places_are_compared(shop: Bronze) -> None:
    shutil.copytree(shop.folder / TABLE, shop.folder / "staging/silver/shop/orders")
    pair = (TABLE, "staging/silver/shop/orders")
    assert shop.well("diff", *pair, "--data", "--exit-code").out.splitlines()[-1] == "no difference"
    tampered(shop.folder / "staging/silver/shop/orders")
    ran = shop("diff", *pair, "--data", "--exit-code")
    assert ran.status == 1
    assert str(shop.folder / "staging/silver/shop/orders") in ran.out
    assert "status paid -> lost" in ran.out
    # Of a name and a path, too; and of two partitions.
    assert shop("diff", NAME, pair[1], "--silver", "--data", "--exit-code").status == 1
    partitions = [f"lake/shop/orders/dt={day}" for day in (DAY, NEXT)]
    found = shop.well("diff", *partitions, "--data", "--json").json["comparison"]["rows"]
    assert (found["only_a"], found["only_b"], found["changed"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((NAME,), "give --date twice"),
        ((NAME, "--silver", "--date", DAY), "leave --date out"),
        ((NAME, NAME, "--date", DAY, "--date", NEXT), "give --date once"),
        ((NAME, NAME, NAME), "3 were given"),
        ((TABLE, "--silver"), "give a pipeline's name, or a second place"),
    ],
    ids=["one-date", "dated-table", "dated-pair", "three", "a-path"],
)
def test_what_cannot_be_compared(bronze: Bronze, arguments: tuple[str, ...], why: str) -> None:
    configure(bronze.folder)
    ran = bronze("diff", *arguments)
    assert ran.status == 2
    assert why in ran.errors[0]
