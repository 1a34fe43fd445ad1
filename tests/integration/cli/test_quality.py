"""Rejected records: over the limit nothing is committed, within it they lie beside the data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    hidden,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
SCHEMA = '[pipelines.team.orders.schema]\non_drift = "quarantine"\ncolumns = { n = "int64" }\n'
GOOD = [[{"n": 1}, {"n": 2}]]
BAD = [[{"n": 1}, {"n": "two", "x": "\u00e9"}], [{"n": 3}, {"n": 4}, {"n": "five"}]]


def read_rejects(path: Path) -> list[dict[str, Any]]:
    with pa.CompressedInputStream(pa.OSFile(str(path), "r"), "zstd") as stream:
        return [json.loads(line) for line in stream.read().decode().splitlines()]


def test_over_the_limit_nothing_is_committed_and_the_records_are_kept(bronze: Bronze) -> None:
    shop(bronze.folder, SCHEMA)
    with in_background(paged(*GOOD)) as server:
        bronze.well(*RUN, *url_of(server))
    before = tree(bronze.folder / PARTITION)
    with in_background(paged(*BAD)) as server:
        ran = bronze(*RUN, *url_of(server), "--set", "quality.max_bad_rows=1")
    assert ran.status == 8
    (error,) = ran.errors
    assert error.startswith("QUAL001 2 records were rejected, more than quality.max_bad_rows = 1")
    kept = re.search(r"at (/\S+\.rejected\.jsonl\.zst)", error)
    assert kept is not None
    first, second = read_rejects(Path(kept[1]))
    assert (first["page"], first["offset"]) == (1, 1)
    assert json.loads(first["raw"]) == BAD[0][1]
    assert "n" in first["reason"]
    look = re.search(r"`bronze (quarantine show [^`]+)` lists them", error)
    assert look is not None
    shown = bronze.well(*look[1].split(), "--json", *url_of("http://127.0.0.1:9")).json
    assert [each["raw"] for each in shown["records"]] == [first["raw"], second["raw"]]
    assert (second["page"], second["offset"]) == (2, 2)
    assert tree(bronze.folder / PARTITION) == before
    assert hidden(bronze.folder / "lake") == []


def test_within_the_limit_they_are_committed_beside_the_data(bronze: Bronze) -> None:
    shop(bronze.folder, SCHEMA)
    with in_background(paged(*BAD)) as server:
        ran = bronze.well(*RUN, "--json", *url_of(server), "--set", "quality.max_bad_rows=2")
    assert (ran.json["rows"], ran.json["rejected"]) == (3, 2)
    manifest = json.loads((bronze.folder / PARTITION / "_metadata.json").read_bytes())
    (listed,) = manifest["quarantine"]
    assert re.fullmatch(r"_quarantine/g00000001-\w+-00000\.jsonl\.zst", listed["name"])
    path = bronze.folder / PARTITION / listed["name"]
    assert [each["reason"] != "" for each in read_rejects(path)] == [True, True]
    assert list((bronze.folder / "lake/_runs").rglob("*.rejected*")) == []
    assert hidden(bronze.folder / "lake") == []

    verify = ("verify", PIPELINE, "--date", DATE)
    assert bronze.well(*verify, "--json").json["unlisted"] == []
    path.write_bytes(path.read_bytes()[:-1])
    damaged = bronze(*verify, "--json")
    assert damaged.status == 6
    assert [fault["path"] for fault in damaged.json["faults"]] == [listed["name"]]


def test_a_ratio_is_judged_at_the_end(bronze: Bronze) -> None:
    shop(bronze.folder, SCHEMA)
    with in_background(paged(*BAD)) as server:
        ran = bronze(*RUN, *url_of(server), "--set", "quality.max_bad_ratio=0.39")
        assert ran.status == 8
        assert "quality.max_bad_ratio = 0.39" in ran.errors[0]
        assert not (bronze.folder / PARTITION).exists()
        bronze.well(*RUN, *url_of(server), "--set", "quality.max_bad_ratio=0.4")


RULES = """
[[pipelines.team.orders.quality.rules]]
rule = "range"
column = "n"
max = 2
[[pipelines.team.orders.quality.rules]]
rule = "not_null"
column = "x"
level = "warn"
"""
RAW = [{"n": 1, "x": "a"}, {"n": 3, "x": None}, {"n": 2, "x": None}]


def test_rules_keep_rows_out_and_the_quarantine_shows_them(bronze: Bronze) -> None:
    shop(bronze.folder, RULES)
    with in_background(paged(RAW)) as server:
        ran = bronze.well(*RUN, *url_of(server), "--set", "quality.max_bad_rows=1")
        failed = bronze(*RUN, "--json", *url_of(server))
    assert "rejected range(n): 1 of 3 rows (3)" in ran.out
    assert "warned not_null(x): 2 of 3 rows" in ran.out
    assert failed.status == 8
    assert failed.json["status"] == "failed"

    show = ("quarantine", "show", PIPELINE, "--date", DATE)
    shown = bronze.well(*show)
    assert "page 1 record 1: breaks range(n): n = 3" in shown.out
    (record,) = bronze.well(*show, "--json").json["records"]
    assert json.loads(record["raw"]) == RAW[1]
    assert record["rule"] == "range(n)"
    told = bronze.well(*show, "--run", failed.json["run"], "--json").json
    assert (told["is_committed"], told["records"]) == (False, [record])
    assert bronze(*show, "--limit", "0").status == 2

    replay = ("quarantine", "replay", PIPELINE, "--date", DATE)
    loosened = 'quality.rules=[{rule = "range", column = "n", max = 3}]'
    mended = bronze.well(*replay, "--json", "--set", loosened).json
    assert (mended["generation"], mended["rows"], mended["rejected"]) == (2, 3, 0)
    assert bronze.well(*show, "--json").json["records"] == []
    assert bronze.well("verify", PIPELINE, "--date", DATE, "--json").json["unlisted"] == []
    assert bronze(*replay).status == 7
